/**
 * Finds where replies end in a stream of RESP2 or RESP3, without copying or understanding them: what a forwarder needs to
 * hand each reply on, byte for byte, to whoever asked.
 *
 * A reply is a value; an aggregate is followed by its parts, so that a value is whole when the number of values still owed
 * falls to zero: one counter and no stack. An attribute (`|`) is followed by the value it is about, and owes one more.
 *
 * In: chunks as they come. Out: `next` gives each whole reply as a piece of the chunk it ended in; the bytes of one that is
 * spread over chunks are kept and given joined. Bounds: `maxBytes` of one reply, counted before they are kept; streamed
 * aggregates (`?`) are refused: nobody here sends them. Test: reply-reader.test.ts.
 */

/** Replies up to this are handed on whole: Redis' longest bulk string and its frame. */
export const MAX_REPLY_BYTES = 513 * 1024 * 1024;
const LINE_BYTES = 64 * 1024;
const MAX_COUNT = 2 ** 31;

const CR = 13;
const LF = 10;

/** Shapes of a value by its first byte. */
const LINE = 1;
const BULK = 2;
const AGGREGATE = 3;
const PAIRS = 4;
const ATTRIBUTE = 5;
const SHAPES = new Uint8Array(256);
for (const c of '+-:_#,(') SHAPES[c.charCodeAt(0)] = LINE;
for (const c of '$!=') SHAPES[c.charCodeAt(0)] = BULK;
for (const c of '*~>') SHAPES[c.charCodeAt(0)] = AGGREGATE;
SHAPES[0x25] = PAIRS; // %
SHAPES[0x7c] = ATTRIBUTE; // |

export class ReplyReader {
  readonly #maxBytes: number;
  #chunk: Uint8Array = new Uint8Array(0);
  /** Where the reply being read begins in the chunk, and how far it was looked at. */
  #from = 0;
  #at = 0;
  /** Values owed; 0 between replies. */
  #owed = 0;
  /** Earlier chunks of the reply being read. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  /** Bytes of a bulk string and its line end that are still to come: nothing is looked at before. */
  #skip = 0;
  /** A line that began in an earlier chunk. */
  #line = '';
  /** Why nothing more can be read, or ''. */
  error = '';

  constructor(maxBytes = MAX_REPLY_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Adds input, which must stay as it is until `next` gives null. */
  feed(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#from = 0;
    this.#at = 0;
  }

  /** The next whole reply, or null when more must come, or after an error. */
  next(): Uint8Array | null {
    if (this.error !== '') return null;
    const chunk = this.#chunk;
    for (;;) {
      if (this.#skip > 0) {
        const there = Math.min(this.#skip, chunk.length - this.#at);
        this.#skip -= there;
        this.#at += there;
        if (this.#skip > 0) return this.#keep();
        if (--this.#owed === 0) return this.#take();
      }
      const end = chunk.indexOf(LF, this.#at);
      if (end < 0) {
        this.#line += latin1(chunk, this.#at, chunk.length);
        this.#at = chunk.length;
        if (this.#line.length > LINE_BYTES) return this.#fail('a line of a reply is too long');
        return this.#keep();
      }
      const line = this.#line === '' ? null : this.#line + latin1(chunk, this.#at, end + 1);
      this.#line = '';
      const done =
        line === null ? this.#value(chunk, this.#at, end) : this.#value(bytesOf(line), 0, line.length - 1);
      this.#at = end + 1;
      if (this.error !== '') return null;
      if (done) return this.#take();
    }
  }

  /** One value's first line, from `at` to the line feed at `end`; true when the reply is whole with it. */
  #value(bytes: Uint8Array, at: number, end: number): boolean {
    if (this.#owed === 0) this.#owed = 1;
    if (end - at < 2 || bytes[end - 1] !== CR) return this.#broken('a line of a reply does not end in CRLF');
    const shape = SHAPES[bytes[at] as number];
    if (shape === LINE) return --this.#owed === 0;
    const count = numberAt(bytes, at + 1, end - 1);
    if (count === null) return this.#broken('a length in a reply is no number');
    if (shape === BULK) {
      if (count < 0) return --this.#owed === 0;
      if (count > this.#maxBytes) return this.#broken('a string in a reply is too long');
      this.#skip = count + 2;
      return false;
    }
    const parts = shape === PAIRS || shape === ATTRIBUTE ? count * 2 : count;
    if (shape === undefined || shape === 0) return this.#broken('a reply begins with no known type');
    this.#owed += (count < 0 ? 0 : parts) - (shape === ATTRIBUTE ? 0 : 1);
    if (this.#owed > MAX_COUNT) return this.#broken('a reply has too many parts');
    return this.#owed === 0;
  }

  #take(): Uint8Array {
    const piece = this.#chunk.subarray(this.#from, this.#at);
    this.#from = this.#at;
    if (this.#kept.length === 0) return piece;
    const whole = new Uint8Array(this.#keptBytes + piece.length);
    let to = 0;
    for (const part of this.#kept) {
      whole.set(part, to);
      to += part.length;
    }
    whole.set(piece, to);
    this.#kept = [];
    this.#keptBytes = 0;
    return whole;
  }

  /** The chunk is used up within a reply: its bytes are copied, for the chunk may be another's afterwards. */
  #keep(): null {
    const left = this.#chunk.length - this.#from;
    if (left > 0) {
      if (this.#keptBytes + left > this.#maxBytes) return this.#fail('a reply is too long');
      // Not `slice`, which does not copy where the chunk is a Buffer.
      this.#kept.push(new Uint8Array(this.#chunk.subarray(this.#from)));
      this.#keptBytes += left;
    }
    this.#from = this.#chunk.length;
    return null;
  }

  #broken(reason: string): boolean {
    this.error = reason;
    return false;
  }

  #fail(reason: string): null {
    this.error = reason;
    return null;
  }
}

function numberAt(bytes: Uint8Array, from: number, to: number): number | null {
  if (to - from < 1 || to - from > 11) return null;
  let value = 0;
  const negative = bytes[from] === 45;
  for (let i = negative ? from + 1 : from; i < to; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  if (negative) return to - from === 2 && value === 1 ? -1 : null;
  return value;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
