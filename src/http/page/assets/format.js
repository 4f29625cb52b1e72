/** Numbers as people read them. */

/** @param {number} position */
export function hex(position) {
  return `0x${position.toString(16).padStart(8, '0')}`;
}

/**
 * @param {number} start
 * @param {number} end
 */
export function hexRange(start, end) {
  return start === end ? hex(start) : `${hex(start)}–${hex(end)}`;
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString('en-US');
}

/**
 * `1 gap`, `2 gaps`.
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/**
 * A share as a percentage that is never rounded to 0 or 100 unless it is.
 * @param {number} share 0 to 1
 */
export function percent(share) {
  if (share === 0) return '0 %';
  if (share === 1) return '100 %';
  if (share < 0.001) return '< 0.1 %';
  if (share > 0.999) return '> 99.9 %';
  return `${(share * 100).toFixed(1)} %`;
}

/** @param {number} value */
export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 2 ** (10 * power);
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : Number(scaled.toFixed(1))} ${units[power]}`;
}

/** @param {number} ms */
export function millis(ms) {
  if (ms === 0) return '0 ms';
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

/**
 * The two largest units of a span: `3 d 4 h`, `5 min 2 s`.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  const parts = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value !== 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([value], i) => i === 0 || value !== 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** @param {string} iso */
export function clock(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? '--:--:--' : date.toLocaleTimeString('en-GB');
}

/**
 * Redis Cluster slots that a range touches.
 * @param {number} start
 * @param {number} end
 */
export function slots(start, end) {
  const first = start >>> 18;
  const last = end >>> 18;
  const whole = (start & 0x3ffff) === 0 && (end & 0x3ffff) === 0x3ffff;
  const name = first === last ? `slot ${first}` : `slots ${first}–${last}`;
  return whole ? name : `part of ${name}`;
}

/**
 * The nearest-rank percentile.
 * @param {readonly number[]} sorted ascending, not empty
 * @param {number} p 0 to 1
 */
export function percentile(sorted, p) {
  return sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)] ?? 0;
}
