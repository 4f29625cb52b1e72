const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

/** Some tenths of a millisecond. */
const MOST_LOOKS = 1 << 16;
/** What is answered where it is a fault not to know. */
export const TOO_CLOSE_A_LOOK = 'ERR there is a key that takes too long to compare with this pattern';
/** Enough for the name of a parameter or a command, which have some thirty characters. */
export const NAME_LOOKS = 4096;

/**
 * A glob pattern as Redis takes it (KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET): `*`, `?`, `[a-z]`, `[^a]`, and `\` before a
 * character that means itself. Only the last star is ever gone back to, so the work is bounded by the product of the two lengths, and
 * by `mostLooks`: what would take more does not match, and `gaveUp` says so.
 */
export class Glob {
  readonly pattern: Uint8Array;
  readonly #blind: boolean;
  readonly #mostLooks: number;
  /** At single characters of a pattern, for all texts so far. */
  looks = 0;
  /** Of some text it is not known whether it matches. */
  gaveUp = false;
  /** Where the pattern goes on after what `#one` has matched. */
  #next = 0;

  constructor(pattern: Uint8Array, blind = false, mostLooks = MOST_LOOKS) {
    this.pattern = pattern;
    this.#blind = blind;
    this.#mostLooks = mostLooks;
  }

  /** The pattern is one star: everything matches. */
  get matchesAll(): boolean {
    return this.pattern.length === 1 && this.pattern[0] === STAR;
  }

  matches(text: Uint8Array, at = 0, length = text.length): boolean {
    const { pattern } = this;
    // Redis 7.0 does not look at the pattern of an empty text: only `matchesAll`, which its callers ask first, takes that in.
    if (length === 0) return pattern.length === 0;
    // Of a class, or of stars in a row, all may be looked at for one character.
    if (pattern.length > this.#mostLooks) {
      this.gaveUp = true;
      return false;
    }
    const end = at + length;
    let p = 0;
    let t = at;
    let starP = -1;
    let starT = 0;
    const most = this.looks + this.#mostLooks;
    while (t < end) {
      if (++this.looks > most) {
        this.gaveUp = true;
        return false;
      }
      if (p < pattern.length && pattern[p] === STAR) {
        while (pattern[p] === STAR) p++;
        if (p === pattern.length) return true;
        starP = p;
        starT = t;
      } else if (p < pattern.length && this.#one(p, text[t] as number)) {
        p = this.#next;
        t++;
      } else if (starP >= 0) {
        p = starP;
        t = ++starT;
      } else return false;
    }
    while (pattern[p] === STAR) p++;
    return p >= pattern.length;
  }

  /** Whether what is at `p` in the pattern, which is no star, matches a byte. */
  #one(p: number, byte: number): boolean {
    const { pattern } = this;
    switch (pattern[p]) {
      case QUESTION:
        this.#next = p + 1;
        return true;
      case OPEN:
        return this.#class(p + 1, byte);
      case BACKSLASH:
        if (p + 1 < pattern.length) {
          this.#next = p + 2;
          return this.#same(pattern[p + 1] as number, byte);
        }
    }
    this.#next = p + 1;
    return this.#same(pattern[p] as number, byte);
  }

  #class(from: number, byte: number): boolean {
    const { pattern } = this;
    let p = from;
    const not = pattern[p] === CARET;
    if (not) p++;
    let found = false;
    while (p < pattern.length && pattern[p] !== CLOSE) {
      if (pattern[p] === BACKSLASH && p + 1 < pattern.length) {
        p++;
        if (this.#same(pattern[p] as number, byte)) found = true;
      } else if (p + 2 < pattern.length && pattern[p + 1] === DASH) {
        if (this.#between(pattern[p] as number, pattern[p + 2] as number, byte)) found = true;
        p += 2;
      } else if (this.#same(pattern[p] as number, byte)) found = true;
      p++;
    }
    this.looks += p - from;
    this.#next = p + 1;
    return found !== not;
  }

  #between(a: number, b: number, byte: number): boolean {
    const from = this.#fold(Math.min(a, b));
    const to = this.#fold(Math.max(a, b));
    const c = this.#fold(byte);
    return c >= from && c <= to;
  }

  #same(a: number, b: number): boolean {
    return a === b || (this.#blind && this.#fold(a) === this.#fold(b));
  }

  #fold(byte: number): number {
    return this.#blind && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
}
