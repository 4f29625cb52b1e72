import { PIECE_BYTES, Rope } from '../../store/index.ts';

/** Of each value at a time: some tenths of a millisecond. */
const STEP_BYTES = PIECE_BYTES / 4;
export const BIT_OPERATIONS = ['AND', 'OR', 'XOR', 'NOT'] as const;
type BitOperation = (typeof BIT_OPERATIONS)[number];

/** BITOP of values, a piece at a time. */
export class BitWork {
  readonly #operation: BitOperation;
  readonly #sources: readonly Rope[];
  readonly #longest: number;
  readonly #pieces: Uint8Array[] = [];
  #at = 0;

  constructor(operation: BitOperation, sources: readonly Rope[]) {
    this.#operation = operation;
    this.#sources = sources;
    this.#longest = sources.reduce((longest, { length }) => Math.max(longest, length), 0);
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
    const within = this.#at % PIECE_BYTES;
    if (within === 0) this.#pieces.push(new Uint8Array(Math.min(PIECE_BYTES, this.#longest - this.#at)));
    this.#pieces.at(-1)?.set(combined(this.#operation, this.#sources, this.#at, end), within);
    this.#at = end;
    return end < this.#longest;
  }

  get heldBytes(): number {
    return this.#pieces.reduce((sum, { length }) => sum + length, 0);
  }

  get result(): Rope {
    return Rope.of(this.#pieces);
  }
}

/** The bytes of the result from `at` up to `end`, by words. */
function combined(operation: BitOperation, sources: readonly Rope[], at: number, end: number): Uint8Array {
  const words = (end - at + 3) >> 2;
  const result = new Int32Array(words);
  const bytes = new Uint8Array(result.buffer, 0, end - at);
  const other = new Int32Array(sources.length > 1 ? words : 0);
  sources.forEach((source, i) => {
    if (i === 0) {
      source.copyTo(bytes, 0, at, end);
      return;
    }
    other.fill(0);
    source.copyTo(new Uint8Array(other.buffer), 0, at, end);
    if (operation === 'AND')
      for (let k = 0; k < words; k++) result[k] = (result[k] as number) & (other[k] as number);
    else if (operation === 'OR')
      for (let k = 0; k < words; k++) result[k] = (result[k] as number) | (other[k] as number);
    else for (let k = 0; k < words; k++) result[k] = (result[k] as number) ^ (other[k] as number);
  });
  if (operation === 'NOT') for (let k = 0; k < words; k++) result[k] = ~(result[k] as number);
  return bytes;
}
