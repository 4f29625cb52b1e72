/** Ranges of the key space: whole numbers from 0 to 4294967295, inclusive at both ends. */
import { ShoalError } from '../base/index.ts';
import { SLOT_COUNT, slotRange } from './keys.ts';

export const KEY_SPACE_END = 0xffffffff;
export const KEY_SPACE_SIZE = 0x100000000;

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Which end of a range a text stands for: it decides what `slot:N` means. A `point` is the slot's first position. */
export type Side = 'start' | 'end' | 'point';

/** @throws ShoalError `bad-range` that names `start` or `end`. */
export function checkRange(start: unknown, end: unknown): Range {
  const range = { start: whole(start, 'start', 'bad-range'), end: whole(end, 'end', 'bad-range') };
  if (range.start > range.end) {
    throw new ShoalError(
      'bad-range',
      `end ${range.end} is below start ${range.start}: write the lower position first`,
      'end',
    );
  }
  return range;
}

/** @throws ShoalError `bad-position` that names `field`. */
export function checkPosition(position: unknown, field = 'position'): number {
  return whole(position, field, 'bad-position');
}

/**
 * Reads a position as people write it: decimal, `0x` hex, or `slot:N`.
 * @throws ShoalError that names `field`: `bad-position` for a point, `bad-range` for an end of a range.
 */
export function parsePosition(text: string, field: string, side: Side): number {
  const code = side === 'point' ? 'bad-position' : 'bad-range';
  if (/^slot:[0-9]+$/.test(text)) {
    const slot = Number(text.slice(5));
    if (slot >= SLOT_COUNT) {
      throw new ShoalError(code, `${field}: ${shown(text)} is no slot: slots are 0 to 16383`, field);
    }
    const range = slotRange(slot);
    return side === 'end' ? range.end : range.start;
  }
  if (/^-[0-9]+$/.test(text) || /^[0-9]+$/.test(text) || /^0x[0-9a-f]+$/i.test(text)) {
    return whole(Number(text), field, code);
  }
  throw new ShoalError(
    code,
    `${field}: ${shown(text)} is not a position: write a whole number, 0x and hex digits, or slot:N`,
    field,
  );
}

function whole(value: unknown, field: string, code: string): number {
  if (typeof value !== 'number') {
    throw new ShoalError(code, `${field} is not a number: give a whole number from 0 to 4294967295`, field);
  }
  if (value < 0) throw new ShoalError(code, `${field} ${value} is negative: the lowest position is 0`, field);
  if (value > KEY_SPACE_END) {
    throw new ShoalError(code, `${field} ${value} is too large: the highest position is 4294967295`, field);
  }
  if (!Number.isInteger(value)) {
    throw new ShoalError(code, `${field} ${value} is not a whole number from 0 to 4294967295`, field);
  }
  return value + 0; // makes -0 plain 0
}

/** Foreign text in a message: quoted, on one line, not long. */
function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
