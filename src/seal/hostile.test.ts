import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { readHeader } from './envelope.ts';
import { FRESH_MS } from './freshness.ts';
import { keyIdOf } from './key.ts';
import { Bench, key, keyText, type Peer, type Sent } from './testing/bench.ts';

/** What somebody with a recorder, a spoofed address or an old key can do, case by case. */
const id = (n: number): string => keyIdOf(key(n), 'bench');
const ATTACKER = '10.9.9.9:9' as Address;

function group(n: number, keys: readonly number[] = [1, 2]): { bench: Bench; peers: Peer[] } {
  const bench = new Bench();
  const peers = Array.from({ length: n }, () => bench.add({ keys }));
  for (const peer of peers) peer.call('here');
  bench.run();
  return { bench, peers };
}

describe('a removed key', () => {
  it('seals nothing more, also where a datagram that it had sealed waited for its proof', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    const late = bench.add({ keys: [1, 2] });
    late.say(a, 'met');
    bench.run();
    // Its first datagram waits at b: the question does not come through.
    bench.lose = ({ from, to }) => from === b.address && to === late.address;
    // To whom it has not heard it tries its keys in turn: this is the turn of the second one.
    late.seal.outgoing.send(ATTACKER, Buffer.from('x'));
    late.say(b, 'held');
    expect(readHeader((bench.recorded.at(-1) as Sent).bytes).keyId).toBe(id(1));
    bench.run();
    bench.lose = () => false;
    a.seal.change('use', id(2));
    bench.run();
    a.seal.change('remove', id(1));
    bench.run();
    expect([a.ids(), b.ids(), late.ids()]).toEqual([id(2), id(2), id(2)]);
    const from = bench.recorded.length;
    bench.nowMs += 1000;
    late.say(b, 'now');
    bench.run();
    expect(b.came).toEqual(['multicast here', 'now']);
    expect(b.dropped['unknown-key']).toBe(1);
    for (const { bytes } of bench.recorded.slice(from)) expect(readHeader(bytes).keyId).toBe(id(2));
  });

  it('ends the streams that were agreed with it, on both sides, and no other', () => {
    const { bench, peers } = group(2, [1]);
    const [a, b] = peers as [Peer, Peer];
    a.seal.change('install', keyText(2));
    bench.run();
    a.seal.outgoing.connect(1, b.address);
    bench.run();
    a.seal.change('use', id(2));
    bench.run();
    a.seal.outgoing.connect(2, b.address);
    bench.run();
    expect([a.seal.streams.open, b.seal.streams.open]).toEqual([2, 2]);
    b.seal.change('remove', id(1));
    bench.run();
    expect([a.seal.streams.open, b.seal.streams.open]).toEqual([1, 1]);
    expect(b.streams).toContain('closed -1 its key was removed from the ring');
    a.seal.outgoing.write(1, Buffer.from('old'));
    a.seal.outgoing.write(2, Buffer.from('new'));
    bench.run();
    expect(b.streams.filter((line) => line.startsWith('frame'))).toEqual(['frame -2 new']);
  });
});

