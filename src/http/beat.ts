/** Lets the first through at once, and who comes soon after together, so long after it: many of them make one question. */
export class Beat {
  readonly #everyMs: number;
  #lastMs = -Infinity;
  #next: Promise<void> | null = null;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  turn(): Promise<void> {
    if (this.#next !== null) return this.#next;
    const restMs = this.#lastMs + this.#everyMs - performance.now();
    if (restMs <= 0) {
      this.#lastMs = performance.now();
      return Promise.resolve();
    }
    this.#next = new Promise((resolve) => {
      setTimeout(() => {
        this.#lastMs = performance.now();
        this.#next = null;
        resolve();
      }, restMs);
    });
    return this.#next;
  }
}
