import { describe, expect, it } from 'vitest';
import { LIMITS, SeededRng } from '../base/index.ts';
import { HEADER_BYTES, readHeader } from './envelope.ts';
import { OVERHEAD_BYTES } from './index.ts';
import { OwnBoot } from './own-boot.ts';
import { Bench, type Peer, type Sent } from './testing/bench.ts';

const SECRET = 'board-7 owns 0-99';

function pair(): { bench: Bench; a: Peer; b: Peer } {
  const bench = new Bench();
  const [a, b] = [bench.add(), bench.add()];
  a.say(b, 'hello');
  b.say(a, 'hello');
  bench.run();
  return { bench, a, b };
}

/** What a peer sends when it says something, taken off the wire. */
function caught(bench: Bench, from: Peer, to: Peer, text: string): Sent {
  from.say(to, text);
  return bench.wire.pop() as Sent;
}

describe('a sealed datagram', () => {
  it('arrives once, the first ones of two strangers included', () => {
    const { a, b } = pair();
    expect([a.came, b.came]).toEqual([['hello'], ['hello']]);
    expect([a.dropped, b.dropped]).toEqual([{}, {}]);
  });

  it('shows nothing of what it says, and is as much longer as it is said to be', () => {
    const { bench, a, b } = pair();
    const { bytes } = caught(bench, a, b, SECRET);
    expect(bytes.length).toBe(SECRET.length + OVERHEAD_BYTES);
    expect(LIMITS.messageBytes + OVERHEAD_BYTES).toBeLessThanOrEqual(LIMITS.datagramBytes);
    for (let at = 0; at + 4 <= SECRET.length; at++) {
      expect(Buffer.from(bytes).includes(SECRET.slice(at, at + 4))).toBe(false);
    }
  });

  it('with any single byte changed, to any other value, is dropped and changes nothing', () => {
    const { bench, a, b } = pair();
    const { bytes, from } = caught(bench, a, b, SECRET);
    const before = { came: b.came.length, digest: b.seal.ring.digest };
    const rng = new SeededRng(1);
    for (let at = 0; at < bytes.length; at++) {
      for (let i = 0; i < 8; i++) {
        const changed = bytes.slice();
        changed[at] = (changed[at] as number) ^ (i === 0 ? 0xff : 1 + rng.below(255));
        b.seal.incoming.datagram(changed, from, false);
      }
    }
    bench.run();
    expect({ came: b.came.length, digest: b.seal.ring.digest }).toEqual(before);
    // A changed salt in front of a right tag makes a stranger of whom nothing is believed: every one is counted.
    const counted = Object.values(b.dropped).reduce((sum, n) => sum + n, 0);
    expect(counted).toBe(bytes.length * 8);
    b.seal.incoming.datagram(bytes, from, false);
    expect(b.came.at(-1)).toBe(SECRET);
  });

  it('cut anywhere, or with bytes behind it, is dropped', () => {
    const { bench, a, b } = pair();
    const { bytes, from } = caught(bench, a, b, SECRET);
    for (let length = 0; length < bytes.length; length++)
      b.seal.incoming.datagram(bytes.slice(0, length), from, false);
    b.seal.incoming.datagram(Uint8Array.from([...bytes, 0]), from, false);
    expect(b.came).toEqual(['hello']);
    expect(b.dropped['bad-tag']).toBe(SECRET.length + 1);
    expect(b.dropped['too-short']).toBe(OVERHEAD_BYTES);
  });

  it('of another key, another cluster or nobody is dropped and counted by reason', () => {
    const { bench, b } = pair();
    const other = bench.add({ keys: [2] });
    const cluster = bench.add({ cluster: 'other' });
    other.say(b, 'x');
    cluster.say(b, 'x');
    bench.put({ from: cluster.address, to: b.address, bytes: Uint8Array.of(1, 2, 3, 4) });
    bench.put({ from: other.address, to: b.address, bytes: Uint8Array.of(99) });
    bench.put({ from: other.address, to: b.address, bytes: new Uint8Array(0) });
    bench.run();
    expect(b.dropped).toEqual({ 'unknown-key': 2, unsealed: 1, 'other-version': 1, 'too-short': 1 });
    expect(b.came).toEqual(['hello']);
    expect(b.seal.warnings().join()).toContain(`${other.address} seals with a key that is not in this ring`);
  });
});

