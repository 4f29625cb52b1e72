/** setTimeout takes no more than 2^31-1; and looking once an hour costs nothing. */
const LONGEST_MS = 3_600_000;
const LAG_WINDOW_MS = 10_000;

/**
 * One timer for the machine's next deadline, and the event loop's lag from how late it fires. A timer that is armed
 * earlier than needed is left as it is: it finds nothing due and arms itself again, which is cheaper than a new timer
 * for each datagram.
 */
export class Alarm {
  readonly #nowMs: () => number;
  readonly #fire: (nowMs: number) => void;
  #timer: NodeJS.Timeout | null = null;
  #dueMs = Infinity;
  #windowStartMs = 0;
  #worstMs = 0;
  #lastWorstMs = 0;

  constructor(nowMs: () => number, fire: (nowMs: number) => void) {
    this.#nowMs = nowMs;
    this.#fire = fire;
  }

  /** Fires at `wantedMs`, rounded up to a whole millisecond from now and at least one. */
  set(wantedMs: number): void {
    if (wantedMs >= this.#dueMs || wantedMs === Infinity) return;
    const nowMs = this.#nowMs();
    const delayMs = Math.min(LONGEST_MS, Math.max(1, Math.ceil(wantedMs - nowMs)));
    // Within the same millisecond the old timer does.
    if (nowMs + delayMs >= this.#dueMs) return;
    this.clear();
    this.#dueMs = nowMs + delayMs;
    this.#timer = setTimeout(() => {
      const firedMs = this.#nowMs();
      this.#measure(firedMs, firedMs - this.#dueMs);
      this.#timer = null;
      this.#dueMs = Infinity;
      this.#fire(firedMs);
    }, delayMs);
    // The sockets keep the process alive; a timer alone should not.
    this.#timer.unref();
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueMs = Infinity;
  }

  /** Latest that a timer came within the last 10 to 20 seconds; 0 when all were on time. */
  lagMs(): number {
    this.#turn(this.#nowMs());
    return Math.round(10 * Math.max(this.#worstMs, this.#lastWorstMs)) / 10;
  }

  #measure(nowMs: number, lateMs: number): void {
    this.#turn(nowMs);
    // Node's timers count whole milliseconds: up to one late is on time.
    if (lateMs - 1 > this.#worstMs) this.#worstMs = lateMs - 1;
  }

  #turn(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowStartMs) / LAG_WINDOW_MS);
    if (windows < 1) return;
    this.#lastWorstMs = windows === 1 ? this.#worstMs : 0;
    this.#worstMs = 0;
    this.#windowStartMs += windows * LAG_WINDOW_MS;
  }
}
