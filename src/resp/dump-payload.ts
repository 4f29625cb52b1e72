/**
 * The payload of DUMP and RESTORE: a string as an RDB file holds it, the version of that format, and a CRC-64 of all before it.
 * Written as redis-server 7.0 writes it, but never compressed; read in all forms that it writes (plain, as a number, LZF).
 */
import { Span } from '../store/index.ts';
import { crc64 } from './crc64.ts';
import { int64 } from './numbers.ts';

const VERSION = 10;
/** Strings are the same in all versions so far, which is that of Redis 8.0. */
const MAX_VERSION = 12;
const STRING = 0;
const FOOTER_BYTES = 10;
/** Type, length, footer. */
export const FRAME_BYTES = 1 + 5 + FOOTER_BYTES;

/** Special forms of a string: whole numbers of 8, 16 and 32 bits, and LZF. */
const SPECIAL = 0xc0;
const LZF = 3;
/** Three bytes of LZF become 264 at most. */
const LZF_GROWTH = 88;
/** Texts of numbers that have a form of their own are no longer. */
const MAX_NUMBER_BYTES = 11;

/** Room where a payload is put together: `bytes` begin with FRAME_BYTES to spare before the value at `valueAt`. */
export function writePayload(to: Span, valueAt: number, length: number): { at: number; length: number } {
  const { bytes, view } = to;
  const value = length <= MAX_NUMBER_BYTES ? int64(bytes, valueAt, length) : null;
  let end = valueAt + length;
  let at = valueAt;
  if (value !== null && value >= -(2n ** 31n) && value < 2n ** 31n) {
    end = writeNumber(to, at, Number(value));
  } else if (length < 1 << 6) bytes[--at] = length;
  else if (length < 1 << 14) {
    at -= 2;
    view.setUint16(at, 0x4000 | length);
  } else {
    at -= 5;
    bytes[at] = 0x80;
    view.setUint32(at + 1, length);
  }
  bytes[--at] = STRING;
  view.setUint16(end, VERSION, true);
  const { low, high } = crc64(bytes, at, end + 2 - at);
  view.setInt32(end + 2, low, true);
  view.setInt32(end + 6, high, true);
  return { at, length: end + FOOTER_BYTES - at };
}

function writeNumber({ bytes, view }: Span, at: number, value: number): number {
  const size = value === (value << 24) >> 24 ? 1 : value === (value << 16) >> 16 ? 2 : 4;
  bytes[at] = SPECIAL | (size >> 1);
  if (size === 1) view.setInt8(at + 1, value);
  else if (size === 2) view.setInt16(at + 1, value, true);
  else view.setInt32(at + 1, value, true);
  return at + 1 + size;
}

export const BAD_CHECKSUM = 'ERR DUMP payload version or checksum are wrong';
export const BAD_FORMAT = 'ERR Bad data format';
const NO_STRING = 'ERR Bad data format: shoal has strings only';

/** The string in a payload, where it is: in it, or in bytes of its own; or the fault. */
export function readPayload(
  payload: Span,
  from: number,
  size: number,
  mostBytes: number,
): { span: Span; at: number; length: number } | string {
  const { bytes, view } = payload;
  const end = from + size - FOOTER_BYTES;
  if (size < FOOTER_BYTES || view.getUint16(end, true) > MAX_VERSION) return BAD_CHECKSUM;
  const { low, high } = crc64(bytes, from, size - 8);
  if (low !== view.getInt32(end + 2, true) || high !== view.getInt32(end + 6, true)) return BAD_CHECKSUM;
  if (from >= end) return BAD_FORMAT;
  if (bytes[from] !== STRING) return NO_STRING;
  return readString(new PayloadReader(payload, from + 1, end), mostBytes) ?? BAD_FORMAT;
}

function readString(
  reader: PayloadReader,
  mostBytes: number,
): { span: Span; at: number; length: number } | null {
  const first = reader.peek();
  if (first >= SPECIAL) {
    reader.at++;
    const form = first & 0x3f;
    if (form === LZF) return readCompressed(reader, mostBytes);
    const size = 1 << form;
    if (form > LZF || reader.left < size) return null;
    const text = new TextEncoder().encode(String(reader.number(size)));
    return { span: new Span(text), at: 0, length: text.length };
  }
  const length = reader.length();
  return length > reader.left || length > mostBytes ? null : { span: reader.span, at: reader.at, length };
}

function readCompressed(
  reader: PayloadReader,
  mostBytes: number,
): { span: Span; at: number; length: number } | null {
  const size = reader.length();
  const length = reader.length();
  if (size > reader.left || length > Math.min(mostBytes, size * LZF_GROWTH)) return null;
  const out = new Uint8Array(length);
  if (!expand(reader.span.bytes, reader.at, reader.at + size, out)) return null;
  return { span: new Span(out), at: 0, length };
}

/** LZF: runs of bytes as they are, and places before with how many bytes are there. False when `out` is not filled by them. */
function expand(bytes: Uint8Array, from: number, end: number, out: Uint8Array): boolean {
  let at = from;
  let to = 0;
  while (at < end) {
    const control = bytes[at++] as number;
    if (control < 32) {
      const run = control + 1;
      if (at + run > end || to + run > out.length) return false;
      out.set(bytes.subarray(at, at + run), to);
      at += run;
      to += run;
      continue;
    }
    let length = (control >> 5) + 2;
    if (length === 9 && at < end) length += bytes[at++] as number;
    if (at >= end) return false;
    let source = to - ((control & 31) << 8) - (bytes[at++] as number) - 1;
    if (source < 0 || to + length > out.length) return false;
    // Byte by byte: what is copied may be what was just written.
    for (; length > 0; length--) out[to++] = out[source++] as number;
  }
  return to === out.length;
}

class PayloadReader {
  readonly span: Span;
  at: number;
  readonly #end: number;

  constructor(span: Span, at: number, end: number) {
    this.span = span;
    this.at = at;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.at;
  }

  /** 0, which is an empty string, at the end: its length is then more than is left. */
  peek(): number {
    return this.left > 0 ? (this.span.bytes[this.at] as number) : 0;
  }

  /** In one, two, five or nine bytes; more than there can be when it is none. */
  length(): number {
    const { view } = this.span;
    const first = this.left > 0 ? (this.span.bytes[this.at] as number) : SPECIAL;
    const size = first < 0x40 ? 1 : first < 0x80 ? 2 : first === 0x80 ? 5 : first === 0x81 ? 9 : 0;
    if (size === 0 || this.left < size) return Infinity;
    const at = this.at;
    this.at += size;
    if (size === 1) return first;
    if (size === 2) return view.getUint16(at) & 0x3fff;
    return size === 5 ? view.getUint32(at + 1) : Number(view.getBigUint64(at + 1));
  }

  number(size: number): number {
    const { view } = this.span;
    if (size === 1) return view.getInt8(this.at);
    return size === 2 ? view.getInt16(this.at, true) : view.getInt32(this.at, true);
  }
}
