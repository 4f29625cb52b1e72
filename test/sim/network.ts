import type { Rng } from '../../src/base/index.ts';

/** How the wire behaves. Probabilities are from 0 to 1. */
export interface LinkProfile {
  lossP: number;
  /** One way. */
  delayMs: number;
  /** Added to the delay, uniformly up to this: what makes datagrams overtake one another. */
  jitterMs: number;
  duplicateP: number;
  /** Share of the datagrams held back by up to `lateMs` more. */
  lateP: number;
  lateMs: number;
}

export const CLEAN_LINK: LinkProfile = {
  lossP: 0,
  delayMs: 1,
  jitterMs: 0,
  duplicateP: 0,
  lateP: 0,
  lateMs: 0,
};

/** Who reaches whom now, and with what luck. Hosts are numbers; knows nothing of what is carried. */
export class SimNetwork {
  readonly #rng: Rng;
  link: LinkProfile;
  /** Side of the partition each host is on; all on side 0 when there is none. */
  readonly #side: number[] = [];
  /** One-way cuts, as from * 65536 + to. */
  readonly #cuts = new Set<number>();
  /** Added to the link's loss for traffic to and from a host. */
  readonly #hostLossP: number[] = [];
  #divided = false;

  constructor(rng: Rng, link: LinkProfile) {
    this.#rng = rng;
    this.link = { ...link };
  }

  /** Puts hosts on sides that do not hear each other; hosts not named go to side 0. */
  partition(sides: readonly number[]): void {
    this.#side.length = 0;
    this.#side.push(...sides);
    this.#divided = sides.some((side) => side !== 0);
  }

  heal(): void {
    this.#divided = false;
    this.#side.length = 0;
    this.#cuts.clear();
    this.#hostLossP.length = 0;
  }

  cut(from: number, to: number): void {
    this.#cuts.add(from * 65536 + to);
  }

  mend(from: number, to: number): void {
    this.#cuts.delete(from * 65536 + to);
  }

  hostLoss(host: number, lossP: number): void {
    this.#hostLossP[host] = lossP;
  }

  reaches(from: number, to: number): boolean {
    if (this.#divided && (this.#side[from] ?? 0) !== (this.#side[to] ?? 0)) return false;
    return this.#cuts.size === 0 || !this.#cuts.has(from * 65536 + to);
  }

  lossP(from: number, to: number): number {
    const base = this.link.lossP;
    if (this.#hostLossP.length === 0) return base;
    const a = this.#hostLossP[from] ?? 0;
    const b = this.#hostLossP[to] ?? 0;
    return 1 - (1 - base) * (1 - a) * (1 - b);
  }

  lost(from: number, to: number): boolean {
    const p = this.lossP(from, to);
    return p > 0 && this.#rng.unit() < p;
  }

  duplicated(): boolean {
    return this.link.duplicateP > 0 && this.#rng.unit() < this.link.duplicateP;
  }

  delayMs(): number {
    const { delayMs, jitterMs, lateP, lateMs } = this.link;
    let delay = delayMs;
    if (jitterMs > 0) delay += jitterMs * this.#rng.unit();
    if (lateP > 0 && this.#rng.unit() < lateP) delay += lateMs * this.#rng.unit();
    return delay;
  }

  /** What TCP takes to carry `bytes` one way: slow start, and a timeout for each round of losses. */
  streamDelayMs(from: number, to: number, bytes: number): number {
    const { delayMs, jitterMs } = this.link;
    const oneWay = delayMs + jitterMs * this.#rng.unit();
    const segments = Math.max(1, Math.ceil(bytes / 1200));
    let delay = oneWay + 2 * (delayMs + jitterMs) * Math.log2(Math.ceil(segments / 10));
    const p = this.lossP(from, to);
    if (p === 0) return delay;
    let left = segments;
    let timeout = 200 + 2 * delayMs;
    for (let round = 0; round < 12; round++) {
      let lost = 0;
      if (left > 40) lost = Math.ceil(left * p);
      else for (let i = 0; i < left; i++) if (this.#rng.unit() < p) lost++;
      if (lost === 0) break;
      delay += timeout;
      // Selective acknowledgement mends most rounds without backing off; only a lone segment waits ever longer.
      if (lost === 1) timeout = Math.min(timeout * 2, 3000);
      left = lost;
    }
    return delay;
  }
}
