import { PIECE_BYTES, Rope } from '../../store/index.ts';
import type { Call } from '../call.ts';
import type { WriteReply } from '../client.ts';
import { MAX_BULK_BYTES } from '../request.ts';
import { BIT_OPERATIONS, BitWork } from './bit-work.ts';
import { bitfield, bitfieldReadOnly } from './bitfield.ts';
import { entries, keys } from './entry.ts';
import { BIT_OFFSET, BIT_VALUE, NOT_INTEGER, SYNTAX } from './errors.ts';
import { atOnce, beforehand, inSteps } from './steps.ts';
import { copyValue, room } from './values.ts';

/** Of BITOP: small values are copied, and one command could name one of them very often. */
const MAX_SOURCES = 1024;
/** Values that were written while they were put together are put together at once, if the longest times their number is no more than this. */
const AT_ONCE_BYTES = 16 * PIECE_BYTES;
/** Of more than that, it is begun so often. */
const MAX_TRIES = 8;

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
  const bit = 7 - (offset % 8);
  if (length > PIECE_BYTES) {
    const rope = found ? table.rope : Rope.of([]);
    const byte = rope.byteAt(place);
    const after = rope.with(place, [Uint8Array.of((byte & ~(1 << bit)) | (on << bit))]);
    table.putRope(after, found ? table.expiryMs : 0);
    call.reply.integer((byte >> bit) & 1);
    return;
  }
  const to = room(length);
  if (found) copyValue(call, to, 0);
  to.bytes.fill(0, before, length);
  const byte = to.bytes[place] as number;
  to.bytes[place] = (byte & ~(1 << bit)) | (on << bit);
  table.put(to, 0, length, found ? table.expiryMs : 0);
  call.reply.integer((byte >> bit) & 1);
}

function getBit(call: Call): void {
  const { table } = call.store;
  const offset = bitOffset(call, 2);
  if (offset === null) return;
  const place = Math.floor(offset / 8);
  if (!call.readKey() || place >= table.valueLength) {
    call.reply.integer(0);
    return;
  }
  const isLarge = table.valueLength > PIECE_BYTES;
  const byte = isLarge ? table.rope.byteAt(place) : (table.value.bytes[table.valueAt + place] as number);
  call.reply.integer((byte >> (7 - (offset % 8))) & 1);
}

/** A part of a value, in bits: from `first` up to but not including `end`. */
interface Part {
  first: number;
  end: number;
}

/**
 * What `start end [BYTE|BIT]` from argument `i` on means of a value of `length` bytes; null after an error was given: which, when there
 * are several, says `unitFirst`. With no end it is the last byte.
 */