describe('who plays recordings', () => {
  it('does not turn the question away from the boot that he plays', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    a.say(b, 'recorded');
    bench.run();
    const recorded = bench.recorded.findLast(({ from }) => from === a.address) as Sent;
    const again = bench.add({ keys: [1, 2] }, b.address);
    bench.nowMs += 10_000;
    for (let i = 0; i < 10; i++) {
      again.seal.incoming.datagram(recorded.bytes, ATTACKER, false);
      bench.nowMs += 100;
      a.say(again, `said ${i}`);
      bench.run();
      bench.nowMs += 151;
    }
    expect(again.came).toEqual(Array.from({ length: 10 }, (_, i) => `said ${i}`));
  });

  it('gets nothing in that its sender said to others an hour ago, whose counters are new', () => {
    const { bench, peers } = group(3);
    const [a, b, c] = peers as [Peer, Peer, Peer];
    for (let i = 0; i < 3; i++) a.say(c, 'to c');
    // And one that b did not hear.
    bench.lose = ({ to }) => to === 'all';
    a.call('not heard');
    bench.run();
    bench.lose = () => false;
    const recorded = bench.recorded.slice(-4);
    bench.nowMs += 3_600_000;
    for (const { bytes } of recorded) {
      b.seal.incoming.datagram(bytes, a.address, false);
      b.seal.incoming.datagram(bytes, ATTACKER, true);
      bench.run();
    }
    a.say(b, 'now');
    bench.run();
    for (const { bytes } of recorded) b.seal.incoming.datagram(bytes, a.address, false);
    bench.run();
    expect(b.came).toEqual(['multicast here', 'multicast here', 'now']);
    expect(b.dropped['too-old']).toBeGreaterThanOrEqual(4);
    expect(c.came).toEqual(['multicast here', 'multicast here', 'to c', 'to c', 'to c']);
  });

  it('cannot keep back an answer that proves life, and use it later', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    const again = bench.add({ keys: [1, 2] }, b.address);
    bench.lose = ({ from }) => from === a.address;
    a.say(again, 'asked');
    again.seal.incoming.datagram((bench.recorded.at(-1) as Sent).bytes, a.address, false);
    bench.run();
    const proof = bench.recorded.at(-1) as Sent;
    expect([proof.from, again.seal.datagrams.boots.size]).toEqual([a.address, 0]);
    bench.nowMs += 20_000;
    again.seal.incoming.datagram(proof.bytes, a.address, false);
    expect([again.came, again.seal.datagrams.boots.size]).toEqual([[], 0]);
    expect(again.dropped['stale-proof']).toBe(1);
  });

  it('cannot make anything older than four seconds look new by keeping an answer back, whichever way it was asked for', () => {
    for (const { keys, keptMs } of [[1], [2, 1]].flatMap((keys) =>
      [0, 1000, FRESH_MS - 40, FRESH_MS + 1, 2 * FRESH_MS - 40].map((keptMs) => ({ keys, keptMs })),
    )) {
      const bench = new Bench();
      const [a, b] = [bench.add({ keys }), bench.add({ keys: [1] })];
      const said: { sent: Sent; atMs: number }[] = [];
      const say = (): void => {
        a.seal.outgoing.send(ATTACKER, Buffer.from(`${bench.nowMs}`.padEnd(20)));
        said.push({ sent: bench.recorded.at(-1) as Sent, atMs: bench.nowMs });
      };
      bench.lose = ({ from, to }) => from === a.address || to === ATTACKER;
      // Whom it has not heard it sends to with one key after the other: b lacks the first of two.
      for (let i = 0; i < 21; i++, bench.nowMs += 100) say();
      b.seal.incoming.datagram((said.at(-1) as { sent: Sent }).sent.bytes, a.address, false);
      bench.run();
      const proof = bench.recorded.at(-1) as Sent;
      expect([proof.from, proof.to, b.seal.datagrams.boots.size]).toEqual([a.address, b.address, 0]);
      bench.lose = () => true;
      const provedMs = bench.nowMs;
      while (bench.nowMs < provedMs + keptMs) {
        bench.nowMs += 100;
        say();
      }
      bench.nowMs = provedMs + keptMs;
      let oldestMs = 0;
      const inject = ({ bytes }: Sent): void => {
        const from = b.came.length;
        b.seal.incoming.datagram(bytes, a.address, false);
        for (const text of b.came.slice(from)) oldestMs = Math.max(oldestMs, bench.nowMs - Number(text));
      };
      // Some wait for the proof when it comes, the others come after it, the later the later he likes.
      for (const { sent } of said.slice(0, 4)) inject(sent);
      inject(proof);
      expect(b.seal.datagrams.boots.size, `${keptMs}`).toBe(keptMs < FRESH_MS ? 1 : 0);
      const before = b.came.length;
      for (const [i, { sent, atMs }] of said.entries()) {
        if (i < 4) continue;
        bench.nowMs = Math.max(bench.nowMs, atMs + FRESH_MS + (i < said.length / 2 + 2 ? -100 : 200));
        inject(sent);
      }
      expect(oldestMs, `${keys} ${keptMs}`).toBeLessThanOrEqual(FRESH_MS + 8);
      if (keptMs === 1000) expect(b.came.length).toBeGreaterThan(before);
      bench.lose = () => false;
      bench.nowMs += 1000;
      // With each of its keys.
      for (let i = 0; i < 2; i++) a.say(b, `${bench.nowMs}`.padEnd(20));
      bench.run();
      expect(Number(b.came.at(-1))).toBeGreaterThan(bench.nowMs - 1);
    }
  });

  it('does not make a key look used', () => {
    const { bench, peers } = group(2, [1]);
    const [a, b] = peers as [Peer, Peer];
    a.say(b, 'recorded');
    bench.run();
    const recorded = bench.recorded.filter(({ from }) => from === a.address);
    const again = bench.add({ keys: [1] }, b.address);
    bench.lose = () => true;
    for (const { bytes } of recorded) again.seal.incoming.datagram(bytes, ATTACKER, false);
    expect(again.seal.list()[0]).toMatchObject({ openedMessages: 0, lastOpenedMs: null });
  });

  it('does not use up the answers to those who are alive, with as many recorded questions as he likes', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    // A question of a process that is gone: its salt is unknown to b, and its tag is right.
    const gone = bench.add({ keys: [1, 2] });
    bench.lose = ({ to }) => to === b.address;
    a.say(gone, 'x');
    b.say(gone, 'x');
    bench.run();
    bench.lose = () => false;
    const question = bench.recorded.findLast(
      ({ from, to }) => from === gone.address && to === b.address,
    ) as Sent;
    bench.peers.delete(gone.address);
    for (let i = 0; i < 2000; i++) b.seal.incoming.datagram(question.bytes, ATTACKER, false);
    expect(b.seal.datagrams.counters.proofs).toBeLessThanOrEqual(502);
    const { 'too-many-challenges': unanswered = 0, 'too-many': unseen = 0 } = b.dropped;
    expect(unanswered + unseen).toBeGreaterThanOrEqual(1498);
    const fresh = bench.add({ keys: [1, 2] });
    fresh.say(b, 'hello');
    bench.run();
    b.say(fresh, 'welcome');
    bench.run();
    expect([b.came.at(-1), fresh.came]).toEqual(['hello', ['welcome']]);
  });

  it('gets a bounded number of datagrams opened that nobody sealed, and what members say is heard through them', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    a.say(b, 'x');
    bench.run();
    const { bytes } = bench.recorded.findLast(
      ({ from, to }) => from === a.address && to === b.address,
    ) as Sent;
    const before = b.dropped['bad-tag'] ?? 0;
    for (let i = 0; i < 20_000; i++) {
      // The key's id is right, the boot is invented, and the tag is wrong.
      const forged = bytes.slice();
      for (let at = 5; at < 17; at++)
        forged[at] = (forged[at] as number) ^ (i >> (at % 3 === 0 ? 8 : 0)) ^ 0x55;
      b.seal.incoming.datagram(forged, ATTACKER, false);
      if (i % 5000 === 0) {
        a.say(b, `still ${i}`);
        bench.run();
      }
    }
    expect((b.dropped['bad-tag'] ?? 0) - before).toBeLessThanOrEqual(1000 + 200);
    expect(b.dropped['too-many']).toBeGreaterThan(18_000);
    expect(b.came.filter((text) => text.startsWith('still'))).toHaveLength(4);
  });

  it('gets no answer to questions, nor to answers, that he has sent to all', () => {
    const { bench, peers } = group(4);
    const [a, b, c] = peers as [Peer, Peer, Peer, Peer];
    const again = bench.add({ keys: [1, 2] }, '10.0.0.77:1' as Address);
    a.say(again, 'asked');
    bench.run();
    const [question, proof] = bench.recorded.slice(-2) as [Sent, Sent];
    expect([question.from, proof.from]).toEqual([again.address, a.address]);
    const [from, came] = [bench.recorded.length, c.came.length];
    for (let i = 0; i < 100; i++) {
      for (const { bytes } of [question, proof]) {
        for (const one of [b, c]) one.seal.incoming.datagram(bytes, ATTACKER, true);
      }
    }
    expect([bench.recorded.length, c.came.length]).toEqual([from, came]);
    expect(c.dropped['by-multicast']).toBe(200);
    // To one it is answered, with no more bytes than came.
    c.seal.incoming.datagram(question.bytes, ATTACKER, false);
    expect(bench.recorded.slice(from).map(({ to, bytes }) => [to, bytes.length])).toEqual([
      [ATTACKER, question.bytes.length],
    ]);
  });

  it('gets a bounded number of questions for what is late of those known, and its sender is heard through them', () => {
    const { bench, peers } = group(3);
    const [a, b] = peers as [Peer, Peer];
    bench.lose = ({ to }) => to === ATTACKER;
    a.seal.outgoing.send(ATTACKER, Buffer.from('x'.repeat(60)));
    const late = bench.recorded.at(-1) as Sent;
    bench.nowMs += 5000;
    const asked = b.seal.datagrams.counters.challenges;
    for (let i = 0; i < 20_000; i++) {
      // The same host, as many ports as he likes.
      b.seal.incoming.datagram(late.bytes, `10.9.9.8:${i}` as Address, i % 2 === 0);
      if (i % 5000 !== 0) continue;
      a.say(b, `still ${i}`);
      bench.run();
    }
    expect(b.seal.datagrams.counters.challenges - asked).toBeLessThanOrEqual(1000 + 200);
    expect(b.dropped['too-many']).toBeGreaterThan(18_000);
    expect(b.came.filter((text) => text.startsWith('still'))).toHaveLength(4);
  });

  it('has a late recording that he plays to all asked after by a few of a large group', () => {
    const { bench, peers } = group(60);
    const [a, ...others] = peers as [Peer, ...Peer[]];
    bench.lose = ({ to }) => to === ATTACKER;
    a.seal.outgoing.send(ATTACKER, Buffer.from('x'.repeat(60)));
    const late = bench.recorded.at(-1) as Sent;
    bench.nowMs += 5000;
    const from = bench.recorded.length;
    for (let i = 0; i < 20; i++) {
      for (const one of others) one.seal.incoming.datagram(late.bytes, `10.9.9.8:${i}` as Address, true);
    }
    const answers = bench.recorded.length - from;
    expect(answers).toBeGreaterThan(20);
    expect(answers).toBeLessThan(20 * 12);
    bench.lose = () => false;
    a.call('now');
    bench.run();
    expect(others.every(({ came }) => came.at(-1) === 'multicast now')).toBe(true);
  });

  it('makes it send no more bytes than he does, wherever he pretends to be', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    a.say(b, 'x'.repeat(500));
    bench.run();
    const recorded = bench.recorded.findLast(({ from }) => from === a.address) as Sent;
    const again = bench.add({ keys: [1, 2] }, b.address);
    const from = bench.recorded.length;
    let played = 0;
    for (let i = 0; i < 300; i++, played += recorded.bytes.length) {
      again.seal.incoming.datagram(recorded.bytes, `10.9.${i}.9:9` as Address, false);
    }
    const answers = bench.recorded.slice(from);
    expect(answers.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(played);
    expect(answers.length).toBe(300);
    expect(again.came).toEqual([]);
  });
});

