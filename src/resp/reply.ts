import { copySpan, Span } from '../store/index.ts';

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const COLON = 58;
const STAR = 42;
const PERCENT = 37;
const TILDE = 126;
const GREATER = 62;
const EQUALS = 61;
const ZERO = 48;
/** Longest line that `line` and the numbers write without asking for room. */
const SMALL = 32;

const OK = new Span(Uint8Array.from([43, 79, 75, 13, 10]));

/**
 * Replies of one turn, put together in one buffer. RESP2 and RESP3: `version` is the connection's, and the calls whose form
 * differs look at it.
 */
export class ReplyWriter {
  #span: Span;
  length = 0;
  version: 2 | 3 = 2;

  constructor(capacity: number) {
    this.#span = new Span(new Uint8Array(capacity));
  }

  get written(): Uint8Array {
    return this.#span.bytes.subarray(0, this.length);
  }

  /** Gives away what was written; the writer goes on in a new buffer. */
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

  integer(value: number): void {
    this.#reserve(SMALL);
    this.#head(COLON, value);
  }

  /** No such key. */
  none(): void {
    this.text(this.version === 2 ? '$-1\r\n' : '_\r\n');
  }

  simple(text: string): void {
    this.text(`+${text}\r\n`);
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

  /** No such array. */
  noArray(): void {
    this.text(this.version === 2 ? '*-1\r\n' : '_\r\n');
  }

  /** Latin-1 text as a bulk string. */
  bulkText(text: string): void {
    this.#count(DOLLAR, text.length);
    this.text(text);
    this.text('\r\n');
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

  boolean(value: boolean): void {
    if (this.version === 2) this.integer(value ? 1 : 0);
    else this.text(value ? '#t\r\n' : '#f\r\n');
  }

  /** Takes back what was written after `length`. */
  cut(length: number): void {
    this.length = length;
  }

  /** `text` begins with the code, as in `ERR syntax error`. */
  error(text: string): void {
    this.text(`-${text}\r\n`);
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
    } else {
      const digits = String(value);
      for (let i = 0; i < digits.length; i++) bytes[at++] = digits.charCodeAt(i);
    }
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

const KEEP_BYTES = 256 * 1024;
