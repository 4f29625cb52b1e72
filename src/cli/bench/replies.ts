export const NONE = 0;
export const DONE = 1;
export const MISSING = 2;
export const ERROR = 3;
/** What a reply was: none is whole yet; a status, number or value; no value; an error. */
export type Reply = typeof NONE | typeof DONE | typeof MISSING | typeof ERROR;

const LF = 10;
const PLUS = 43;
const MINUS = 45;
const COLON = 58;
const DOLLAR = 36;
const UNDERSCORE = 95;
/** No line of a reply to GET or SET is longer. */
const MAX_LINE = 64 * 1024;

/** Counts replies to simple commands as they come in, without making anything of their values: a million a second. */
export class ReplyReader {
  /** The text of the last ERROR. */
  error = '';
  #bytes: Buffer = EMPTY;
  #at = 0;
  /** Bytes of a value and its line end still to come. */
  #skip = 0;

  /** Adds input, which must stay as it is until `next` has said NONE. */
  feed(bytes: Buffer): void {
    this.#bytes =
      this.#at < this.#bytes.length ? Buffer.concat([this.#bytes.subarray(this.#at), bytes]) : bytes;
    this.#at = 0;
  }

  next(): Reply {
    const bytes = this.#bytes;
    const end = bytes.length;
    if (this.#skip > 0) return this.#value();
    const from = this.#at;
    let at = from;
    while (at < end && bytes[at] !== LF) at++;
    if (at >= end) {
      if (end - from > MAX_LINE) throw new Error('a reply line without an end');
      this.#keep();
      return NONE;
    }
    this.#at = at + 1;
    switch (bytes[from]) {
      case PLUS:
      case COLON:
        return DONE;
      case MINUS:
        this.error = bytes.toString('utf8', from + 1, at - 1);
        return ERROR;
      case UNDERSCORE:
        return MISSING;
      case DOLLAR: {
        const length = lengthOf(bytes, from + 1, at - 1);
        if (length < 0) return MISSING;
        this.#skip = length + 2;
        return this.#value();
      }
      default:
        throw new Error('a reply that GET and SET do not have: this is no Redis server');
    }
  }

  #value(): Reply {
    const here = this.#bytes.length - this.#at;
    if (here < this.#skip) {
      this.#skip -= here;
      this.#at = this.#bytes.length;
      return NONE;
    }
    this.#at += this.#skip;
    this.#skip = 0;
    return DONE;
  }

  /** The input is the socket's to write over: what is left is copied. */
  #keep(): void {
    this.#bytes = this.#at < this.#bytes.length ? Buffer.from(this.#bytes.subarray(this.#at)) : EMPTY;
    this.#at = 0;
  }
}

const EMPTY = Buffer.alloc(0);

function lengthOf(bytes: Buffer, from: number, to: number): number {
  if (bytes[from] === MINUS) return -1;
  let length = 0;
  for (let at = from; at < to; at++) {
    const digit = (bytes[at] as number) - 48;
    if (digit < 0 || digit > 9 || at - from > 9) throw new Error('a reply whose length is no number');
    length = length * 10 + digit;
  }
  return length;
}
