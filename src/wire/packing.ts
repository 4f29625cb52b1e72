import { LIMITS, type NodeId, nodeIdFromBytes, nodeIdToBytes } from '../base/index.ts';
import { MAX_COUNTER, type Span } from '../crdt/index.ts';

/**
 * Packed bytes inside a msgpack message: node ids once, in a table in front; numbers as LEB128; the counters of one
 * actor as differences. Half the size of nested arrays, and one place where every byte is checked.
 */
export class Packer {
  #bytes: Uint8Array;
  #length = 0;
  readonly #index = new Map<NodeId, number>();
  /** Per id, the last counter written. */
  readonly #last: number[] = [];

  constructor(capacity = 128) {
    this.#bytes = new Uint8Array(capacity);
  }

  u32(value: number): void {
    this.#reserve(4);
    const bytes = this.#bytes;
    bytes[this.#length++] = value >>> 24;
    bytes[this.#length++] = value >>> 16;
    bytes[this.#length++] = value >>> 8;
    bytes[this.#length++] = value;
  }

  /** A whole number from 0 to 2^53 - 1. */
  uint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The id's place in the table. */
  indexOf(id: NodeId): number {
    let index = this.#index.get(id);
    if (index === undefined) {
      index = this.#index.size;
      this.#index.set(id, index);
      this.#last.push(0);
    }
    return index;
  }

  /** A span of dots: the id with one bit for `lo < hi`, the distance from this actor's last counter, the length. */
  span(actor: NodeId, lo: number, hi: number): void {
    const index = this.indexOf(actor);
    this.uint(index * 2 + (hi > lo ? 1 : 0));
    this.#distance(lo - (this.#last[index] as number));
    if (hi > lo) this.uint(hi - lo);
    this.#last[index] = hi;
  }

  /** One bit of sign and six of size, then seven a byte: eight bytes hold any distance of two counters. */
  #distance(value: number): void {
    this.#reserve(8);
    let rest = Math.abs(value);
    let byte = (rest % 64) * 2 + (value < 0 ? 1 : 0);
    // The first byte: continuation, size, sign.
    rest = Math.floor(rest / 64);
    while (rest > 0) {
      this.#bytes[this.#length++] = byte + 128;
      byte = rest % 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = byte;
  }

  /** The table of ids, then everything written. */
  finish(): Uint8Array {
    const head = new Packer(16);
    head.uint(this.#index.size);
    const prefix = head.#bytes.subarray(0, head.#length);
    const out = new Uint8Array(prefix.length + 8 * this.#index.size + this.#length);
    out.set(prefix, 0);
    let at = prefix.length;
    for (const id of this.#index.keys()) {
      nodeIdToBytes(id, out, at);
      at += 8;
    }
    out.set(this.#bytes.subarray(0, this.#length), at);
    return out;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Reads what a Packer wrote. Garbage sets `bad` and reads as zeros: callers check it before they trust or loop on. */
export class Unpacker {
  readonly #bytes: Uint8Array;
  #at = 0;
  readonly #ids: NodeId[] = [];
  readonly #last: number[] = [];
  bad = false;
  /** The upper end and the actor of the span just read; its lower end is returned. */
  spanActor = '' as NodeId;
  spanHi = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const count = this.count(8);
    for (let i = 0; i < count; i++) {
      this.#ids.push(nodeIdFromBytes(bytes, this.#at));
      this.#last.push(0);
      this.#at += 8;
    }
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  u32(): number {
    const at = this.#at;
    if (at + 4 > this.#bytes.length) return this.#fail();
    this.#at = at + 4;
    const bytes = this.#bytes;
    const value =
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number);
    return value >>> 0;
  }

  /** At most `max`, itself at most 2^53 - 1. */
  uint(max: number = MAX_COUNTER): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return this.#fail();
      this.#at++;
      value += (byte & 127) * scale;
      if (byte < 128) return value <= max ? value : this.#fail();
      scale *= 128;
    }
    return this.#fail();
  }

  /** A number of things of at least `bytesEach` bytes: never more than what is left can hold. */
  count(bytesEach: number): number {
    const count = this.uint();
    return this.fits(count, bytesEach) ? count : this.#fail();
  }

  /** Whether what is left can hold so many things. */
  fits(count: number, bytesEach: number): boolean {
    return count * bytesEach <= this.#bytes.length - this.#at;
  }

  raw(length: number): Uint8Array {
    if (this.bad || this.#at + length > this.#bytes.length) {
      this.#fail();
      return new Uint8Array(0);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** An id of the table, by its place. */
  id(index: number): NodeId {
    const id = this.#ids[index];
    if (id !== undefined) return id;
    this.#fail();
    return '' as NodeId;
  }

  /** Sets `spanActor` and `spanHi`, returns the lower end. */
  span(): number {
    const head = this.uint();
    const index = Math.floor(head / 2);
    this.spanActor = this.id(index);
    if (this.bad) return 0;
    const lo = (this.#last[index] as number) + this.#distance();
    if (lo < 1 || lo > MAX_COUNTER) return this.#fail();
    const length = head % 2 === 1 ? this.uint(MAX_COUNTER - lo) : 0;
    if (head % 2 === 1 && length === 0) return this.#fail();
    this.spanHi = lo + length;
    this.#last[index] = this.spanHi;
    return lo;
  }

  #distance(): number {
    let byte = this.#bytes[this.#at] ?? this.#fail();
    this.#at++;
    const sign = (byte & 1) === 1 ? -1 : 1;
    let value = (byte & 127) >> 1;
    let scale = 64;
    for (let i = 0; byte >= 128; i++) {
      if (i === 7) return this.#fail();
      byte = this.#bytes[this.#at] ?? this.#fail();
      this.#at++;
      value += (byte & 127) * scale;
      scale *= 128;
    }
    return this.bad ? 0 : sign * value;
  }

  #fail(): number {
    this.bad = true;
    this.#at = this.#bytes.length;
    return 0;
  }
}

/** Refuses spans that overlap or go back, per actor: they would have the same dots walked again and again. */
export class Ascending {
  readonly #reader: Unpacker;
  readonly #tops = new Map<string, number>();

  constructor(reader: Unpacker) {
    this.#reader = reader;
  }

  restart(): void {
    this.#tops.clear();
  }

  check(span: Span): Span {
    if (span.lo <= (this.#tops.get(span.actor) ?? 0)) this.#reader.bad = true;
    this.#tops.set(span.actor, span.hi);
    return span;
  }
}

/** Amounts of either sign and kind in one number, small ones in one byte. */
export function amountCode(base: boolean, amount: number): number {
  return Math.abs(amount) * 4 + (amount < 0 ? 2 : 0) + (base ? 1 : 0);
}

export const MAX_AMOUNT_CODE = LIMITS.priority * 4 + 3;
