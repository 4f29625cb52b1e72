import type { Call } from '../call.ts';
import { MAX_BULK_BYTES } from '../request.ts';
import { bitfield, bitfieldReadOnly } from './bitfield.ts';
import { entries, keys } from './entry.ts';
import { BIT_OFFSET, BIT_VALUE, NOT_INTEGER, SYNTAX } from './errors.ts';
import { copyValue, room } from './values.ts';

/** Bits that are set in a byte. */
const ONES = new Uint8Array(256);
for (let byte = 1; byte < 256; byte++) ONES[byte] = (ONES[byte >> 1] as number) + (byte & 1);

/** Argument `i` as the number of a bit; null after an error was given. */
function bitOffset(call: Call, i: number): number | null {
  const offset = call.integer(i);
  if (offset !== null && offset >= 0 && offset < MAX_BULK_BYTES * 8) return offset;
  call.reply.error(BIT_OFFSET);
  return null;
}

function setBit(call: Call): void {
  const { table } = call.store;
  const offset = bitOffset(call, 2);
  if (offset === null) return;
  const on = call.integer(3);
  if (on !== 0 && on !== 1) {
    call.reply.error(BIT_VALUE);
    return;
  }
  const found = call.findKey();
  const before = found ? table.valueLength : 0;
  const place = Math.floor(offset / 8);
  const length = Math.max(before, place + 1);
  const to = room(length);
  if (found) copyValue(call, to, 0);
  to.bytes.fill(0, before, length);
  const byte = to.bytes[place] as number;
  const bit = 7 - (offset % 8);
  to.bytes[place] = (byte & ~(1 << bit)) | (on << bit);
  table.put(to, 0, length, found ? table.expiryMs : 0);
  call.reply.integer((byte >> bit) & 1);
}

function getBit(call: Call): void {
  const { table } = call.store;
  const offset = bitOffset(call, 2);
  if (offset === null) return;
  const place = Math.floor(offset / 8);
  if (!call.findKey() || place >= table.valueLength) call.reply.integer(0);
  else call.reply.integer(((table.value.bytes[table.valueAt + place] as number) >> (7 - (offset % 8))) & 1);
}

/** A part of a value, in bits: from `first` up to but not including `end`. */
interface Part {
  first: number;
  end: number;
}

/**
 * What `start end [BYTE|BIT]` from argument `i` on means of a value of `length` bytes; null after an error was given. With no end
 * it is the last byte.
 */
function partOf(call: Call, i: number, length: number): Part | null {
  let start = call.integer(i);
  const unitAt = i + 2;
  let bits = false;
  let end: number | null = -1;
  const readUnit = (): boolean => {
    if (call.count <= unitAt) return true;
    bits = call.is(unitAt, 'BIT');
    return bits || call.is(unitAt, 'BYTE');
  };
  if (start === null) {
    call.reply.error(NOT_INTEGER);
    return null;
  }
  if (call.count > i + 1) end = call.integer(i + 1);
  if (end === null) {
    call.reply.error(NOT_INTEGER);
    return null;
  }
  if (!readUnit()) {
    call.reply.error(SYNTAX);
    return null;
  }
  const total = bits ? length * 8 : length;
  start = Math.max(start < 0 ? total + start : start, 0);
  end = Math.min(Math.max(end < 0 ? total + end : end, 0), total - 1);
  if (start > end) return { first: 0, end: 0 };
  return bits ? { first: start, end: end + 1 } : { first: start * 8, end: (end + 1) * 8 };
}

/** Bits of a byte that lie within a part of the value, as a mask. */
function maskOf(place: number, { first, end }: Part): number {
  let mask = 0xff;
  if (first > place * 8) mask &= 0xff >> (first - place * 8);
  if (end < place * 8 + 8) mask &= 0xff << (place * 8 + 8 - end);
  return mask & 0xff;
}

function countBits(call: Call): void {
  const { table } = call.store;
  if (!call.findKey()) {
    call.reply.integer(0);
    return;
  }
  if (call.count === 3 || call.count > 5) {
    call.reply.error(SYNTAX);
    return;
  }
  const length = table.valueLength;
  if (call.count > 3) {
    const start = call.integer(2);
    const end = call.integer(3);
    // As Redis: such a range is empty before its unit is looked at.
    if (start !== null && end !== null && start < 0 && end < 0 && start > end) {
      call.reply.integer(0);
      return;
    }
  }
  const part = call.count === 2 ? { first: 0, end: length * 8 } : partOf(call, 2, length);
  if (part === null) return;
  const { bytes } = table.value;
  const at = table.valueAt;
  let ones = 0;
  const last = Math.ceil(part.end / 8) - 1;
  for (let place = Math.floor(part.first / 8); place <= last; place++) {
    const byte = bytes[at + place] as number;
    ones += ONES[byte & maskOf(place, part)] as number;
    // Between the ends whole words are counted.
    for (; place + 5 < last && (at + place + 1) % 4 === 0; place += 4)
      ones += onesOf(table.value.view.getInt32(at + place + 1, true));
  }
  call.reply.integer(ones);
}

