/** The clocks of a machine that was asleep, or copied, or set back to what it was, differ by more than before. */
const JUMP_MS = 1000;
/** A wall clock that is put right slowly (500 in a million is usual) is followed; what is quicker adds up to a jump. */
const SLEW = 0.001;

/**
 * Notices that time has passed for others and not for this process: the wall clock went on while the monotonic one stood
 * (CLOCK_MONOTONIC does in a suspended machine), or a machine was copied or set back and its wall clock is put right.
 */
export class ClockWatch {
  readonly #wallMs: () => number;
  /** The wall clock less the monotonic one; NaN before the first look. */
  #offsetMs = NaN;
  #lookedMs = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** Whether the clocks have jumped apart since the last look. */
  jumped(nowMs: number): boolean {
    const offsetMs = this.#wallMs() - nowMs;
    const jumped = Math.abs(offsetMs - this.#offsetMs) > JUMP_MS;
    const most = (nowMs - this.#lookedMs) * SLEW;
    if (jumped || Number.isNaN(this.#offsetMs)) this.#offsetMs = offsetMs;
    else this.#offsetMs += Math.max(-most, Math.min(most, offsetMs - this.#offsetMs));
    this.#lookedMs = nowMs;
    return jumped;
  }
}
