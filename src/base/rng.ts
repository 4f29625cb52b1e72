/** A source of random numbers, passed in wherever one is needed, so that a seed decides everything. */
export interface Rng {
  /** A uniform unsigned 32-bit number. */
  u32(): number;
  /** A uniform whole number in [0, n); n from 1 to 2^32. */
  below(n: number): number;
  /** A uniform number in [0, 1). */
  unit(): number;
}

/** xoshiro128** (Blackman and Vigna, 2018), seeded by splitmix32. Not for secrets. */
export class SeededRng implements Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let s = seed | 0;
    const next = (): number => {
      s = (s + 0x9e3779b9) | 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) | 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  u32(): number {
    const x = Math.imul(this.#b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9);
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  below(n: number): number {
    return Math.floor(this.unit() * n);
  }

  unit(): number {
    return this.u32() / 4294967296;
  }

  /** A generator of its own, so that drawing from it does not shift what others draw. */
  fork(): SeededRng {
    return new SeededRng(this.u32());
  }
}

/** A number in [base*(1-spread), base*(1+spread)), so that nodes that start together do not act together. */
export function jitter(rng: Rng, base: number, spread = 0.25): number {
  return base * (1 - spread + 2 * spread * rng.unit());
}
