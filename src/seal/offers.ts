import { type Address, BoundedMap, LIMITS, SourceLimits } from '../base/index.ts';
import { FRESH_MS } from './freshness.ts';

/** Keys tried a second, by host and in all: each costs one sealed datagram. */
const RATES = { perSecond: 16, burst: 64, allPerSecond: 200, allBurst: 800, hosts: LIMITS.strangerHosts };
/** So often each key is tried with somebody; then one key in so long a time, until the ring changes. */
const ROUNDS = 2;
const RARELY_MS = 5000;
/** An address that was silent for so long is tried anew. */
const ANEW_MS = 60_000;

interface Tried {
  /** Bytes that came and were not answered yet. */
  credit: number;
  tries: number;
  lastMs: number;
  triedMs: number;
  /** The last datagram: it may be opened once the rings are joined. */
  bytes: Uint8Array;
  viaMulticast: boolean;
}

/**
 * Who seals with a key that is not in this ring may hold another one that is: two halves of a group that both changed
 * their keys while they could not talk. It is asked to prove that it lives, with one of our keys after the other; what it
 * can open it answers, and the rings are joined. Nobody is sent more bytes than came from there, and nothing is believed
 * for a try.
 */
export class Offers {
  readonly counters = { tries: 0 };
  readonly #bytesOfTry: number;
  readonly #limits = new SourceLimits(RATES);
  #tried = new BoundedMap<Address, Tried>(LIMITS.keyOffers);

  constructor(bytesOfTry: number) {
    this.#bytesOfTry = bytesOfTry;
  }

  /** Something that cannot be opened came: which keys of these, the likeliest first, are to be tried now. */
  came(
    bytes: Uint8Array,
    from: Address,
    viaMulticast: boolean,
    ids: readonly string[],
    nowMs: number,
  ): string[] {
    // That is a try of the other side: answering tries with tries would never end.
    if (bytes.length === this.#bytesOfTry) return [];
    let one = this.#tried.get(from);
    if (one === undefined || nowMs - one.lastMs > ANEW_MS) {
      one = { credit: 0, tries: 0, lastMs: nowMs, triedMs: -Infinity, bytes, viaMulticast };
      this.#tried.set(from, one);
    }
    one.credit = Math.min(one.credit + bytes.length, ids.length * this.#bytesOfTry);
    one.lastMs = nowMs;
    one.bytes = bytes;
    one.viaMulticast = viaMulticast;
    const out: string[] = [];
    while (one.credit >= this.#bytesOfTry && out.length < ids.length) {
      if (this.allTried(from, ids.length) && nowMs - one.triedMs < RARELY_MS) break;
      if (!this.#limits.admit(from, nowMs)) break;
      one.credit -= this.#bytesOfTry;
      one.triedMs = nowMs;
      out.push(ids[one.tries++ % ids.length] as string);
    }
    this.counters.tries += out.length;
    return out;
  }

  /** Each of so many keys was tried, more than once, and it still seals with one that is not in the ring. */
  allTried(from: Address, keys: number): boolean {
    return (this.#tried.get(from)?.tries ?? 0) >= ROUNDS * keys;
  }

  /** The ring changed, and all begins anew; what came of late may be opened now. */
  takeWaiting(nowMs: number): { bytes: Uint8Array; from: Address; viaMulticast: boolean }[] {
    const waiting = [...this.#tried.entries()].filter(([, { lastMs }]) => nowMs - lastMs <= FRESH_MS);
    this.#tried = new BoundedMap(LIMITS.keyOffers);
    return waiting.map(([from, { bytes, viaMulticast }]) => ({ bytes, from, viaMulticast }));
  }
}
