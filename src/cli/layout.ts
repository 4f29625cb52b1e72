/** Text for people: columns, durations, shares. */

/** What strangers named, without what would steer a terminal. */
export function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

/** Rows as aligned columns, two spaces apart; the last column is not padded. An empty cell is a dash. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const cleaned = rows.map((row) => row.map((cell) => clean(cell) || '-'));
  const widths: number[] = [];
  for (const row of cleaned) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return cleaned.map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  '),
  );
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

export function duration(seconds: number): string {
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** A share of the key space. Never 0 % or 100 % for something that is neither. */
export function shareOfKeySpace(positions: number): string {
  const percent = (positions / 2 ** 32) * 100;
  if (positions > 0 && percent < 0.1) return 'under 0.1 %';
  if (positions < 2 ** 32 && percent > 99.9) return 'over 99.9 %';
  return `${Number(percent.toFixed(1))} %`;
}

/** `k=v` pairs, separated by commas; a value that would be ambiguous is quoted. */
export function tagList(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${/^[^\s",]*$/.test(value) ? value : JSON.stringify(value)}`)
    .join(',');
}