function partOf(call: Call, i: number, length: number, unitFirst: boolean): Part | null {
  let start = call.integer(i);
  let end = call.count > i + 1 ? call.integer(i + 1) : -1;
  const bits = call.count > i + 2 && call.is(i + 2, 'BIT');
  const hasUnit = call.count <= i + 2 || bits || call.is(i + 2, 'BYTE');
  if (start === null || end === null || !hasUnit) {
    const atUnit = !hasUnit && start !== null && (unitFirst || end !== null);
    call.reply.error(atUnit ? SYNTAX : NOT_INTEGER);
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
  if (!call.readKey()) {
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
  const part = call.count === 2 ? { first: 0, end: length * 8 } : partOf(call, 2, length, false);
  if (part === null) return;
  if (length > PIECE_BYTES) {
    countInRope(call, table.rope, part);
    return;
  }
  call.reply.integer(onesIn(table.value.bytes.subarray(table.valueAt, table.valueAt + length), part));
}

/** Bits that are set in a part of these bytes. */
function onesIn(bytes: Uint8Array, part: Part): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let ones = 0;
  const last = Math.ceil(part.end / 8) - 1;
  for (let place = Math.floor(part.first / 8); place <= last; place++) {
    ones += ONES[(bytes[place] as number) & maskOf(place, part)] as number;
    // Between the ends whole words are counted.
    for (; place + 5 < last; place += 4) ones += onesOfWord(view.getInt32(place + 1, true));
  }
  return ones;
}

function countInRope(call: Call, { pieces }: Rope, part: Part): void {
  let ones = 0;
  const visit = (piece: Uint8Array, within: Part): boolean => {
    ones += onesIn(piece, within);
    return true;
  };
  eachPiece(call, pieces, part, visit, (reply) => reply.integer(ones));
}

/** Goes through the pieces that a part of the value is in, in steps, until one gives false. */
function eachPiece(
  call: Call,
  pieces: readonly Uint8Array[],
  { first, end }: Part,
  visit: (piece: Uint8Array, within: Part, at: number) => boolean,
  write: WriteReply,
): void {
  let i = 0;
  let at = 0;
  const step = (): boolean => {
    const piece = pieces[i++];
    if (piece === undefined || at * 8 >= end) return false;
    const bits = piece.length * 8;
    const within = { first: Math.max(first - at * 8, 0), end: Math.min(end - at * 8, bits) };
    const goOn = within.first >= within.end || visit(piece, within, at);
    at += piece.length;
    return goOn;
  };
  inSteps(call, step, write);
}

function onesOfWord(word: number): number {
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
  if (!call.readKey()) {
    call.reply.integer(bit === 1 ? -1 : 0);
    return;
  }
  if (call.count > 6) {
    call.reply.error(SYNTAX);
    return;
  }
  const length = table.valueLength;
  const part = call.count === 3 ? { first: 0, end: length * 8 } : partOf(call, 3, length, true);
  if (part === null) return;
  if (part.first >= part.end) {
    call.reply.integer(-1);
    return;
  }
  // Without an end, what follows the value counts as zeros.
  const none = bit === 0 && call.count < 5 ? part.end : -1;
  if (length > PIECE_BYTES) {
    let found = none;
    const visit = (piece: Uint8Array, within: Part, at: number): boolean => {
      const here = firstIn(piece, bit, within);
      if (here >= 0) found = at * 8 + here;
      return here < 0;
    };
    eachPiece(call, table.rope.pieces, part, visit, (reply) => reply.integer(found));
    return;
  }
  const here = firstIn(table.value.bytes.subarray(table.valueAt, table.valueAt + length), bit, part);
  call.reply.integer(here < 0 ? none : here);
}

/** Where the first such bit within a part of these bytes is, or -1. */
function firstIn(bytes: Uint8Array, bit: number, part: Part): number {
  const none = bit === 1 ? 0 : 0xff;
  for (let place = Math.floor(part.first / 8); place * 8 < part.end; place++) {
    const byte = bytes[place] as number;
    if (byte === none) continue;
    const hits = (bit === 1 ? byte : ~byte) & maskOf(place, part);
    if (hits !== 0) return place * 8 + Math.clz32(hits) - 24;
  }
  return -1;
}

function combine(call: Call): void {
  const { table } = call.store;
  const operation = BIT_OPERATIONS.find((word) => call.is(1, word));
  if (operation === undefined) {
    call.reply.error(SYNTAX);
    return;
  }
  if (operation === 'NOT' && call.count !== 4) {
    call.reply.error('ERR BITOP NOT must be called with a single source key.');
    return;
  }
  if (call.count - 3 > MAX_SOURCES) {
    call.reply.error(`ERR BITOP takes ${MAX_SOURCES} values at most`);
    return;
  }
  const sources: Rope[] = [];
  let longest = 0;
  for (let i = 3; i < call.count; i++) {
    sources.push(call.read(i) ? table.rope : Rope.of([]));
    longest = Math.max(longest, (sources.at(-1) as Rope).length);
  }
  const { client } = call;
  const before = client.prepared;
  const result = before?.matches(operation, sources) ?? null;
  client.prepared = null;
  const work = result ?? new BitWork(operation, sources, (before?.tries ?? 0) + 1);
  const most = work.tries > 1 ? AT_ONCE_BYTES : PIECE_BYTES;
  if (longest * sources.length > most && result === null && !call.inTransaction) {
    if (work.tries > MAX_TRIES) {
      call.reply.error('TRYAGAIN the values were written again and again while they were put together');
      return;
    }
    client.prepared = work;
    beforehand(call, () => work.step());
    return;
  }
  if (!call.inTransaction) while (work.step());
  else if (!atOnce(call, () => work.step())) return;
  const found = call.find(2);
  if (longest > 0) table.putRope(work.result, 0);
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
