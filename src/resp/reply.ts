import { copySpan, type Rope, Span } from '../store/index.ts';
import { LargeReply } from './large-reply.ts';
import { writeInteger } from './numbers.ts';

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const COLON = 58;
const MINUS = 45;
const STAR = 42;
const PERCENT = 37;
const TILDE = 126;
const GREATER = 62;
const EQUALS = 61;
const ZERO = 48;
/** Longest line that the numbers write without asking for room. */
const SMALL = 32;

/** Codes of errors that are counted one by one. */
const MAX_ERROR_KINDS = 64;

const OK = line('+OK');
const NULL2 = line('$-1');
const NULL_ARRAY2 = line('*-1');
const NULL3 = line('_');

/**
 * Replies of one turn, put together in one buffer. RESP2 and RESP3: `version` is the connection's, and the calls whose form
 * differs look at it. Names are those of the RESP3 specification; what RESP2 does not have it gets as Redis 7.0 gives it.
 */
export class ReplyWriter {
  #span: Span;
  length = 0;
  version: 2 | 3 = 2;
  /** How many errors of each code were given. */
  readonly errorCounts = new Map<string, number>();
  /** Bytes of `bulkRope` and `rawParts`, which are not in `written`. */
  insertedBytes = 0;
  /** Those of them that are nowhere else, as values of the store are. */
  #ownBytes = 0;
  #inserts: Insert[] = [];

  constructor(capacity: number) {
    this.#span = new Span(new Uint8Array(capacity));
  }

  /** Memory that what was written takes. */
  get heldBytes(): number {
    return this.length + this.#ownBytes;
  }

  get written(): Uint8Array {
    return this.#span.bytes.subarray(0, this.length);
  }

  /** All that was written, with what was not copied, given away; the writer goes on in a new buffer. */
  takeLarge(): LargeReply {
    const inserts = this.#inserts;
    this.#inserts = [];
    this.insertedBytes = 0;
    this.#ownBytes = 0;
    const written = this.take();
    const out: Uint8Array[] = [];
    let from = 0;
    for (const { at, parts } of inserts) {
      if (at > from) out.push(written.subarray(from, at));
      for (const part of parts) out.push(part);
      from = at;
    }
    if (from < written.length) out.push(written.subarray(from));
    const ropes = inserts.flatMap(({ rope }) => (rope === null ? [] : [rope]));
    return new LargeReply(out, ropes);
  }

  /** A copy of all that was written, which is taken back. */
  takeWhole(): Uint8Array {
    const whole = this.insertedBytes > 0 ? this.takeLarge().whole() : this.written.slice();
    this.length = 0;
    return whole;
  }

  /** Gives away what was written, without what is in `insertedBytes`; the writer goes on in a new buffer. */
  take(): Uint8Array {
    const written = this.written;
    this.#span = new Span(new Uint8Array(Math.min(this.#span.bytes.length, KEEP_BYTES)));
    this.length = 0;
    return written;
  }

  ok(): void {
    this.raw(OK);
  }

