import { ShoalError } from '../base/index.ts';

const LAST_POSITION = 0xffffffff;
const LAST_SLOT = 16383;

/** Both ends inclusive. */
export interface PositionRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a position as people write it: decimal, `0x` hex, or `slot:N`, a whole Redis Cluster slot, which is its first
 * position at a start and its last at an end.
 * @throws ShoalError `bad-position` naming `field`.
 */
export function parsePosition(text: string, field: string, side: 'start' | 'end' = 'start'): number {
  const slot = /^slot:([0-9]{1,5})$/i.exec(text);
  if (slot !== null) {
    const n = Number(slot[1]);
    if (n > LAST_SLOT) throw bad(field, `'${clip(text)}' is not a slot: slots are 0 to ${LAST_SLOT}`);
    return (side === 'start' ? n * 0x40000 : n * 0x40000 + 0x3ffff) >>> 0;
  }
  if (!/^([0-9]{1,20}|0x[0-9a-f]{1,16})$/i.test(text)) {
    throw bad(field, `'${clip(text)}' is not a position: write decimal, 0x hex, or slot:N`);
  }
  const position = Number(text);
  if (position > LAST_POSITION) {
    throw bad(field, `${clip(text)} is outside the key space: positions are 0 to ${LAST_POSITION}`);
  }
  return position;
}

/** @throws ShoalError `bad-position`, or `bad-range` when the end lies before the start. */
export function parseEnds(startText: string, endText: string): PositionRange {
  const start = parsePosition(startText, 'start', 'start');
  const end = parsePosition(endText, 'end', 'end');
  if (end < start) {
    throw new ShoalError(
      'bad-range',
      `end: ${clip(endText)} lies before the start ${clip(startText)}; swap the two`,
      'end',
    );
  }
  return { start, end };
}

/**
 * Reads a whole number written in decimal, nothing else: no sign unless `min` is negative, no fraction, no exponent.
 * @throws ShoalError `code` naming `field`.
 */
export function parseWhole(text: string, field: string, min: number, max: number, code: string): number {
  const value = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    throw new ShoalError(
      code,
      `${field}: '${clip(text)}' will not do: write a whole number from ${min} to ${max}`,
      field,
    );
  }
  return value;
}

/** A stranger's text in a one-line message: short, and without control characters. */
export function clip(text: string): string {
  const printable = text.replace(/\p{Cc}+/gu, '?');
  return printable.length > 60 ? `${printable.slice(0, 57)}...` : printable;
}

function bad(field: string, message: string): ShoalError {
  return new ShoalError('bad-position', `${field}: ${message}`, field);
}
