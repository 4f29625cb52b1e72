import { BoundedMap } from './bounded.ts';
import type { Address } from './ids.ts';

/** A token bucket: so many a second on average, so many at once. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #lastMs = -Infinity;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  take(nowMs: number): boolean {
    if (nowMs > this.#lastMs) {
      const earned = ((nowMs - this.#lastMs) * this.#perSecond) / 1000;
      this.#tokens = Math.min(this.#burst, this.#tokens + earned);
      this.#lastMs = nowMs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

export interface SourceRates {
  /** Of one host, and of all hosts together: who forges its source has as many as it likes. */
  readonly perSecond: number;
  readonly burst: number;
  readonly allPerSecond: number;
  readonly allBurst: number;
  /** Hosts remembered; one that was forgotten begins anew. */
  readonly hosts: number;
}

/** How much work strangers may cause: a bucket for each host they speak from, and one for all of them. */
export class SourceLimits {
  readonly #rates: SourceRates;
  readonly #all: TokenBucket;
  readonly #hosts: BoundedMap<string, TokenBucket>;

  constructor(rates: SourceRates) {
    this.#rates = rates;
    this.#all = new TokenBucket(rates.allPerSecond, rates.allBurst);
    this.#hosts = new BoundedMap(rates.hosts);
  }

  admit(from: Address, nowMs: number): boolean {
    const host = hostOf(from);
    let bucket = this.#hosts.get(host);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#rates.perSecond, this.#rates.burst);
      this.#hosts.set(host, bucket);
    }
    return bucket.take(nowMs) && this.#all.take(nowMs);
  }
}

/** The part before the port. */
export function hostOf(address: Address): string {
  return address.slice(0, address.lastIndexOf(':'));
}
