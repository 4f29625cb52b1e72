export type Capacity = Readonly<Record<string, number>>;

/** A fill level is news when it has moved by so much, or has come to an end of its scale. */
const STEP_PERCENT = 5;
const LOOK_MS = 10_000;
const LEAST_GAP_MS = 60_000;

/**
 * Tells the group this node's figures when they are news: once a minute at most, as each time costs every node a message, and
 * never while nothing changes.
 */
export class CapacityTeller {
  readonly #read: () => Capacity;
  readonly #tell: (figures: Capacity) => void;
  #told: Capacity;
  #toldMs = -Infinity;
  #timer: NodeJS.Timeout | null = null;

  /** The group knows what `read` gives now. */
  constructor(read: () => Capacity, tell: (figures: Capacity) => void) {
    this.#read = read;
    this.#tell = tell;
    this.#told = read();
  }

  start(): void {
    this.#timer = setInterval(() => this.look(performance.now()), LOOK_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  look(nowMs: number): void {
    if (nowMs - this.#toldMs < LEAST_GAP_MS) return;
    const now = this.#read();
    if (!Object.keys(now).some((name) => isNews(this.#told[name] ?? 0, now[name] ?? 0))) return;
    this.#told = now;
    this.#toldMs = nowMs;
    this.#tell(now);
  }
}

function isNews(told: number, now: number): boolean {
  const atEnd = now <= 0 || now >= 100;
  return Math.abs(now - told) >= STEP_PERCENT || (atEnd && now !== told);
}