describe('streams of strangers', () => {
  it('are told apart from those that hold a key, leave nothing behind, and members are served meanwhile', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    a.seal.outgoing.connect(1, b.address);
    a.seal.outgoing.write(1, Buffer.from('one'));
    bench.run();
    const hello = bench.recorded.findLast(({ from, bytes }) => from === a.address && bytes[1] === 1) as Sent;
    for (let i = 0; i < 1000; i++) {
      b.seal.incoming.accepted(-1000 - i, ATTACKER);
      // Half of them go on as far as one can without a key.
      if (i % 2 === 0) b.seal.incoming.frame(-1000 - i, hello.bytes);
      expect(b.seal.incoming.proven?.(-1000 - i)).toBe(false);
      b.seal.incoming.closed(-1000 - i, 'it proved nothing');
    }
    expect(b.seal.streams.open).toBe(1);
    expect(b.seal.incoming.proven?.(-1)).toBe(true);
    a.seal.outgoing.write(1, Buffer.from('two'));
    a.seal.outgoing.connect(2, b.address);
    a.seal.outgoing.write(2, Buffer.from('three'));
    bench.run();
    expect(b.streams.filter((line) => line.startsWith('frame'))).toEqual([
      ...['frame -1 one', 'frame -1 two', 'frame -2 three'],
    ]);
  });

  it('vouch for nobody when the first sealed frame was kept back, and for nothing older than four seconds', () => {
    const cases = [
      { keptMs: 3_600_000, streams: [] },
      { keptMs: FRESH_MS + 1, streams: [] },
      { keptMs: FRESH_MS - 1, streams: ['accepted -1'] },
      { keptMs: 0, streams: ['accepted -1'] },
    ];
    for (const { keptMs, streams } of cases) {
      const bench = new Bench();
      const [a, b] = [bench.add(), bench.add()];
      const frames: Uint8Array[] = [];
      bench.write = (_from, _handle, bytes) => void frames.push(bytes);
      a.seal.outgoing.connect(1, b.address);
      b.seal.incoming.accepted(-1, a.address);
      a.seal.incoming.opened(1);
      b.seal.incoming.frame(-1, frames.shift() as Uint8Array);
      a.seal.incoming.frame(1, frames.shift() as Uint8Array);
      const introduction = frames.at(-1) as Uint8Array;
      // The man in the middle keeps it, and what a says to others meanwhile, and until four seconds after.
      bench.lose = () => true;
      const from = bench.nowMs;
      const said: { sent: Sent; atMs: number }[] = [];
      const say = (): void => {
        a.seal.outgoing.send(ATTACKER, Buffer.from(`${bench.nowMs}`));
        said.push({ sent: bench.recorded.at(-1) as Sent, atMs: bench.nowMs });
      };
      const stepMs = Math.max(keptMs / 60, 1);
      while (bench.nowMs + stepMs < from + keptMs) {
        bench.nowMs += stepMs;
        say();
      }
      bench.nowMs = from + keptMs;
      b.seal.incoming.frame(-1, introduction);
      expect(b.streams).toEqual(streams);
      for (let i = 0; i < 10; i++) {
        say();
        bench.nowMs += 500;
      }
      for (const { sent } of said) b.seal.incoming.datagram(sent.bytes, a.address, false);
      const oldest = Math.min(...b.came.map(Number), bench.nowMs);
      expect(bench.nowMs - oldest).toBeLessThanOrEqual(FRESH_MS + 16);
      expect(b.came.length > 0, `${keptMs}`).toBe(keptMs <= FRESH_MS);
    }
  });

  it('that a man in the middle answers late vouch for nobody either, though to connect may take long', () => {
    for (const { lateMs, closed } of [
      { lateMs: 0, closed: false },
      { lateMs: FRESH_MS + 1, closed: true },
    ]) {
      const bench = new Bench();
      const [a, b] = [bench.add(), bench.add()];
      const frames: Uint8Array[] = [];
      bench.write = (_from, _handle, bytes) => void frames.push(bytes);
      a.seal.outgoing.connect(1, b.address);
      bench.nowMs += 5000;
      a.seal.incoming.opened(1);
      b.seal.incoming.accepted(-1, a.address);
      b.seal.incoming.frame(-1, frames.shift() as Uint8Array);
      a.seal.incoming.frame(1, frames.shift() as Uint8Array);
      bench.nowMs += lateMs;
      a.seal.incoming.frame(1, frames.shift() as Uint8Array);
      const late = 'closed 1 its first sealed frame came late';
      expect(a.streams).toEqual(closed ? ['opened 1', late] : ['opened 1']);
      expect(a.seal.datagrams.boots.size).toBe(closed ? 0 : 1);
    }
  });

  it('cut short give the machine whole frames only, in order, and nothing of the rest', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    const from = bench.recorded.length;
    const frame = b.seal.incoming.frame;
    let passed = 0;
    // The second of three frames is held back: the third must not count as the second.
    Object.assign(b.seal.incoming, {
      frame: (stream: number, bytes: Uint8Array) => {
        if (++passed !== 4) frame(stream, bytes);
      },
    });
    a.seal.outgoing.connect(1, b.address);
    for (const text of ['one', 'two', 'three']) a.seal.outgoing.write(1, Buffer.from(text));
    bench.run();
    expect(bench.recorded.length - from).toBeGreaterThan(5);
    expect(b.streams).toEqual(['accepted -1', 'frame -1 one', 'closed -1 a frame was not sealed rightly']);
  });

  it('that answer with what the caller sent get nowhere: a side does not open what it sealed itself', () => {
    const { bench, peers } = group(1);
    const [a] = peers as [Peer];
    const sent: Uint8Array[] = [];
    bench.write = (_from, _handle, bytes) => void sent.push(bytes);
    a.seal.outgoing.connect(1, ATTACKER);
    a.seal.outgoing.write(1, Buffer.from('secret'));
    const agreed = Uint8Array.from([0x81, 2, ...new Array(16).fill(7), ...Buffer.from(id(1), 'hex')]);
    a.seal.incoming.frame(1, agreed);
    expect(sent.length).toBe(3);
    expect(Buffer.from(sent[2] as Uint8Array).includes('secret')).toBe(false);
    a.seal.incoming.frame(1, sent[1] as Uint8Array);
    expect(a.streams).toEqual(['opened 1', 'closed 1 a frame was not sealed rightly']);
    expect(a.dropped['bad-tag']).toBe(1);
  });
});
