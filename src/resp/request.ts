import { AHEAD, PIECE_BYTES, type Rope, Span } from '../store/index.ts';
import { isHttp, splitWords } from './inline.ts';
import { LargeRequest } from './large-request.ts';
import { SPARE_BYTES, type Spare } from './spare.ts';

/** Redis' limits: `proto-max-bulk-len`, arguments of one command, and of a line without the array form. */
export const MAX_BULK_BYTES = 512 * 1024 * 1024;
export const MAX_ARGUMENTS = 1024 * 1024;
const MAX_INLINE_BYTES = 64 * 1024;
/** What may be asked for before a password was given. */
const UNAUTHENTICATED_ARGUMENTS = 10;
const UNAUTHENTICATED_BULK_BYTES = 16 * 1024;

const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;
const ZERO = 48;
const MINUS = 45;
/** Digits of the longest number that is looked at. */
const MAX_DIGITS = 10;

export const NEED_MORE = 0;
export const READY = 1;
export const BROKEN = 2;
export type Outcome = typeof NEED_MORE | typeof READY | typeof BROKEN;

/** What `#multibulk` says when it has no command. */
const WAITING_COUNT = -1;
const BROKEN_COUNT = -2;
/** What `#number` says when it has none. */
const INCOMPLETE = -2;
const INVALID = -3;

/** Commands of a batch: enough to have their records fetched side by side. */
export const BATCH = AHEAD;
/** Arguments a batch has room for before it must make more. */
const ARGUMENTS = 64;
/** Of a command with a large argument so much is taken in as of any other. */
const LARGE_FROM_BYTES = 64 * 1024;
/** More are not kept room for, once they were run. */
const KEPT_ARGUMENTS = 4096;

/**
 * The reading side of one connection: bytes in, commands out (RESP arrays of bulk strings, and inline commands), up to BATCH
 * at a time. Nothing is copied where a command is whole within what came; arguments are places in `span`.
 *
 * A length is checked before it is believed, and memory is taken for bytes that came, never for bytes announced.
 */
export class RequestReader {
  span = NOTHING;
  /** Commands in the batch; the arguments of command i are `counts[i]` places from `firsts[i]` on. */
  size = 0;
  readonly firsts = new Int32Array(BATCH);
  readonly counts = new Int32Array(BATCH);
  readonly #begins = new Int32Array(BATCH);
  starts = new Int32Array(ARGUMENTS);
  lengths = new Int32Array(ARGUMENTS);
  /** Why the connection must be closed, after BROKEN; as Redis says it. */
  error = '';
  /** What is broken is that it is HTTP. */
  isHttp = false;
  authenticated = true;
  /** Shared by readers who call `settle` before another one is fed: what is left of one chunk meets the next there. */
  scratch: Span | null = null;
  /** Of the readers of a server. */
  spare: Spare | null = null;
  /** A command with a large argument, which what comes belongs to until it is whole; after it was run, until the next call of `next`. */
  large: LargeRequest | null = null;
  /** What came behind it. */
  #after: Uint8Array[] = [];
  #afterBytes = 0;
  /** The buffer of `feedShared`. */
  #shared: Span | null = null;
  #at = 0;
  #end = 0;
  /** Holds what is left of earlier input; `bytes` while it has more than nothing. */
  #carry = NOTHING;
  /** No command is complete before so many bytes are there, counted from `#at`. */
  #need = 0;

  /** Bytes held that make no whole command yet. */
  get pendingBytes(): number {
    return this.inputBytes + (this.large?.bytes ?? 0);
  }

  /** Those that are not of a large command. */
  get inputBytes(): number {
    return this.#end - this.#at + this.#afterBytes;
  }

  /** Memory taken for them, and for places of arguments. */
  get heldBytes(): number {
    const large = this.large?.heldBytes ?? 0;
    return large + this.#carry.bytes.length + this.starts.byteLength + this.lengths.byteLength;
  }

  /** Adds the first `length` bytes of a buffer that others read into as well: `settle` must be called before they do. */
  feedShared(shared: Span, length: number): void {
    if (this.#end - this.#at > 0 || this.large !== null) {
      this.feed(shared.bytes.subarray(0, length));
      return;
    }
    this.span = shared;
    this.#at = 0;
    this.#end = length;
    this.#shared = shared;
  }

