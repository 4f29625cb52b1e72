import { PIECE_BYTES, Rope, zeros } from '../../store/index.ts';
import type { Call } from '../call.ts';
import { int64 } from '../numbers.ts';
import { MAX_BULK_BYTES } from '../request.ts';
import { BIT_OFFSET, NOT_INTEGER, SYNTAX } from './errors.ts';
import { copyValue, room } from './values.ts';

const BAD_TYPE =
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.';
const HASH = 0x23;

/** Of a large value so much is copied around a field. */
const WINDOW_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

type Overflow = 'WRAP' | 'SAT' | 'FAIL';
const OVERFLOWS: readonly Overflow[] = ['WRAP', 'SAT', 'FAIL'];

interface Operation {
  readonly kind: 'GET' | 'SET' | 'INCRBY';
  readonly signed: boolean;
  readonly bits: number;
  readonly offset: number;
  readonly by: bigint;
  readonly overflow: Overflow;
}

export function bitfield(call: Call): void {
  run(call, false);
}

export function bitfieldReadOnly(call: Call): void {
  run(call, true);
}

function run(call: Call, readOnly: boolean): void {
  const { table } = call.store;
  const operations = read(call);
  if (operations === null) return;
  const writes = operations.filter(({ kind }) => kind !== 'GET');
  if (readOnly && writes.length > 0) {
    call.reply.error('ERR BITFIELD_RO only supports the GET subcommand');
    return;
  }
  const found = writes.length > 0 ? call.findKey() : call.readKey();
  const before = found ? table.valueLength : 0;
  let length = before;
  for (const { offset, bits } of writes) length = Math.max(length, endOf(offset, bits));
  if (length > PIECE_BYTES) {
    runInWindows(call, operations, writes.length > 0, length, found);
    return;
  }
  const to = writes.length === 0 ? null : room(length);
  if (to !== null) {
    if (found) copyValue(call, to, 0);
    to.bytes.fill(0, before, length);
  }
  const bytes = to !== null ? to.bytes : found ? table.value.bytes : NOTHING;
  const at = to === null && found ? table.valueAt : 0;
  call.reply.array(operations.length);
  let changed = length > before;
  for (const operation of operations) if (one(call, operation, bytes, at, at + length)) changed = true;
  if (to !== null && changed) table.put(to, 0, length, found ? table.expiryMs : 0);
}

/** Of a large value, only the windows that operations write to are copied: there may be hundreds of megabytes between two of them. */
function runInWindows(
  call: Call,
  operations: readonly Operation[],
  writes: boolean,
  length: number,
  found: boolean,
): void {
  const { table } = call.store;
  const rope = found ? table.rope : Rope.of([]);
  const windows = new Map<number, Uint8Array>();
  call.reply.array(operations.length);
  let changed = length > rope.length;
  for (const operation of operations) {
    const from = Math.floor(operation.offset / 8);
    const end = endOf(operation.offset, operation.bits);
    const field = new Uint8Array(end - from);
    rope.copyTo(field, 0, from, end);
    for (let at = from; at < end; at++) {
      const window = windows.get(Math.floor(at / WINDOW_BYTES));
      if (window !== undefined) field[at - from] = window[at % WINDOW_BYTES] ?? 0;
    }
    if (!one(call, operation, field, -from, field.length)) continue;
    changed = true;
    for (let at = from; at < end; at++)
      windowAt(windows, rope, at, length)[at % WINDOW_BYTES] = field[at - from] as number;
  }
  if (writes && changed) table.putRope(withWindows(rope, windows, length), found ? table.expiryMs : 0);
}

/** The copy of the window that byte `at` is in, of a value that is to have `length` bytes. */
function windowAt(windows: Map<number, Uint8Array>, rope: Rope, at: number, length: number): Uint8Array {
  const number = Math.floor(at / WINDOW_BYTES);
  let window = windows.get(number);
  if (window === undefined) {
    const from = number * WINDOW_BYTES;
    const end = Math.min(from + WINDOW_BYTES, length);
    window = new Uint8Array(end - from);
    rope.copyTo(window, 0, from, end);
    windows.set(number, window);
  }
  return window;
}

function withWindows(rope: Rope, windows: ReadonlyMap<number, Uint8Array>, length: number): Rope {
  const parts: Uint8Array[] = [];
  let at = 0;
  const upTo = (end: number): void => {
    parts.push(...rope.parts(at, end), ...zeros(end - Math.max(at, rope.length)));
    at = end;
  };
  for (const [number, bytes] of [...windows].sort(([a], [b]) => a - b)) {
    upTo(number * WINDOW_BYTES);
    parts.push(bytes);
    at += bytes.length;
  }
  upTo(length);
  return Rope.of(parts);
}

