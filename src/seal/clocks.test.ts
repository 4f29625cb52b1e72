import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { ClockWatch } from './clock-watch.ts';
import { FRESH_MS } from './freshness.ts';
import { Bench, type Peer, type Sent } from './testing/bench.ts';

const NOBODY = '10.9.9.9:9' as Address;
const HOUR_MS = 3_600_000;

describe('the two clocks', () => {
  it('have jumped when they differ by a second more than before, either way, at once or little by little; not when slewed', () => {
    let wall = 1e12;
    const clocks = new ClockWatch(() => wall);
    const step = (wallMs: number, monotonicMs: number): boolean => {
      wall += wallMs;
      now += monotonicMs;
      return clocks.jumped(now);
    };
    let now = 5;
    expect(step(0, 0)).toBe(false);
    expect([step(1900, 1000), step(1000, 1000)]).toEqual([false, false]);
    expect([step(HOUR_MS, 1000), step(1000, 1000), step(-HOUR_MS, 0), step(0, 0)]).toEqual([
      ...[true, false, true, false],
    ]);
    for (let i = 0; i < 10_000; i++) expect(step(1000.5, 1000)).toBe(false);
    const naps = Array.from({ length: 10 }, () => step(1900, 1000));
    expect(naps.filter(Boolean).length).toBeGreaterThan(3);
  });
});

describe('a receiver whose clock stood still', () => {
  function asleep(): { bench: Bench; a: Peer; b: Peer; said: Sent[]; from: number } {
    const bench = new Bench();
    let sleptMs = 0;
    const a = bench.add();
    const b = bench.add({ nowMs: () => bench.nowMs - sleptMs });
    for (let i = 0; i < 2; i++) {
      a.say(b, 'hello');
      b.say(a, 'hello');
      bench.run();
      bench.nowMs += 1000;
    }
    const said: Sent[] = [];
    for (let i = 0; i < 360; i++) {
      bench.nowMs += HOUR_MS / 360;
      sleptMs += HOUR_MS / 360;
      a.seal.outgoing.send(NOBODY, Buffer.from(`old ${i}`));
      said.push(bench.wire.pop() as Sent);
    }
    bench.nowMs += FRESH_MS + 50;
    return { bench, a, b, said, from: b.came.length };
  }

  it('takes nothing of what was said meanwhile, whatever comes first, and hears the living within a round trip', () => {
    for (const first of ['recordings', 'its own word', 'a fresh one']) {
      const { bench, a, b, said, from } = asleep();
      if (first === 'its own word') b.say(a, 'awake');
      if (first === 'a fresh one') {
        a.say(b, 'fresh');
        bench.deliver(bench.wire.pop() as Sent);
      }
      const asked = b.seal.datagrams.counters.challenges;
      for (const { bytes } of said) b.seal.incoming.datagram(bytes, a.address, false);
      expect(b.seal.datagrams.counters.challenges - asked).toBeLessThanOrEqual(1);
      bench.run();
      expect(b.came.slice(from), first).toEqual(first === 'a fresh one' ? ['fresh'] : []);
      const before = bench.nowMs;
      a.say(b, 'now');
      bench.run();
      expect(b.came.at(-1)).toBe('now');
      expect(bench.nowMs - before).toBeLessThan(1);
      for (const { bytes } of said) b.seal.incoming.datagram(bytes, a.address, false);
      bench.run();
      expect(b.came.at(-1)).toBe('now');
    }
  });

  it('takes no answer to what it asked before, and no first frame of a stream', () => {
    const bench = new Bench();
    let sleptMs = 0;
    const [a, b] = [bench.add(), bench.add({ nowMs: () => bench.nowMs - sleptMs })];
    const frames: Uint8Array[] = [];
    bench.write = (_from, _handle, bytes) => void frames.push(bytes);
    bench.lose = ({ from, to }) => from === a.address && to === b.address;
    a.say(b, 'held');
    b.seal.incoming.datagram((bench.recorded.at(-1) as Sent).bytes, a.address, false);
    bench.run();
    const proof = bench.recorded.at(-1) as Sent;
    a.seal.outgoing.connect(1, b.address);
    b.seal.incoming.accepted(-1, a.address);
    a.seal.incoming.opened(1);
    b.seal.incoming.frame(-1, frames.shift() as Uint8Array);
    a.seal.incoming.frame(1, frames.shift() as Uint8Array);
    bench.nowMs += HOUR_MS;
    sleptMs += HOUR_MS;
    b.seal.incoming.datagram(proof.bytes, a.address, false);
    b.seal.incoming.frame(-1, frames.at(-1) as Uint8Array);
    expect([b.came, b.streams, b.seal.datagrams.boots.size]).toEqual([[], [], 0]);
    expect(b.dropped).toMatchObject({ 'stale-proof': 1, 'stream-refused': 1 });
  });
});

describe('a boot that is known', () => {
  it('is asked again within the hour while what it says is taken, and heard no more if it does not answer', () => {
    const bench = new Bench();
    const [a, b] = [bench.add(), bench.add()];
    let said = 0;
    const minute = (): void => {
      bench.nowMs += 60_000;
      a.say(b, `${++said}`);
      bench.run();
    };
    a.say(b, `${++said}`);
    bench.run();
    const { counters } = b.seal.datagrams;
    for (let i = 0; i < 50; i++) minute();
    expect(counters.challenges).toBe(1);
    for (let i = 0; i < 10; i++) minute();
    expect([counters.challenges, b.came.length]).toEqual([2, said]);
    // From now on its answers are kept back.
    bench.lose = ({ to }) => to === a.address;
    for (let i = 0; i < 40; i++) minute();
    expect([counters.challenges, b.came.length]).toEqual([2, said]);
    for (let i = 0; i < 14; i++) minute();
    expect(counters.challenges).toBeGreaterThan(2);
    expect(b.came.length).toBe(said);
    for (let i = 0; i < 20; i++) minute();
    expect(b.came.length).toBeLessThan(said);
    bench.lose = () => false;
    minute();
    a.say(b, 'again');
    bench.run();
    expect(b.came.at(-1)).toBe('again');
  });

  it('whose clock is fast gives a man in the middle who delays all its datagrams for hours no more than 4.8 s', () => {
    const bench = new Bench();
    const [ppm, stepMs] = [200, 10_000];
    const a = bench.add({ nowMs: () => bench.nowMs * (1 + ppm / 1e6) });
    const b = bench.add();
    a.say(b, 'hello');
    bench.run();
    const start = bench.nowMs;
    let [oldestMs, taken] = [0, 0];
    for (let at = start + stepMs; at < start + 8 * HOUR_MS; at += stepMs) {
      bench.nowMs = at;
      a.say(b, 'x'.repeat(20));
      const { bytes } = bench.wire.pop() as Sent;
      bench.nowMs = at + Math.min(FRESH_MS - 200 + ((at - start) * ppm) / 1e6, stepMs);
      const before = b.came.length;
      b.seal.incoming.datagram(bytes, a.address, false);
      bench.wire.length = 0;
      if (b.came.length === before) continue;
      oldestMs = Math.max(oldestMs, bench.nowMs - at);
      taken++;
    }
    expect(taken).toBeGreaterThan(300);
    expect(oldestMs).toBeGreaterThan(FRESH_MS);
    expect(oldestMs).toBeLessThan(FRESH_MS + 800);
  });
});
