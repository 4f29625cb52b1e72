/** Whole numbers as Redis reads them from arguments and values (its `string2ll`): no spaces, no plus, no leading zeros, no -0. */

const MINUS = 45;
const ZERO = 48;
/** Digits a number may have to be exact in a double, whatever they are. */
const SAFE_DIGITS = 15;
const MAX_DIGITS = 19;
export const INT64_MAX = 2n ** 63n - 1n;
export const INT64_MIN = -(2n ** 63n);

/** The number, when it has at most 15 digits; NaN when it has more, or is none. */
export function smallInteger(bytes: Uint8Array, at: number, length: number): number {
  const negative = length > 0 && bytes[at] === MINUS ? 1 : 0;
  const digits = length - negative;
  if (digits < 1 || digits > SAFE_DIGITS) return Number.NaN;
  if (bytes[at + negative] === ZERO && (digits > 1 || negative === 1)) return Number.NaN;
  let value = 0;
  for (let i = at + negative; i < at + length; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return negative === 1 ? -value : value;
}

/** A signed 64-bit number, or null. */
export function int64(bytes: Uint8Array, at: number, length: number): bigint | null {
  if (length === 0 || length > MAX_DIGITS + 1) return null;
  const small = smallInteger(bytes, at, length);
  if (!Number.isNaN(small)) return BigInt(small);
  const negative = bytes[at] === MINUS;
  const first = negative ? at + 1 : at;
  const end = at + length;
  if (end - first <= SAFE_DIGITS || end - first > MAX_DIGITS || bytes[first] === ZERO) return null;
  let text = '';
  for (let i = first; i < end; i++) {
    const digit = bytes[i] as number;
    if (digit < ZERO || digit > ZERO + 9) return null;
    text += String.fromCharCode(digit);
  }
  const value = negative ? -BigInt(text) : BigInt(text);
  return value > INT64_MAX || value < INT64_MIN ? null : value;
}

/** Puts the digits of a whole number that a double holds exactly at `at`; returns how many bytes. */
export function writeInteger(bytes: Uint8Array, at: number, value: number): number {
  let rest = value < 0 ? -value : value;
  if (rest > 0x7fffffff) {
    const text = String(value);
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
    return text.length;
  }
  const sign = value < 0 ? 1 : 0;
  let digits = 1;
  for (let bound = 10; digits < 10 && rest >= bound; bound *= 10) digits++;
  if (sign === 1) bytes[at] = MINUS;
  for (let i = at + sign + digits - 1; i >= at + sign; i--) {
    const tenth = (rest / 10) | 0;
    bytes[i] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return sign + digits;
}
