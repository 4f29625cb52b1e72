import { describe, expect, it } from 'vitest';
import { type Address, SeededRng } from '../base/index.ts';
import type { TwinMessage } from '../wire/index.ts';
import { Twins } from './twin.ts';

/** How long a datagram takes from the one to the other, milliseconds. */
type Hops = (from: number, to: number) => number;

/** Copies of one directory, started at these times; each is told of all the others at `toldMs`. Returns who stays. */
function whoStays(startsMs: readonly number[], hops: Hops, rng: SeededRng, lossPercent = 0): number[] {
  const events: { atMs: number; run: (nowMs: number) => void }[] = [];
  const addressOf = (n: number): Address => `10.0.0.${n}:1` as Address;
  const numberOf = (address: Address): number => Number(address.slice('10.0.0.'.length, -':1'.length));
  const gone = new Set<number>();
  const told = Math.max(...startsMs) + 5;
  const twins = startsMs.map((startMs, n) => {
    const one = new Twins(n + 1, rng, {
      send: (to: Address, m: TwinMessage) => {
        if (rng.below(100) < lossPercent) return;
        const other = numberOf(to);
        events.push({
          atMs: nowMs + hops(n, other),
          run: (atMs) => {
            // Who parts still answers for a while.
            if (!ended(other, atMs)) twins[other]?.received(m, addressOf(n), atMs);
          },
        });
      },
      incarnation: () => 1,
      found: () => {},
      yields: () => {
        gone.add(n);
        endMs[n] = nowMs + 800;
        return true;
      },
      absent: () => {},
    });
    one.start(startMs);
    return one;
  });
  const endMs: number[] = [];
  const ended = (n: number, atMs: number): boolean => (endMs[n] ?? Infinity) <= atMs;
  let nowMs = told;
  for (const one of twins)
    for (let other = 0; other < twins.length; other++) one.suspect(other + 1, [addressOf(other)], told);
  while (nowMs < told + 60_000) {
    events.sort((a, b) => a.atMs - b.atMs);
    const wakes = twins.map((one, n) => (ended(n, nowMs) ? Infinity : one.nextMs()));
    const next = Math.min(events[0]?.atMs ?? Infinity, ...wakes);
    if (next === Infinity) break;
    nowMs = Math.max(nowMs, next);
    while ((events[0]?.atMs ?? Infinity) <= nowMs) events.shift()?.run(nowMs);
    for (const [n, one] of twins.entries()) if (!ended(n, nowMs)) one.wake(nowMs);
  }
  return startsMs.map((_, n) => n).filter((n) => !gone.has(n));
}

describe('copies of one state directory', () => {
  it('of two the one that started later goes', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const rng = new SeededRng(seed);
      expect(whoStays([0, 2000], () => 20, rng)).toEqual([0]);
      expect(whoStays([2000, 0], () => 20, rng)).toEqual([1]);
    }
  });

  it('of three that started within a hop one stays, though each is to go for another', () => {
    // The first is measured 100 ms late by the second, the second by the third; the third by the first at once.
    const hops: Hops = (from, to) => (Math.abs(from - to) === 2 ? 1 : 100);
    for (let seed = 1; seed <= 200; seed++)
      expect(whoStays([40, 20, 0], hops, new SeededRng(seed)), `seed ${seed}`).toHaveLength(1);
  });

  it('of any number, whatever the hops and the losses, one stays', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const rng = new SeededRng(seed);
      const count = 2 + rng.below(6);
      const starts = Array.from({ length: count }, () => rng.below(200));
      const ways = Array.from({ length: count * count }, () => 1 + rng.below(150));
      const hops: Hops = (from, to) => ways[from * count + to] as number;
      expect(whoStays(starts, hops, rng, rng.below(2) * 20), `seed ${seed}`).toHaveLength(1);
    }
  });
});

describe('a copy that was cut off when it was asked after', () => {
  it('is asked after again within seconds when it shows up again, and rarely when it never answers', () => {
    const asked: number[] = [];
    const here = '10.0.0.2:1' as Address;
    let nowMs = 0;
    const twins = new Twins(1, new SeededRng(4), {
      send: () => asked.push(nowMs),
      incarnation: () => 1,
      found: () => {},
      yields: () => false,
      absent: () => {},
    });
    twins.start(0);
    // A record of it comes every second, and never an answer.
    for (; nowMs < 200_000; nowMs += 100) {
      if (nowMs % 1000 === 0) twins.suspect(2, [here], nowMs);
      twins.wake(nowMs);
    }
    const gaps = asked.slice(1).map((ms, i) => ms - (asked[i] as number));
    const pauses = gaps.filter((ms) => ms > 1000);
    expect(pauses[0]).toBeLessThanOrEqual(5000);
    expect(pauses.slice(-2).every((ms) => ms >= 30_000)).toBe(true);
    expect(twins.counters.absent).toBe(pauses.length + 1);
  });
});