function onesOf(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function findBit(call: Call): void {
  const { table } = call.store;
  const bit = call.integer(2);
  if (bit !== 0 && bit !== 1) {
    call.reply.error(bit === null ? NOT_INTEGER : 'ERR The bit argument must be 1 or 0.');
    return;
  }
  if (!call.findKey()) {
    call.reply.integer(bit === 1 ? -1 : 0);
    return;
  }
  if (call.count > 6) {
    call.reply.error(SYNTAX);
    return;
  }
  const length = table.valueLength;
  const part = call.count === 3 ? { first: 0, end: length * 8 } : partOf(call, 3, length);
  if (part === null) return;
  if (part.first >= part.end) {
    call.reply.integer(-1);
    return;
  }
  const { bytes } = table.value;
  const at = table.valueAt;
  const none = bit === 1 ? 0 : 0xff;
  for (let place = Math.floor(part.first / 8); place * 8 < part.end; place++) {
    const byte = bytes[at + place] as number;
    if (byte === none) continue;
    const hits = (bit === 1 ? byte : ~byte) & maskOf(place, part);
    if (hits === 0) continue;
    call.reply.integer(place * 8 + Math.clz32(hits) - 24);
    return;
  }
  // Without an end, what follows the value counts as zeros.
  call.reply.integer(bit === 0 && call.count < 5 ? part.end : -1);
}

const OPERATIONS = ['AND', 'OR', 'XOR', 'NOT'] as const;

function combine(call: Call): void {
  const { table } = call.store;
  const operation = OPERATIONS.find((word) => call.is(1, word));
  if (operation === undefined) {
    call.reply.error(SYNTAX);
    return;
  }
  if (operation === 'NOT' && call.count !== 4) {
    call.reply.error('ERR BITOP NOT must be called with a single source key.');
    return;
  }
  let longest = 0;
  for (let i = 3; i < call.count; i++) if (call.find(i)) longest = Math.max(longest, table.valueLength);
  const to = room(longest);
  const result = to.bytes;
  for (let i = 3; i < call.count; i++) {
    const length = call.find(i) ? table.valueLength : 0;
    const from = length === 0 ? result : table.value.bytes;
    const at = length === 0 ? 0 : table.valueAt;
    if (i === 3) {
      for (let k = 0; k < length; k++) result[k] = from[at + k] as number;
      result.fill(0, length, longest);
    } else if (operation === 'AND') {
      for (let k = 0; k < length; k++) result[k] = (result[k] as number) & (from[at + k] as number);
      result.fill(0, length, longest);
    } else if (operation === 'OR')
      for (let k = 0; k < length; k++) result[k] = (result[k] as number) | (from[at + k] as number);
    else for (let k = 0; k < length; k++) result[k] = (result[k] as number) ^ (from[at + k] as number);
  }
  if (operation === 'NOT') for (let k = 0; k < longest; k++) result[k] = ~(result[k] as number);
  const found = call.find(2);
  if (longest > 0) table.put(to, 0, longest, 0);
  else if (found) table.remove();
  call.reply.integer(longest);
}

const entry = entries('bitmap');
const WRITE = 'write denyoom';
const SEEN = keys('RO access');

export const BIT_COMMANDS = [
  entry('setbit', 4, WRITE, keys('RW access update'), '2.2.0', 'Sets a bit; what it was.', setBit),
  entry('getbit', 3, 'readonly fast', SEEN, '2.2.0', 'A bit of a value.', getBit),
  entry('bitcount', -2, 'readonly', SEEN, '2.6.0', 'How many bits are set.', countBits),
  entry('bitpos', -3, 'readonly', SEEN, '2.8.7', 'Where the first such bit is.', findBit),
  entry('bitop', -4, WRITE, keys('OW update', 2), '2.6.0', 'Puts values together bit by bit.', combine, {
    moreKeys: [keys('RO access', 3, -1)],
  }),
  entry(
    'bitfield',
    -2,
    WRITE,
    keys('RW access update variable_flags'),
    '3.2.0',
    'Whole numbers of any width within a value.',
    bitfield,
  ),
  entry('bitfield_ro', -2, 'readonly fast', SEEN, '6.0.0', 'BITFIELD that only reads.', bitfieldReadOnly),
];
