import type { Call } from '../call.ts';
import { INT64_MAX, INT64_MIN } from '../numbers.ts';
import { badExpiry, NOT_INTEGER } from './errors.ts';

/** Later times are kept as this one: what a double holds exactly, some 285,000 years from now. */
const MAX_MS = Number.MAX_SAFE_INTEGER;
/** Below, sums and products of milliseconds are exact. */
const EXACT = 1e12;

export type Unit = 'seconds' | 'ms';

/**
 * The expiry that argument `i` means, in milliseconds since the epoch; null after an error was given. Redis counts in 64 bits and
 * refuses what does not fit; SET and its like (`positive`) also what is not above zero.
 */
export function whenOf(
  call: Call,
  i: number,
  unit: Unit,
  relative: boolean,
  positive: boolean,
  command: string,
): number | null {
  const value = call.integer(i);
  if (value === null) {
    call.reply.error(NOT_INTEGER);
    return null;
  }
  if (value > -EXACT && value < EXACT && (value > 0 || !positive))
    return (unit === 'seconds' ? value * 1000 : value) + (relative ? call.nowMs : 0);
  return largeWhen(call, call.int64(i) as bigint, unit, relative, positive, command);
}

function largeWhen(
  call: Call,
  value: bigint,
  unit: Unit,
  relative: boolean,
  positive: boolean,
  command: string,
): number | null {
  const ms = unit === 'seconds' ? value * 1000n : value;
  const when = relative ? ms + BigInt(call.nowMs) : ms;
  if ((positive && value <= 0n) || ms > INT64_MAX || ms < INT64_MIN || when > INT64_MAX) {
    call.reply.error(badExpiry(command));
    return null;
  }
  return Math.min(Number(when), MAX_MS);
}
