/** The simulator's event heap: what happens next, in order of virtual time, then of arrival. */
export class EventHeap {
  readonly #atMs: number[] = [];
  readonly #seq: number[] = [];
  readonly #act: (() => void)[] = [];
  #next = 0;
  nowMs = 0;
  /** Events run so far. */
  ran = 0;

  get size(): number {
    return this.#act.length;
  }

  at(atMs: number, act: () => void): void {
    const time = Math.max(atMs, this.nowMs);
    const seq = this.#next++;
    const times = this.#atMs;
    let i = times.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      // The newcomer has the highest number, so among equals it stays below.
      if ((times[parent] as number) <= time) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#put(i, time, seq, act);
  }

  after(delayMs: number, act: () => void): void {
    this.at(this.nowMs + delayMs, act);
  }

  /** Runs everything due up to and including `untilMs`, then sets the clock there. `stop` is asked after each event. */
  runUntil(untilMs: number, stop?: () => boolean): void {
    while (this.#act.length > 0 && (this.#atMs[0] as number) <= untilMs) {
      this.nowMs = this.#atMs[0] as number;
      const act = this.#act[0] as () => void;
      this.#dropTop();
      this.ran++;
      act();
      if (stop?.()) return;
    }
    if (untilMs > this.nowMs) this.nowMs = untilMs;
  }

  #put(i: number, time: number, seq: number, act: () => void): void {
    this.#atMs[i] = time;
    this.#seq[i] = seq;
    this.#act[i] = act;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#atMs[from] as number, this.#seq[from] as number, this.#act[from] as () => void);
  }

  #dropTop(): void {
    const time = this.#atMs.pop() as number;
    const seq = this.#seq.pop() as number;
    const act = this.#act.pop() as () => void;
    const size = this.#act.length;
    if (size === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#earlier(child + 1, child)) child++;
      const at = this.#atMs[child] as number;
      if (at > time || (at === time && (this.#seq[child] as number) > seq)) break;
      this.#move(child, i);
      i = child;
    }
    this.#put(i, time, seq, act);
  }

  #earlier(a: number, b: number): boolean {
    const ta = this.#atMs[a] as number;
    const tb = this.#atMs[b] as number;
    return ta < tb || (ta === tb && (this.#seq[a] as number) < (this.#seq[b] as number));
  }
}
