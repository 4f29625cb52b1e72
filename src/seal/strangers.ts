import { type Address, BoundedMap, hostOf, LIMITS } from '../base/index.ts';

/** A warning is shown for this long after the last sign. */
const SHOWN_MS = 60_000;
/** Between two lines of the log, whoever they are about: whoever forges datagrams must not fill it. */
const LOG_MS = 10_000;
/** Addresses of one host that are told apart; whoever uses more takes the place of nobody else. */
const OF_ONE_HOST = 4;
/** More than any ring holds. */
const GARBAGE_IDS = LIMITS.mergedKeys + 1;

export const UNSEALED = 'talks unsealed';

interface Stranger {
  from: Address;
  /** The last ones seen, and those seen in all, within a bound: garbage has new ones each time. */
  ids: string;
  readonly all: Set<string>;
  how: string;
  /** Our other keys are being tried with it. */
  trying: boolean;
  /** It was understood since: nothing to show. */
  understood: boolean;
  lastMs: number;
  /** It was in the log, since it was last silent for a while. */
  logged: boolean;
}

/** Those who seal with keys this ring lacks: for the log and the warnings, never for a decision. */
export class Strangers {
  readonly #otherCluster: string;
  readonly #seen = new BoundedMap<string, Stranger>(LIMITS.keyStrangers);
  #loggedMs = -Infinity;

  constructor(cluster: string) {
    this.#otherCluster = orOtherCluster(cluster);
  }

  /** The line to log, or null when it was said lately. */
  note(from: Address, ids: readonly string[], how: string, nowMs: number, trying = false): string | null {
    const text = ids.slice(0, LIMITS.mergedKeys).join(' ');
    const key = this.#keyOf(from);
    const known = this.#seen.get(key);
    const fresh = { how, trying, understood: false, lastMs: nowMs, logged: false };
    const one: Stranger = known ?? { from, ids: text, all: new Set(), ...fresh };
    if (known === undefined) this.#seen.set(key, one);
    if (nowMs - one.lastMs > SHOWN_MS) {
      one.logged = false;
      one.all.clear();
    }
    one.from = from;
    one.ids = text;
    one.how = how;
    // What is known for sure is said again when the trying is over.
    if (one.trying && !trying) one.logged = false;
    one.trying = trying;
    one.understood = false;
    if (one.all.size < GARBAGE_IDS) one.all.add(text);
    one.lastMs = nowMs;
    // Whoever comes while there is too much to say is told of when it comes again.
    if (one.logged || nowMs - this.#loggedMs < LOG_MS) return null;
    this.#loggedMs = nowMs;
    one.logged = true;
    return `${one.from} ${this.#say(one)}`;
  }

  warnings(nowMs: number): string[] {
    const alike = new Map<string, Address[]>();
    for (const one of this.#seen.values()) {
      if (one.understood || nowMs - one.lastMs > SHOWN_MS) continue;
      const said = this.#say(one);
      alike.set(said, [...(alike.get(said) ?? []), one.from]);
    }
    // One line for all of whom the same is to be said.
    const out: string[] = [];
    for (const [said, [first, ...others]] of alike) {
      const who = others.length === 0 ? first : `${first} (and so ${others.join(', ')})`;
      out.push([who, said].join(' '));
    }
    return out;
  }

  /** What it says now can be opened. */
  understood(from: Address): void {
    if (this.#seen.size === 0) return;
    const one = this.#seen.get(from);
    if (one !== undefined) one.understood = true;
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

  #say({ ids, all, how, trying }: Stranger): string {
    if (how === UNSEALED) {
      return `${how}: it has no key, and this group has; if it belongs here, start it with --key-file and the group's key`;
    }
    if (all.size >= GARBAGE_IDS) {
      return `${how} (more than ${LIMITS.mergedKeys} different keys, the last ${ids}): garbage, or many groups behind one address; find out what runs there`;
    }
    if (trying) {
      return `${how} (key ${ids}): trying the other keys of the ring; if this stays, none is common (see 'shoal keys list' on both, then 'shoal keys install'), ${this.#otherCluster}`;
    }
    return `${how} (key ${ids}): none of this ring's keys was answered, and without a common key the two cannot talk: see 'shoal keys list' on both, then 'shoal keys install', ${this.#otherCluster}`;
  }
}

/** Ids of keys are made with the cluster's name: one key has other ids in another cluster, and looks like another key. */
export function orOtherCluster(cluster: string): string {
  return `or its \`cluster\` differs (this one is '${cluster}')`;
}
