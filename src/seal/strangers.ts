import { type Address, BoundedMap, hostOf, LIMITS } from '../base/index.ts';

/** A warning is shown for this long after the last sign. */
const SHOWN_MS = 60_000;
/** Between two lines of the log, whoever they are about: whoever forges datagrams must not fill it. */
const LOG_MS = 10_000;
/** Addresses of one host that are told apart; whoever uses more takes the place of nobody else. */
const OF_ONE_HOST = 4;

interface Stranger {
  from: Address;
  /** The last ones seen, and how often they were others: garbage has new ones each time. */
  ids: string;
  changes: number;
  how: string;
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
    const key = this.#keyOf(from);
    const known = this.#seen.get(key);
    const one = known ?? { from, ids: text, changes: 0, how, lastMs: nowMs, logged: false };
    if (one.ids !== text) one.changes++;
    one.from = from;
    one.ids = text;
    one.how = how;
    if (known === undefined) this.#seen.set(key, one);
    if (nowMs - one.lastMs > SHOWN_MS) {
      one.logged = false;
      one.changes = 0;
    }
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

  /** Its address, or its host when that has shown several. */
  #keyOf(from: Address): string {
    if (this.#seen.has(from)) return from;
    const host = hostOf(from);
    let others = 0;
    for (const one of this.#seen.values()) if (hostOf(one.from) === host) others++;
    return others < OF_ONE_HOST ? from : host;
  }

  #say({ from, ids, changes, how }: Stranger): string {
    if (changes > LIMITS.keys) {
      return `${from} ${how} (${changes} different keys, the last ${ids}): garbage, or many groups behind one address; find out what runs there`;
    }
    return `${from} ${how} (key ${ids}): the two cannot talk until one key is in both rings; see 'shoal keys list' on both, then 'shoal keys install'`;
  }
}
