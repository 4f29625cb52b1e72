import { PIECE_BYTES, Rope } from '../../store/index.ts';

/** Of a value at a time; of many values together so much that it is some tenths of a millisecond. */
const STEP_BYTES = PIECE_BYTES / 4;
/** What a value costs, however short it is. */
const SOURCE_BYTES = 1024;
export const BIT_OPERATIONS = ['AND', 'OR', 'XOR', 'NOT'] as const;
type BitOperation = (typeof BIT_OPERATIONS)[number];

/** BITOP of values: for a part of the result after the other, one value after the other. */
export class BitWork {
  /** How often it was begun, because values were written meanwhile. */
  readonly tries: number;
  readonly #operation: BitOperation;
  readonly #sources: readonly Rope[];
  readonly #longest: number;
  readonly #pieces: Uint8Array[] = [];
  #at = 0;
  /** The part of the result from `#at` on, of the values before number `#next`. */
  readonly #part: Int32Array;
  readonly #other: Int32Array;
  #next = 0;

  constructor(operation: BitOperation, sources: readonly Rope[], tries = 1) {
    this.tries = tries;
    this.#operation = operation;
    this.#sources = sources;
    this.#longest = sources.reduce((longest, { length }) => Math.max(longest, length), 0);
    const words = Math.min(STEP_BYTES, this.#longest + 3) >> 2;
    this.#part = new Int32Array(words);
    this.#other = new Int32Array(words);
  }

  /** Itself, if it is the same operation on the same values. */
  matches(operation: BitOperation, sources: readonly Rope[]): BitWork | null {
    if (operation !== this.#operation || sources.length !== this.#sources.length) return null;
    // Large values are the same when their ropes are; small ones are copied each time.
    const isSame = (rope: Rope, i: number): boolean => {
      const other = this.#sources[i] as Rope;
      return rope === other || (rope.length <= PIECE_BYTES && rope.equals(other));
    };
    return sources.every(isSame) ? this : null;
  }

  /** True while there is more to do. */
  step(): boolean {
    if (this.#at >= this.#longest) return false;
    const end = Math.min(this.#at + STEP_BYTES, this.#longest);
    for (let left = STEP_BYTES; this.#next < this.#sources.length && left > 0; this.#next++) {
      this.#combine(this.#sources[this.#next] as Rope, end);
      left -= end - this.#at + SOURCE_BYTES;
    }
    if (this.#next < this.#sources.length) return true;
    this.#next = 0;
    const within = this.#at % PIECE_BYTES;
    if (within === 0) this.#pieces.push(new Uint8Array(Math.min(PIECE_BYTES, this.#longest - this.#at)));
    this.#pieces.at(-1)?.set(new Uint8Array(this.#part.buffer, 0, end - this.#at), within);
    this.#at = end;
    return end < this.#longest;
  }

  /** With the copies of small values, and with large ones that are in the table no more. */
  get heldBytes(): number {
    let bytes = this.#pieces.reduce((sum, { length }) => sum + length, this.#part.byteLength * 2);
    // A large value that was named twice is one.
    for (const { stored, length } of new Set(this.#sources)) if (stored === 0) bytes += length;
    return bytes;
  }

  get result(): Rope {
    return Rope.of(this.#pieces);
  }

  /** The next value's bytes up to `end`, by words. */
  #combine(source: Rope, end: number): void {
    const operation = this.#operation;
    const part = this.#part;
    const isFirst = this.#next === 0;
    const other = isFirst ? part : this.#other;
    other.fill(0);
    source.copyTo(new Uint8Array(other.buffer), 0, this.#at, end);
    const words = (end - this.#at + 3) >> 2;
    if (operation === 'NOT') for (let k = 0; k < words; k++) part[k] = ~(part[k] as number);
    else if (isFirst) return;
    else if (operation === 'AND')
      for (let k = 0; k < words; k++) part[k] = (part[k] as number) & (other[k] as number);
    else if (operation === 'OR')
      for (let k = 0; k < words; k++) part[k] = (part[k] as number) | (other[k] as number);
    else for (let k = 0; k < words; k++) part[k] = (part[k] as number) ^ (other[k] as number);
  }
}
