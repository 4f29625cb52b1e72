import { createHmac } from 'node:crypto';
import { FRESH_MS } from './freshness.ts';

/** A number for a boot to seal is another one after each of these; one byte of it tells which of 256 it is from. */
const TICK_MS = 32;
const TICKS = 256;
export const QUESTION_BYTES = 8;

/**
 * Numbers that others are asked to seal, as a sign that they live. Made from the boot's name and the time, so that nothing is
 * kept for names somebody invents, and an answer tells when it was asked for: whoever is in between may keep it back, so
 * what it vouches for is reckoned from then, and not from when it came.
 */
export class Questions {
  readonly #random: (bytes: number) => Uint8Array;
  #secret: Uint8Array | null = null;

  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random;
  }

  /** What this boot is to seal. */
  ask(boot: string, nowMs: number): Uint8Array {
    return this.#of(boot, Math.floor(nowMs / TICK_MS));
  }

  /** When this boot was asked for this answer, at the earliest; null when it was not, or longer ago than `FRESH_MS`. */
  askedMs(boot: string, answer: Uint8Array, nowMs: number): number | null {
    const present = Math.floor(nowMs / TICK_MS);
    const tick = present - ((((present - (answer[0] as number)) % TICKS) + TICKS) % TICKS);
    if (nowMs - tick * TICK_MS > FRESH_MS) return null;
    return Buffer.compare(this.#of(boot, tick), answer) === 0 ? tick * TICK_MS : null;
  }

  /** Nothing that was asked before is an answer any more. */
  renew(): void {
    this.#secret = null;
  }

  #of(boot: string, tick: number): Uint8Array {
    this.#secret ??= this.#random(32);
    const digest = createHmac('sha256', this.#secret).update(boot, 'latin1').update(`\0${tick}`).digest();
    const out = Uint8Array.from(digest.subarray(0, QUESTION_BYTES));
    out[0] = ((tick % TICKS) + TICKS) % TICKS;
    return out;
  }
}