  raw(span: Span): void {
    const { length } = span.bytes;
    this.#reserve(length);
    copySpan(span, 0, this.#span, this.length, length);
    this.length += length;
  }

  /** A bulk string: `length` bytes of `from` at `at`. */
  bulk(from: Span, at: number, length: number): void {
    this.#reserve(length + SMALL);
    this.#head(DOLLAR, length);
    copySpan(from, at, this.#span, this.length, length);
    this.length += length;
    this.#end();
  }

  /** A bulk string: a part of a large value, which is not copied. */
  bulkRope(rope: Rope, from: number, to: number): void {
    this.#count(DOLLAR, to - from);
    this.#insert(rope.parts(from, to), rope.stored > 0 ? rope : null);
    this.text('\r\n');
  }

  /** Replies written elsewhere, which nobody writes to any more. */
  rawParts(parts: readonly Uint8Array[]): void {
    this.#insert(parts, null);
  }

  #insert(parts: readonly Uint8Array[], rope: Rope | null): void {
    const before = this.insertedBytes;
    for (const part of parts) this.insertedBytes += part.length;
    // Nothing is not kept: `insertedBytes` says whether there is anything, and it would stay for another's reply.
    if (this.insertedBytes === before) return;
    this.#inserts.push({ at: this.length, parts, rope });
    if (rope === null) this.#ownBytes += this.insertedBytes - before;
  }

  /** A bulk string of Latin-1 text. */
  bulkText(text: string): void {
    this.#count(DOLLAR, text.length);
    this.text(text);
    this.text('\r\n');
  }

  /** A whole number that a double holds exactly. */
  integer(value: number): void {
    this.#count(COLON, value);
  }

  /** A signed 64-bit number. */
  integerBig(value: bigint): void {
    this.text(`:${value}\r\n`);
  }

  /** No such thing. */
  none(): void {
    this.raw(this.version === 2 ? NULL2 : NULL3);
  }

  /** No such list. */
  noArray(): void {
    this.raw(this.version === 2 ? NULL_ARRAY2 : NULL3);
  }

  /** The head of an array of `count` replies. */
  array(count: number): void {
    this.#count(STAR, count);
  }

  /** The head of a map of `pairs` pairs; in RESP2 an array of twice as many. */
  map(pairs: number): void {
    if (this.version === 2) this.#count(STAR, pairs * 2);
    else this.#count(PERCENT, pairs);
  }

  /** The head of a set; in RESP2 an array. */
  set(count: number): void {
    this.#count(this.version === 2 ? STAR : TILDE, count);
  }

  /** The head of a push; in RESP2 an array. */
  push(count: number): void {
    this.#count(this.version === 2 ? STAR : GREATER, count);
  }

  /** Text for people: verbatim in RESP3. */
  verbatim(text: string): void {
    if (this.version === 2) this.bulkText(text);
    else {
      this.#count(EQUALS, text.length + 4);
      this.text('txt:');
      this.text(text);
      this.text('\r\n');
    }
  }

  simple(text: string): void {
    this.text(`+${text}\r\n`);
  }

  /** Takes back what was written after `length`. What is inserted there is of the reply before: each begins with a head. */
  cut(length: number): void {
    this.length = length;
    for (
      let last = this.#inserts.at(-1);
      last !== undefined && last.at > length;
      last = this.#inserts.at(-1)
    ) {
      for (const part of last.parts) {
        this.insertedBytes -= part.length;
        if (last.rope === null) this.#ownBytes -= part.length;
      }
      this.#inserts.pop();
    }
  }

  /** `text` begins with the code, as in `ERR syntax error`. Line ends at its end go, those within become spaces. */
  error(text: string): void {
    this.#countError(text);
    this.text(`-${LINE_END.test(text) ? inOneLine(text) : text}\r\n`);
  }

  #countError(text: string): void {
    const space = text.indexOf(' ');
    const kind = space < 0 ? text : text.slice(0, space);
    const before = this.errorCounts.get(kind);
    if (before !== undefined || this.errorCounts.size < MAX_ERROR_KINDS)
      this.errorCounts.set(kind, (before ?? 0) + 1);
  }

  /** Whether what was written at `at` is an error. */
  isErrorAt(at: number): boolean {
    return at < this.length && this.#span.bytes[at] === MINUS;
  }

  /** Latin-1 text as it stands. */
  text(text: string): void {
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#span.bytes[this.length + i] = text.charCodeAt(i);
    this.length += text.length;
  }

  #count(sign: number, value: number): void {
    this.#reserve(SMALL);
    this.#head(sign, value);
  }

  #head(sign: number, value: number): void {
    const { bytes } = this.#span;
    let at = this.length;
    bytes[at++] = sign;
    if (value >= 0 && value < 10) bytes[at++] = ZERO + value;
    else if (value >= 0 && value < 100) {
      const tens = (value / 10) | 0;
      bytes[at++] = ZERO + tens;
      bytes[at++] = ZERO + value - tens * 10;
    } else at += writeInteger(bytes, at, value);
    bytes[at++] = CR;
    bytes[at++] = LF;
    this.length = at;
  }

  #end(): void {
    const { bytes } = this.#span;
    bytes[this.length] = CR;
    bytes[this.length + 1] = LF;
    this.length += 2;
  }

  #reserve(more: number): void {
    const need = this.length + more;
    if (need <= this.#span.bytes.length) return;
    const wider = new Uint8Array(Math.max(need, this.#span.bytes.length * 2));
    wider.set(this.written);
    this.#span = new Span(wider);
  }
}

/** What goes out at a place of what is written, without being copied there. */
interface Insert {
  readonly at: number;
  readonly parts: readonly Uint8Array[];
  /** The stored value that they are of. */
  readonly rope: Rope | null;
}

const KEEP_BYTES = 256 * 1024;
const LINE_END = /[\r\n]/;
const LINE_ENDS = /[\r\n]/g;

/** A pattern for the last ones would take time by the square of how many there are elsewhere. */
function inOneLine(text: string): string {
  let end = text.length;
  while (LINE_END.test(text.charAt(end - 1))) end--;
  return text.slice(0, end).replace(LINE_ENDS, ' ');
}

function line(text: string): Span {
  return new Span(new TextEncoder().encode(`${text}\r\n`));
}
