import { jitter, type Rng } from '../base/index.ts';
import { STATE } from '../members/index.ts';
import type { Roster } from './roster.ts';
import type { GroupState } from './state.ts';

/** How often it looks, as a share of the time to wait, and within bounds. */
const LOOK = { share: 1 / 20, minMs: 1000, maxMs: 3_600_000 } as const;

/**
 * Marks members left that were down for longer than the operator wants to be reminded of them: whoever of the group sees
 * it first says so to all, and one that lives after all takes it back, as from `force-leave`. What this process did not see
 * itself counts from its start. A node that finds no majority of those it knows forgets nobody: it may be the one cut off.
 */
export class Forgetting {
  readonly counters = { forgotten: 0 };
  readonly #state: GroupState;
  readonly #roster: Roster;
  readonly #rng: Rng;
  readonly #afterMs: number;
  #startMs = Infinity;
  #lookMs = Infinity;

  /** `afterMs` null: never. */
  constructor(state: GroupState, roster: Roster, rng: Rng, afterMs: number | null) {
    this.#state = state;
    this.#roster = roster;
    this.#rng = rng;
    this.#afterMs = afterMs ?? Infinity;
  }

  start(nowMs: number): void {
    this.#startMs = nowMs;
    this.#schedule(nowMs);
  }

  nextMs(): number {
    return this.#lookMs;
  }

  wake(nowMs: number): void {
    if (nowMs < this.#lookMs) return;
    this.#schedule(nowMs);
    const { members } = this.#state;
    const { alive, suspect, down } = members.counts();
    if (down === 0 || alive + suspect <= down) return;
    const due = [...members.all()].filter(
      ({ record, stateMs }) =>
        record.state === STATE.down && nowMs - Math.max(stateMs, this.#startMs) >= this.#afterMs,
    );
    for (const { record } of due) {
      this.counters.forgotten++;
      this.#roster.markLeft(record, nowMs);
    }
  }

  #schedule(nowMs: number): void {
    const pauseMs = Math.min(LOOK.maxMs, Math.max(LOOK.minMs, this.#afterMs * LOOK.share));
    this.#lookMs = this.#afterMs === Infinity ? Infinity : nowMs + jitter(this.#rng, pauseMs);
  }
}