  /** Adds input; `chunk` must stay as it is until the next call. */
  feed(chunk: Uint8Array): void {
    if (this.large !== null) {
      const taken = this.large.take(chunk);
      this.#afterBytes += chunk.length - taken;
      if (taken < chunk.length) this.#after.push(Uint8Array.prototype.slice.call(chunk, taken));
      return;
    }
    const left = this.#end - this.#at;
    if (left === 0) {
      // Node's Buffers have another `slice`, and would make two shapes of what everybody reads.
      this.span = new Span(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
      this.#at = 0;
      this.#end = chunk.length;
      if (this.#carry.bytes.length > KEEP_BYTES) this.#carry = NOTHING;
      return;
    }
    const total = left + chunk.length;
    const { scratch } = this;
    if (scratch !== null && chunk.length >= STREAM_BYTES && total <= scratch.bytes.length) {
      scratch.bytes.set(this.span.bytes.subarray(this.#at, this.#end));
      scratch.bytes.set(chunk, left);
      this.span = scratch;
      this.#at = 0;
      this.#end = total;
      return;
    }
    const inPlace = this.span === this.#carry;
    let to = this.#carry;
    if (to.bytes.length < (inPlace ? this.#end : left) + chunk.length) {
      if (total > to.bytes.length) to = new Span(new Uint8Array(this.#capacity(total)));
      to.bytes.set(this.span.bytes.subarray(this.#at, this.#end));
      this.#at = 0;
    } else if (!inPlace) {
      to.bytes.set(this.span.bytes.subarray(this.#at, this.#end));
      this.#at = 0;
    }
    to.bytes.set(chunk, this.#at + left);
    this.#carry = to;
    this.span = to;
    this.#end = this.#at + total;
  }

  /**
   * What is left is kept in memory of its own, little but for a command known to be large; the chunk it came in, and what is
   * shared, are not needed any more.
   */
  settle(): void {
    const left = this.#end - this.#at;
    if (left === 0) {
      this.span = NOTHING;
      this.#at = 0;
      this.#end = 0;
      if (this.spare !== null && this.#carry.bytes.length === SPARE_BYTES) {
        this.spare.give(this.#carry);
        this.#carry = NOTHING;
      } else if (this.#carry.bytes.length > FIRST_BYTES) this.#carry = NOTHING;
      if (this.starts.length > KEPT_ARGUMENTS) {
        this.starts = new Int32Array(ARGUMENTS);
        this.lengths = new Int32Array(ARGUMENTS);
      }
    } else if (
      this.span === this.scratch ||
      this.span === this.#shared ||
      this.span.bytes.buffer.byteLength > left * 9 + 2 * FIRST_BYTES
    ) {
      const kept = this.#room(left);
      kept.bytes.set(this.span.bytes.subarray(this.#at, this.#end));
      this.#carry = kept;
      this.span = kept;
      this.#at = 0;
      this.#end = left;
    }
  }

  /** For input that waits: a spare buffer for whole commands, but not for the first bytes of one, which may never be whole. */
  #room(bytes: number): Span {
    const { spare } = this;
    if (spare !== null && bytes >= WAITING_BYTES && bytes <= SPARE_BYTES) return spare.take();
    return new Span(new Uint8Array(bytes));
  }

  /**
   * For `total` bytes and some that follow: all that the command needs, once an eighth of that is there, so that much is not
   * copied over and over; never for more.
   */
  #capacity(total: number): number {
    const wide = Math.max(total + (total >> 1), FIRST_BYTES);
    if (this.#need <= total) return wide;
    return this.#need <= total * 8 ? this.#need + FIRST_BYTES : Math.min(wide, this.#need + FIRST_BYTES);
  }

  /**
   * Reads what is whole, up to a batch: READY when `size` is at least one. After BROKEN nothing more is read. `span` stays
   * until the next call of this or of `feed`.
   */
  next(): Outcome {
    this.size = 0;
    if (this.large !== null) {
      const outcome = this.#nextLarge(this.large);
      if (outcome !== null) return outcome;
    }
    let used = 0;
    while (this.size < BATCH) {
      const from = this.#at;
      if (this.#end - from < Math.max(this.#need, 1)) break;
      this.#need = 0;
      if (this.span.bytes[from] !== STAR) {
        // It is rewritten in another buffer: never behind others in a batch.
        if (this.size > 0) break;
        const outcome = this.#inline();
        if (outcome !== READY) return outcome;
        continue;
      }
      const count = this.#multibulk(from, used);
      // What was whole before it is run first; the fault is found again by the next call.
      if (count < 0) {
        if (this.size > 0) this.#at = from;
        else if (count === BROKEN_COUNT) return this.#fail();
        break;
      }
      if (count === 0) continue;
      this.#begins[this.size] = from;
      this.firsts[this.size] = used;
      this.counts[this.size] = count;
      this.size++;
      used += count;
    }
    return this.size > 0 ? READY : NEED_MORE;
  }

  /** Null: it is over, and what follows comes next. */
  #nextLarge(large: LargeRequest): Outcome | null {
    if (large.error !== '') {
      this.#broken(large.error);
      return this.#fail();
    }
    if (!large.whole) return NEED_MORE;
    if (!large.given) {
      large.given = true;
      this.span = large.span;
      this.starts = large.starts;
      this.lengths = large.lengths;
      this.#begins[0] = 0;
      this.firsts[0] = 0;
      this.counts[0] = large.starts.length;
      this.size = 1;
      return READY;
    }
    this.large = null;
    this.starts = new Int32Array(ARGUMENTS);
    this.lengths = new Int32Array(ARGUMENTS);
    const after = this.#after;
    this.#after = [];
    this.#afterBytes = 0;
    for (const chunk of after) this.feed(chunk);
    return null;
  }

  /** An argument that is large and not among the other bytes; `place` as in `starts`. */
  rope(place: number): Rope | null {
    return this.large?.rope(place) ?? null;
  }

  /** Where the bytes of command `i` of the batch begin in `span`: in the array form, which inline commands are given. */
  beginOf(i: number): number {
    return this.#begins[i] as number;
  }

  endOf(i: number): number {
    const last = (this.firsts[i] as number) + (this.counts[i] as number) - 1;
    return (this.starts[last] as number) + (this.lengths[last] as number) + 2;
  }

  /** Commands of the batch from number `i` on are to be read again. */
  putBack(i: number): void {
    if (this.large !== null) {
      this.large.given = i > 0;
      this.size = i;
      return;
    }
    this.#at = this.#begins[i] as number;
    // That was of what follows the batch.
    this.#need = 0;
    this.size = i;
  }

  /** Arguments of the command at `from`, put down from place `used` on: how many, or that there are none. */
  #multibulk(from: number, used: number): number {
    this.#at = from + 1;
    const count = this.#number();
    if (count === INCOMPLETE) return this.#wait(from, 0);
    if (count === INVALID || count > MAX_ARGUMENTS) return this.#broken('invalid multibulk length');
    if (count > UNAUTHENTICATED_ARGUMENTS && !this.authenticated)
      return this.#broken('unauthenticated multibulk length');
    // An empty array is no command.
    if (count <= 0) return 0;
    if (used + count > this.starts.length && !this.#places(used, count))
      return this.#wait(from, used > 0 ? 0 : Math.min(count * 5, 1 << 20));
    const { starts, lengths } = this;
    const { bytes } = this.span;
    const end = this.#end;
    for (let i = used; i < used + count; i++) {
      if (this.#at >= end) return this.#waitFor(from, used, count, 0);
      const sign = bytes[this.#at] as number;
      if (sign !== DOLLAR) return this.#broken(`expected '$', got '${shown(sign)}'`);
      this.#at++;
      const length = this.#number();
      if (length === INCOMPLETE) return this.#waitFor(from, used, count, 0);
      if (length < 0 || length > MAX_BULK_BYTES) return this.#broken('invalid bulk length');
      if (length > UNAUTHENTICATED_BULK_BYTES && !this.authenticated)
        return this.#broken('unauthenticated bulk length');
      const start = this.#at;
      const after = start + length + 2;
      if (after > end) return this.#waitFor(from, used, count, length > PIECE_BYTES ? -1 : after - from);
      starts[i] = start;
      lengths[i] = length;
      this.#at = after;
    }
    return count;
  }

  /** A number and its line end; -1 when it is less than zero. Nearly all have up to three digits. */
  #number(): number {
    const at = this.#at;
    if (this.#end - at <= 4) return this.#anyNumber();
    const { bytes } = this.span;
    const first = (bytes[at] as number) - ZERO;
    if (first < 0 || first > 9) return this.#anyNumber();
    let value = first;
    for (let i = at + 1; i < at + 4; i++) {
      const byte = bytes[i] as number;
      if (byte === CR) {
        this.#at = i + 2;
        return value;
      }
      const digit = byte - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    return this.#anyNumber();
  }

  #anyNumber(): number {
    const { bytes } = this.span;
    const end = this.#end;
    let at = this.#at;
    let value = 0;
    let sign = 1;
    if (at < end && bytes[at] === MINUS) {
      sign = -1;
      at++;
    }
    const first = at;
    for (;;) {
      if (at >= end) return INCOMPLETE;
      const digit = (bytes[at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
      if (at - first > MAX_DIGITS) return INVALID;
    }
    if (at === first || bytes[at] !== CR) return INVALID;
    if (at + 1 >= end) return INCOMPLETE;
    this.#at = at + 2;
    return value === 0 ? 0 : sign < 0 ? -1 : value;
  }

  /** Goes back to where the command began. */
  #wait(from: number, need: number): number {
    this.#at = from;
    this.#need = need;
    return WAITING_COUNT;
  }

  /**
   * The rest of a command; `need` bytes at least, or -1: an argument is large. One with a large argument, or many of them, goes on apart
   * once so much of it came that it may be meant: it is not read from its beginning each time.
   */
  #waitFor(from: number, used: number, count: number, need: number): number {
    if (need >= 0 && count <= KEPT_ARGUMENTS) return this.#wait(from, need);
    const { bytes } = this.span;
    if (used > 0 || this.#end - from < LARGE_FROM_BYTES) return this.#wait(from, LARGE_FROM_BYTES);
    const large = new LargeRequest(count, (length) => (length > MAX_BULK_BYTES ? 'invalid bulk length' : ''));
    large.take(bytes.subarray(bytes.indexOf(LF, from) + 1, this.#end));
    this.large = large;
    this.#at = 0;
    this.#end = 0;
    this.#carry = NOTHING;
    return WAITING_COUNT;
  }

  #broken(what: string): number {
    this.error = `Protocol error: ${what}`;
    return BROKEN_COUNT;
  }

  #fail(): Outcome {
    this.large = null;
    this.#at = 0;
    this.#end = 0;
    return BROKEN;
  }

  /** More places for arguments, once enough came that they can be there (each takes five bytes), and for a batch's first only. */
  #places(used: number, count: number): boolean {
    if (used > 0 || this.#end - this.#at < Math.min(count * 5, 1 << 20)) return false;
    this.starts = new Int32Array(count);
    this.lengths = new Int32Array(count);
    return true;
  }

  #inline(): Outcome {
    const from = this.#at;
    const line = this.span.bytes.subarray(from, this.#end);
    const newline = line.indexOf(LF);
    if (newline < 0) {
      if (line.length > MAX_INLINE_BYTES) {
        this.#broken('too big inline request');
        return this.#fail();
      }
      this.#wait(from, line.length + 1);
      return NEED_MORE;
    }
    this.#at = from + newline + 1;
    const length = newline > 0 && line[newline - 1] === CR ? newline - 1 : newline;
    const words = splitWords(line.subarray(0, length));
    if (words === null) {
      this.#broken('unbalanced quotes in request');
      return this.#fail();
    }
    const [first] = words;
    if (first === undefined) return READY;
    if (isHttp(first)) {
      this.isHttp = true;
      this.#broken('this port speaks RESP, not HTTP');
      return this.#fail();
    }
    this.#rewrite(words);
    return READY;
  }

  /** Puts the words, without quotes and escapes, in front of what follows the line, in the array form. */
  #rewrite(words: readonly Uint8Array[]): void {
    const heads = words.map((word) => new TextEncoder().encode(`$${word.length}\r\n`));
    const first = new TextEncoder().encode(`*${words.length}\r\n`);
    const rest = this.span.bytes.subarray(this.#at, this.#end);
    let total = first.length + rest.length;
    words.forEach((word, i) => {
      total += word.length + 2 + (heads[i] as Uint8Array).length;
    });
    const joined = new Uint8Array(total);
    let at = 0;
    const put = (bytes: Uint8Array): void => {
      joined.set(bytes, at);
      at += bytes.length;
    };
    put(first);
    words.forEach((word, i) => {
      put(heads[i] as Uint8Array);
      put(word);
      put(LINE_END);
    });
    put(rest);
    this.span = new Span(joined);
    this.#carry = this.span;
    this.#at = 0;
    this.#end = total;
  }
}

const LINE_END = Uint8Array.of(CR, LF);
const NOTHING = new Span(new Uint8Array(0));
const FIRST_BYTES = SPARE_BYTES;
/** From here on what waits is more than the beginning of a small command. */
const WAITING_BYTES = 1024;
/** A chunk from which on a client sends a stream: with smaller ones what is left is added to in place. */
const STREAM_BYTES = 4096;
/** Of readers that share it. */
export const SCRATCH_BYTES = 128 * 1024;
/** A larger carry is given back once it is empty. */
const KEEP_BYTES = 128 * 1024;

function shown(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
}
