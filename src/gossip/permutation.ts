import { assert, fold32, mix32 } from '../base/index.ts';

const ROUNDS = 7;

/**
 * A seeded permutation of [0, size), computed element by element in O(1): a Feistel network over the next even power
 * of two, walked until it lands inside (cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains",
 * 2002). So two nodes agree on a random order of thousands from a seed alone, and neither builds it.
 */
export class Permutation {
  readonly size: number;
  readonly #seed: number;
  readonly #halfBits: number;
  readonly #mask: number;

  constructor(size: number, seed: number) {
    assert(size >= 1 && size <= 0x10000000, 'permutation size');
    this.size = size;
    this.#seed = seed;
    let halfBits = 1;
    while (2 ** (2 * halfBits) < size) halfBits++;
    this.#halfBits = halfBits;
    this.#mask = 2 ** halfBits - 1;
  }

  /** The element at place `index`. */
  at(index: number): number {
    let x = index;
    do {
      let left = x >>> this.#halfBits;
      let right = x & this.#mask;
      for (let round = 0; round < ROUNDS; round++) {
        const next = left ^ (this.#round(right, round) & this.#mask);
        left = right;
        right = next;
      }
      x = ((left << this.#halfBits) | right) >>> 0;
    } while (x >= this.size);
    return x;
  }

  /** The place at which `element` stands. */
  indexOf(element: number): number {
    let x = element;
    do {
      let left = x >>> this.#halfBits;
      let right = x & this.#mask;
      for (let round = ROUNDS - 1; round >= 0; round--) {
        const before = right ^ (this.#round(left, round) & this.#mask);
        right = left;
        left = before;
      }
      x = ((left << this.#halfBits) | right) >>> 0;
    } while (x >= this.size);
    return x;
  }

  #round(half: number, round: number): number {
    return mix32(fold32(this.#seed, half * ROUNDS + round));
  }
}
