import { describe, expect, it } from 'vitest';
import { FRESH_MS, Freshness, PROOF_HOLDS_MS, stampOf } from './freshness.ts';
import { OwnBoot } from './own-boot.ts';

describe('the freshness of a sender', () => {
  it('is judged by its own clock, whatever that says, and across its coming round', () => {
    for (const theirs of [5, 1e6, 2 ** 35 - 3000]) {
      const one = new Freshness(77_000, stampOf(theirs));
      expect(Math.abs(one.lagMs(77_500, stampOf(theirs + 500)))).toBeLessThanOrEqual(8);
      expect(Math.abs(one.lagMs(87_500, stampOf(theirs + 500)) - 10_000)).toBeLessThanOrEqual(8);
    }
  });

  it('is asked for once an hour, whether its clock runs slow or fast by 200 in a million, and never late where it answers', () => {
    for (const rate of [1.0002, 0.9998]) {
      const one = new Freshness(0, 0);
      const stepMs = 5000;
      let [questions, late] = [0, 0];
      for (let i = 1; i * stepMs < 30 * 86_400_000; i++) {
        const [now, stamp] = [i * stepMs * rate, stampOf(i * stepMs)];
        if (one.lagMs(now, stamp) > FRESH_MS) late++;
        one.learn(now, stamp);
        if (!one.isDue(now)) continue;
        questions++;
        one.prove(now, stamp);
      }
      expect(late).toBe(0);
      expect(questions).toBeGreaterThan(30 * 24);
      expect(questions).toBeLessThan(30 * 27);
    }
  });

  it('gives whoever delays all, as much more each time as the clock is fast, 0.72 s an hour at 200 in a million, and then nothing', () => {
    for (const rate of [1.00002, 1.0002]) {
      const one = new Freshness(0, 0);
      let [oldest, lastMs] = [0, 0];
      // He knows how much is taken, and delays by that much.
      for (let now = 1000; now < 30 * 86_400_000; now += 1000) {
        const delay = FRESH_MS - 16 + now * (rate - 1);
        const stamp = stampOf((now - delay) * rate);
        if (one.lagMs(now, stamp) > FRESH_MS) continue;
        one.learn(now, stamp);
        oldest = Math.max(oldest, delay);
        lastMs = now;
      }
      expect(oldest).toBeLessThanOrEqual(FRESH_MS + PROOF_HOLDS_MS * (rate - 1) + 8);
      expect(lastMs).toBe(PROOF_HOLDS_MS);
    }
  });

  it('does not follow whoever delays what he plays a little more each time, for a day', () => {
    const one = new Freshness(0, 0);
    let delay = 0;
    let taken = 0;
    for (let now = 1000; now < 86_400_000; now += 1000) {
      // A proof that came at once, an hour after the last.
      if (one.isDue(now)) one.prove(now, stampOf(now));
      const [at, stamp] = [now, stampOf(now - delay)];
      if (one.lagMs(at, stamp) > FRESH_MS) continue;
      one.learn(at, stamp);
      taken = Math.max(taken, delay);
      delay += 0.5;
    }
    expect(taken).toBeGreaterThan(FRESH_MS - 8);
    expect(taken).toBeLessThanOrEqual(FRESH_MS + 8);
  });

  it('is at its best again with a datagram that took less time', () => {
    const one = new Freshness(10_000, stampOf(0));
    one.learn(11_000, stampOf(3000));
    expect(one.lagMs(12_000, stampOf(4000))).toBe(0);
  });
});

describe('a boot', () => {
  const random = (n: number): Uint8Array => new Uint8Array(n);

  it('has a new salt after the wall clock jumped, as in a machine that slept, and another one in each of two copies', () => {
    let wall = 1e12;
    const copies = [0, 1].map(() => new OwnBoot(random, new Uint8Array(1), () => wall));
    for (const own of copies) {
      own.next(0);
      wall += 900;
      own.next(900);
      expect(own.rekeys).toBe(0);
      wall -= 900;
    }
    expect(copies[0]?.name).toBe(copies[1]?.name);
    for (const own of copies) {
      wall += 3_600_000;
      expect(own.next(1000)).toBe(1);
      expect(own.rekeys).toBe(1);
    }
    expect(copies[0]?.name).not.toBe(copies[1]?.name);
  });
});
