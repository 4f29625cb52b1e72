import type { SeededRng } from '../../src/base/index.ts';
import { decodeValue, encodeValue } from '../../src/wire/index.ts';
import type { Shape } from './target.ts';

const INTERESTING_BYTES = [
  0, 1, 0x7f, 0x80, 0x81, 0xc0, 0xc4, 0xc6, 0xcf, 0xd3, 0xdc, 0xdd, 0xde, 0xdf, 0xff,
];
const NUMBERS = [
  ...[0, 1, -1, 2, 3, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
  ...[
    2 ** 47,
    2 ** 52,
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 31),
    -(2 ** 53),
    0.5,
    -0,
    NaN,
    Infinity,
    -Infinity,
    1e308,
  ],
];
const ODDITIES: unknown[] = [null, true, false, '', 'x', [], {}, [[]], new Uint8Array(0), new Uint8Array(8)];
const MAX_BYTES = 8192;
const MAX_DEPTH = 12;

/** Changes inputs: a few bytes, or a part of the value or text they are. The same luck gives the same changes. */
export class Mutator {
  readonly #rng: SeededRng;
  readonly #shape: Shape;
  /** The bytes at work, grown once: what is given out is a copy of the right length. */
  #buffer = new Uint8Array(MAX_BYTES * 2);
  #length = 0;

  constructor(shape: Shape, rng: SeededRng) {
    this.#shape = shape;
    this.#rng = rng;
  }

  /** A changed copy of one of these. */
  next(corpus: readonly Uint8Array[]): Uint8Array {
    const rng = this.#rng;
    const whole = corpus[rng.below(corpus.length)] as Uint8Array;
    if (this.#shape.kind === 'msgpack' && rng.below(3) === 0) {
      const changed = this.#changeValue(whole, this.#shape.at, corpus);
      if (changed !== null) return changed;
    }
    this.#length = Math.min(whole.length, MAX_BYTES);
    this.#buffer.set(this.#length === whole.length ? whole : whole.subarray(0, this.#length));
    for (let n = 1 + rng.below(4); n > 0; n--) {
      if (this.#shape.kind === 'text' && rng.below(2) === 0) this.#changeText(this.#shape.words);
      else this.#changeBytes(corpus);
    }
    return this.#buffer.slice(0, this.#length);
  }

  #changeBytes(corpus: readonly Uint8Array[]): void {
    const rng = this.#rng;
    const bytes = this.#buffer;
    const at = this.#length === 0 ? 0 : rng.below(this.#length);
    switch (rng.below(7)) {
      case 0:
        bytes[at] = rng.below(256);
        this.#length = Math.max(this.#length, 1);
        break;
      case 1:
        bytes[at] = INTERESTING_BYTES[rng.below(INTERESTING_BYTES.length)] as number;
        this.#length = Math.max(this.#length, 1);
        break;
      case 2:
        bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
        break;
      case 3:
        this.#length = at;
        break;
      case 4: {
        // The front of this one, a part of another.
        const other = corpus[rng.below(corpus.length)] as Uint8Array;
        const from = rng.below(other.length + 1);
        const part = other.subarray(from, from + 1 + rng.below(64));
        bytes.set(part, at);
        this.#length = Math.min(MAX_BYTES, at + part.length);
        break;
      }
      case 5:
        this.#insert(at, bytes.slice(at, Math.min(this.#length, at + 1 + rng.below(16))));
        break;
      default: {
        const until = Math.min(this.#length, at + 1 + rng.below(8));
        bytes.copyWithin(at, until, this.#length);
        this.#length -= until - at;
      }
    }
  }

  #changeText(words: readonly string[]): void {
    const rng = this.#rng;
    const at = rng.below(this.#length + 1);
    const word =
      rng.below(4) === 0 ? String(NUMBERS[rng.below(NUMBERS.length)]) : words[rng.below(words.length)];
    const bytes = Buffer.from(word ?? '');
    // In the place of as much, or between.
    if (rng.below(2) === 0) {
      this.#buffer.set(bytes, at);
      this.#length = Math.min(MAX_BYTES, Math.max(this.#length, at + bytes.length));
    } else this.#insert(at, bytes);
  }

  #insert(at: number, part: Uint8Array): void {
    if (this.#length + part.length > MAX_BYTES) return;
    this.#buffer.copyWithin(at + part.length, at, this.#length);
    this.#buffer.set(part, at);
    this.#length += part.length;
  }

  /** The value behind the head with one place in it changed; null when there is no value. */
  #changeValue(whole: Uint8Array, at: number, corpus: readonly Uint8Array[]): Uint8Array | null {
    const value = decodeValue(whole.subarray(at));
    if (value === undefined) return null;
    const other = corpus[this.#rng.below(corpus.length)] as Uint8Array;
    const changed = this.#changePlace(value, decodeValue(other.subarray(at)), 0);
    try {
      const body = encodeValue(changed);
      if (body.length > MAX_BYTES) return null;
      const out = new Uint8Array(at + body.length);
      out.set(whole.subarray(0, at));
      out.set(body, at);
      return out;
    } catch {
      return null; // What msgpack cannot say.
    }
  }

  #changePlace(value: unknown, other: unknown, depth: number): unknown {
    const rng = this.#rng;
    if (Array.isArray(value) && value.length > 0 && depth < MAX_DEPTH) {
      const i = rng.below(value.length);
      const out = value.slice();
      switch (rng.below(8)) {
        case 0:
          out.splice(i, 1);
          return out;
        case 1:
          out.splice(i, 0, value[rng.below(value.length)]);
          return out;
        case 2:
          if (Array.isArray(other) && other.length > 0) out[i] = other[rng.below(other.length)];
          return out;
        case 3: {
          const j = rng.below(value.length);
          [out[i], out[j]] = [out[j], out[i]];
          return out;
        }
        default:
          out[i] = this.#changePlace(value[i], Array.isArray(other) ? other[i] : other, depth + 1);
          return out;
      }
    }
    if (value instanceof Uint8Array) return this.#changePart(value, depth);
    switch (rng.below(6)) {
      case 0:
        return ODDITIES[rng.below(ODDITIES.length)];
      case 1:
      case 2:
        return NUMBERS[rng.below(NUMBERS.length)];
      case 3:
        return typeof value === 'number' ? value + rng.below(5) - 2 : value;
      case 4:
        return typeof value === 'string' ? value.repeat(rng.below(4)) : rng.u32();
      default:
        return other;
    }
  }

  /** Bytes within a value: often a value themselves. */
  #changePart(bytes: Uint8Array, depth: number): Uint8Array {
    const rng = this.#rng;
    const inner = depth < MAX_DEPTH && rng.below(2) === 0 ? decodeValue(bytes) : undefined;
    if (Array.isArray(inner)) {
      try {
        return encodeValue(this.#changePlace(inner, inner, depth + 1));
      } catch {
        return bytes;
      }
    }
    const out = bytes.slice(0, rng.below(3) === 0 ? rng.below(bytes.length + 1) : bytes.length);
    if (out.length > 0) out[rng.below(out.length)] = rng.below(256);
    return out;
  }
}
