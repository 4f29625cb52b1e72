/** The worst score: everything this node waits for then takes nine times as long (Lifeguard's S). */
export const WORST_HEALTH = 8;

/**
 * Local health after Lifeguard (Dadgar, Phillips, Currey 2018): how far this node trusts its own eyes, 0 being well. A
 * node that misses what it should have got (answers, or at least the helpers' word that there was none), or that finds its
 * own timers late, is likely to be the trouble itself or to sit on a bad network, and gives others more time.
 */
export class LocalHealth {
  #score = 0;

  get score(): number {
    return this.#score;
  }

  /** Waits are multiplied by this. */
  get factor(): number {
    return 1 + this.#score;
  }

  improve(): void {
    this.#score = Math.max(0, this.#score - 1);
  }

  worsen(by: number): void {
    this.#score = Math.min(WORST_HEALTH, this.#score + by);
  }
}