describe('a replay', () => {
  it('is dropped, at once and after much else, in any order', () => {
    const { bench, a, b } = pair();
    for (let i = 0; i < 5000; i++) a.say(b, `m${i}`);
    bench.run();
    expect(b.came).toHaveLength(5001);
    const dropped = b.seal.drops;
    const count = (): number => dropped.replayed + dropped['too-old'] + dropped['own-echo'];
    const before = count();
    for (const sent of [...bench.recorded].reverse()) b.seal.incoming.datagram(sent.bytes, sent.from, false);
    for (const sent of bench.recorded) b.seal.incoming.datagram(sent.bytes, sent.from, true);
    expect(b.came).toHaveLength(5001);
    expect(count() - before).toBe(2 * bench.recorded.length);
  });

  it('of a recorded hour changes nothing after the receiver was started again, whether the sender lives or not', () => {
    for (const lives of [true, false]) {
      const { bench, a, b } = pair();
      for (let i = 0; i < 500; i++) {
        bench.nowMs += 7200;
        a.say(b, `m${i}`);
        bench.run();
      }
      const recorded = [...bench.recorded];
      bench.nowMs += 10_000;
      if (!lives) bench.add({}, a.address);
      const again = bench.add({}, b.address);
      for (const { bytes, from } of recorded) {
        again.seal.incoming.datagram(bytes, from, false);
        bench.nowMs += 300;
        bench.run();
      }
      expect(again.came).toEqual([]);
      expect(again.seal.ring.digest).toBe(a.seal.ring.digest);
    }
  });

  it('does not open the way for others: a living sender is heard in the middle of it', () => {
    const { bench, a, b } = pair();
    for (let i = 0; i < 50; i++) a.say(b, `old${i}`);
    bench.run();
    const recorded = [...bench.recorded];
    bench.nowMs += 60_000;
    const again = bench.add({}, b.address);
    for (const { bytes, from } of recorded) again.seal.incoming.datagram(bytes, from, false);
    bench.nowMs += 300;
    a.say(again, 'new');
    bench.run();
    expect(again.came).toContain('new');
    expect(again.came.filter((text) => text.startsWith('old'))).toEqual([]);
  });

  it('of a proof, or a proof for somebody else, admits nobody', () => {
    const { bench, a } = pair();
    const proofs = bench.recorded.filter(({ to }) => to !== 'all');
    const late = bench.add();
    for (const { bytes, from } of proofs) late.seal.incoming.datagram(bytes, from, false);
    expect(late.came).toEqual([]);
    expect(late.seal.datagrams.boots.size).toBe(0);
    expect(a.came).toEqual(['hello']);
  });
});

describe('the window', () => {
  it('takes what comes late and out of order once, as a set of the last 2048 would', () => {
    const { bench, a, b } = pair();
    const rng = new SeededRng(7);
    const sent = Array.from({ length: 4000 }, (_, i) => caught(bench, a, b, `${i}`));
    const top = { counter: 0 };
    const seen = new Set<number>();
    let expected = b.came.length;
    for (let i = 0; i < 20_000; i++) {
      const near = Math.min(3999, Math.max(0, Math.floor(i / 5) + rng.below(5000) - 2500));
      const { bytes, from } = sent[near] as Sent;
      const { counter } = readHeader(bytes);
      const fresh = counter > top.counter || (counter > top.counter - 2048 && !seen.has(counter));
      if (fresh) {
        expected++;
        seen.add(counter);
        top.counter = Math.max(top.counter, counter);
      }
      b.seal.incoming.datagram(bytes, from, false);
      expect(b.came.length).toBe(expected);
    }
  });
});

describe('nonces', () => {
  it('with their salts never come twice, and the salt is new long before the counter ends', () => {
    let now = 0;
    const own = new OwnBoot(
      (n) => Uint8Array.from({ length: n }, () => Math.random() * 256),
      new Uint8Array(1),
      () => now,
      1000,
    );
    const seen = new Set<string>();
    for (let i = 0; i < 5000; i++) {
      const counter = own.next(++now);
      seen.add(`${own.name} ${counter}`);
      expect(counter).toBeLessThanOrEqual(1000);
    }
    expect(seen.size).toBe(5000);
    expect(own.rekeys).toBe(4);
  });

  it('differ between two starts and between two copies of a machine that go on at different moments', () => {
    const bench = new Bench();
    const [a, b] = [bench.add(), bench.add()];
    const first = caught(bench, a, b, 'x').bytes.slice(0, HEADER_BYTES);
    const second = caught(bench, bench.add({}, a.address), b, 'x').bytes.slice(0, HEADER_BYTES);
    expect(first.slice(5, 17)).not.toEqual(second.slice(5, 17));
    const mixes = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      bench.nowMs += 0.000_5;
      mixes.add(Buffer.from(caught(bench, a, b, 'x').bytes).toString('hex', 23, 27));
    }
    expect(mixes.size).toBe(1000);
  });
});

describe('what strangers can make grow', () => {
  it('is bounded: boots without proof, held datagrams, keys that nobody has', () => {
    const { bench, b } = pair();
    bench.lose = ({ from }) => from === b.address;
    for (let i = 0; i < 2000; i++) {
      const one = bench.add({ keys: [1] }, `10.1.${i >> 8}.${i & 255}:1` as Peer['address']);
      for (let j = 0; j < 12; j++) one.say(b, 'x');
      bench.run();
      bench.peers.delete(one.address);
    }
    expect(b.came).toEqual(['hello']);
    // The first ones are held, as many of each as may be; then strangers have had their share.
    const { unproven, 'too-many': refused } = b.seal.drops;
    expect(unproven).toBeGreaterThan(1000);
    expect(refused).toBeGreaterThan(10_000);
    expect(b.seal.datagrams.boots.size).toBe(1);
    const bytes = new Uint8Array(60).fill(0x81);
    for (let i = 0; i < 1000; i++) {
      bytes[1] = i >> 8;
      bytes[2] = i;
      b.seal.incoming.datagram(bytes.slice(), '10.9.9.9:9' as Peer['address'], false);
    }
    expect(b.seal.warnings().length).toBeLessThanOrEqual(LIMITS.keyStrangers);
    expect(b.logs.length).toBeLessThan(5);
  });
});
