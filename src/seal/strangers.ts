import { type Address, BoundedMap, LIMITS } from '../base/index.ts';

/** A warning is shown for this long after the last sign. */
const SHOWN_MS = 60_000;
/** Between two lines of the log, whoever they are about: whoever forges datagrams must not fill it. */
const LOG_MS = 10_000;

interface Stranger {
  readonly from: Address;
  readonly ids: string;
  readonly how: string;
  lastMs: number;
  /** It was in the log, since it was last silent for a while. */
  logged: boolean;
}

/** Those who seal with keys this ring lacks: for the log and the warnings, never for a decision. */
export class Strangers {
  readonly #seen = new BoundedMap<string, Stranger>(LIMITS.keyStrangers);
  #loggedMs = -Infinity;

  /** The line to log, or null when it was said lately. */
  note(from: Address, ids: readonly string[], how: string, nowMs: number): string | null {
    const text = ids.slice(0, LIMITS.keys).join(' ');
    const key = `${from} ${text}`;
    const known = this.#seen.get(key);
    const one = known ?? { from, ids: text, how, lastMs: nowMs, logged: false };
    if (known === undefined) this.#seen.set(key, one);
    if (nowMs - one.lastMs > SHOWN_MS) one.logged = false;
    one.lastMs = nowMs;
    // Whoever comes while there is too much to say is told of when it comes again.
    if (one.logged || nowMs - this.#loggedMs < LOG_MS) return null;
    this.#loggedMs = nowMs;
    one.logged = true;
    return this.#say(one);
  }

  warnings(nowMs: number): string[] {
    const out: string[] = [];
    for (const one of this.#seen.values()) if (nowMs - one.lastMs <= SHOWN_MS) out.push(this.#say(one));
    return out;
  }

  /** What was unknown is not any more. */
  forget(isKnown: (id: string) => boolean): void {
    for (const [key, { ids }] of [...this.#seen.entries()]) {
      if (ids.split(' ').some(isKnown)) this.#seen.delete(key);
    }
  }

  #say({ from, ids, how }: { from: Address; ids: string; how: string }): string {
    return `${from} ${how} (key ${ids}): the two cannot talk until one key is in both rings; see 'shoal keys list' on both, then 'shoal keys install'`;
  }
}
