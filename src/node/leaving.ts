import { LIMITS } from '../base/index.ts';

/** A leaving node waits at most this long for its farewell to be acknowledged. */
const FAREWELL_MS = 800;

export interface LeavingOutputs {
  /** Changes that wait to be spread. */
  waiting(): number;
  /** Gives up some of this node's ranges; true when none is left. */
  releaseOwn(nowMs: number): boolean;
  sayLeft(nowMs: number): void;
  /** All that was to be said is acknowledged, and all that was to be written is on disk. */
  silent(): boolean;
  done(token: number): void;
}

/** A node's way out: it gives up its ranges if asked to, says that it left, and is gone when that was heard. */
export class Leaving {
  readonly #out: LeavingOutputs;
  /** `release`: its ranges are still to be given up before it says that it left. */
  #asked: { readonly token: number; release: boolean; deadlineMs: number } | null = null;
  #gone = false;

  constructor(out: LeavingOutputs) {
    this.#out = out;
  }

  /** It was asked to, and is not gone yet. */
  get underWay(): boolean {
    return this.#asked !== null;
  }

  get gone(): boolean {
    return this.#gone;
  }

  begin(token: number, release: boolean, nowMs: number): void {
    this.#asked = { token, release, deadlineMs: nowMs + FAREWELL_MS };
    if (!release) this.#out.sayLeft(nowMs);
  }

  nextMs(): number {
    return this.#asked?.deadlineMs ?? Infinity;
  }

  wake(nowMs: number): void {
    const asked = this.#asked;
    if (asked === null) return;
    if (asked.release) {
      // In portions, so that neither the disk nor the outbox has to drop any.
      if (this.#out.waiting() > LIMITS.pendingDeltas / 4 && nowMs < asked.deadlineMs) return;
      asked.deadlineMs = nowMs + FAREWELL_MS;
      if (!this.#out.releaseOwn(nowMs)) return;
      asked.release = false;
      this.#out.sayLeft(nowMs);
    }
    if (!this.#out.silent() && nowMs < asked.deadlineMs) return;
    this.#asked = null;
    this.#gone = true;
    this.#out.done(asked.token);
  }
}