/** The byte after the last of so many bits. */
function endOf(offset: number, bits: number): number {
  return Math.floor((offset + bits - 1) / 8) + 1;
}

/** Runs one operation and answers it; whether it wrote. */
function one(call: Call, operation: Operation, bytes: Uint8Array, at: number, end: number): boolean {
  const { kind, signed, bits, offset, by, overflow } = operation;
  const raw = bitsAt(bytes, at, end, offset, bits);
  const old = signed ? BigInt.asIntN(bits, raw) : raw;
  if (kind === 'GET') {
    call.reply.integerBig(old);
    return false;
  }
  // As Redis: an unsigned SET takes a negative number as a large one.
  const exact = kind === 'INCRBY' ? old + by : signed ? by : BigInt.asUintN(64, by);
  const least = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const most = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  let value = exact;
  if (exact < least || exact > most) {
    if (overflow === 'FAIL') {
      call.reply.none();
      return false;
    }
    if (overflow === 'SAT') value = exact < least ? least : most;
    else value = signed ? BigInt.asIntN(bits, exact) : BigInt.asUintN(bits, exact);
  }
  putBits(bytes, at, offset, bits, value);
  call.reply.integerBig(kind === 'SET' ? old : value);
  return true;
}

function bitsAt(bytes: Uint8Array, at: number, end: number, offset: number, bits: number): bigint {
  let value = 0n;
  for (let bit = offset; bit < offset + bits; ) {
    const place = at + Math.floor(bit / 8);
    const first = bit % 8;
    const count = Math.min(8 - first, offset + bits - bit);
    const byte = place < end ? (bytes[place] as number) : 0;
    value = (value << BigInt(count)) | BigInt((byte >> (8 - first - count)) & ((1 << count) - 1));
    bit += count;
  }
  return value;
}

function putBits(bytes: Uint8Array, at: number, offset: number, bits: number, value: bigint): void {
  const raw = BigInt.asUintN(bits, value);
  for (let bit = offset; bit < offset + bits; ) {
    const place = at + Math.floor(bit / 8);
    const first = bit % 8;
    const count = Math.min(8 - first, offset + bits - bit);
    const left = offset + bits - bit - count;
    const shift = 8 - first - count;
    const mask = ((1 << count) - 1) << shift;
    const part = Number((raw >> BigInt(left)) & BigInt((1 << count) - 1)) << shift;
    bytes[place] = ((bytes[place] as number) & ~mask) | part;
    bit += count;
  }
}

/** Null after an error was given. */
function read(call: Call): Operation[] | null {
  const operations: Operation[] = [];
  let overflow: Overflow = 'WRAP';
  for (let i = 2; i < call.count; ) {
    const left = call.count - i - 1;
    if (call.is(i, 'OVERFLOW') && left >= 1) {
      const word = OVERFLOWS.find((known) => call.is(i + 1, known));
      if (word === undefined) return refuse(call, 'ERR Invalid OVERFLOW type specified');
      overflow = word;
      i += 2;
      continue;
    }
    const kind = call.is(i, 'GET')
      ? 'GET'
      : call.is(i, 'SET')
        ? 'SET'
        : call.is(i, 'INCRBY')
          ? 'INCRBY'
          : null;
    const width = kind === 'GET' ? 2 : 3;
    if (kind === null || left < width) return refuse(call, SYNTAX);
    const type = typeAt(call, i + 1);
    if (type === null) return refuse(call, BAD_TYPE);
    const offset = offsetAt(call, i + 2, type.bits);
    if (offset === null) return refuse(call, BIT_OFFSET);
    const by = kind === 'GET' ? 0n : call.int64(i + 3);
    if (by === null) return refuse(call, NOT_INTEGER);
    operations.push({ kind, ...type, offset, by, overflow });
    i += width + 1;
  }
  return operations;
}

function refuse(call: Call, error: string): null {
  call.reply.error(error);
  return null;
}

function typeAt(call: Call, i: number): { signed: boolean; bits: number } | null {
  const text = call.text(i).slice(0, 8);
  const match = /^([iu])([1-9]\d?)$/.exec(text);
  if (match === null) return null;
  const signed = match[1] === 'i';
  const bits = Number(match[2]);
  return bits > (signed ? 64 : 63) ? null : { signed, bits };
}

/** The number of a bit, or of a field when it has a `#`. */
function offsetAt(call: Call, i: number, bits: number): number | null {
  const { bytes } = call.span;
  const at = call.startOf(i);
  const length = call.lengthOf(i);
  const hash = length > 0 && bytes[at] === HASH ? 1 : 0;
  const value = int64(bytes, at + hash, length - hash);
  if (value === null || value < 0n) return null;
  const offset = Number(value) * (hash === 1 ? bits : 1);
  return offset < MAX_BULK_BYTES * 8 ? offset : null;
}
