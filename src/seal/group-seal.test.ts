import { describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { keyIdOf } from './key.ts';
import { Bench, key, keyText, type Peer } from './testing/bench.ts';

const id = (n: number): string => keyIdOf(key(n), 'bench');

function group(n: number, keys: readonly number[] = [1]): { bench: Bench; peers: Peer[] } {
  const bench = new Bench();
  const peers = Array.from({ length: n }, () => bench.add({ keys }));
  for (const peer of peers) peer.call('here');
  bench.run();
  return { bench, peers };
}

/** Everybody says something to everybody, so often that what differs is exchanged. */
function chatter(bench: Bench, peers: readonly Peer[]): void {
  for (let round = 0; round < 4; round++) {
    bench.nowMs += 1000;
    for (const a of peers) for (const b of peers) if (a !== b) a.say(b, `round ${round}`);
    bench.run();
  }
}

describe('the keyring', () => {
  it('goes to every peer at once by install, use and remove', () => {
    const { bench, peers } = group(5);
    const [a, b, c] = peers as [Peer, Peer, Peer];
    a.seal.change('install', keyText(2));
    bench.run();
    for (const peer of peers) expect(peer.ids()).toBe(`${id(1)} ${id(2)}`);
    b.seal.change('use', id(2));
    bench.run();
    for (const peer of peers) expect(peer.ids()).toBe(`${id(2)} ${id(1)}`);
    c.seal.change('remove', id(1));
    bench.run();
    for (const peer of peers) expect(peer.ids()).toBe(id(2));
    chatter(bench, peers);
    for (const peer of peers) expect(peer.dropped['unknown-key'] ?? 0).toBe(0);
  });

  it('reaches all though half of everything is lost, and nobody stays shut out', () => {
    const { bench, peers } = group(5);
    let n = 0;
    bench.lose = () => ++n % 2 === 0;
    (peers[0] as Peer).seal.change('install', keyText(2));
    (peers[0] as Peer).seal.change('use', id(2));
    for (let i = 0; i < 20; i++) chatter(bench, peers);
    bench.lose = () => false;
    chatter(bench, peers);
    for (const peer of peers) expect(peer.ids()).toBe(`${id(2)} ${id(1)}`);
  });

  it('lets a node back in that was off during a rotation while one of its keys is left', () => {
    const { bench, peers } = group(4);
    const [a, b, off] = peers as [Peer, Peer, Peer, Peer];
    const saved = off.seal.ring.encode();
    bench.peers.delete(off.address);
    a.seal.change('install', keyText(2));
    a.seal.change('use', id(2));
    bench.run();
    const again = bench.add({ saved }, off.address);
    chatter(bench, [again, a, b]);
    expect(again.ids()).toBe(`${id(2)} ${id(1)}`);
    expect(again.came.length).toBeGreaterThan(0);
  });

  it('lets it back in too when its primary is gone and only a second key is common', () => {
    const { bench, peers } = group(3, [1, 2]);
    const [a, b, off] = peers as [Peer, Peer, Peer];
    const saved = off.seal.ring.encode();
    bench.peers.delete(off.address);
    a.seal.change('use', id(2));
    a.seal.change('remove', id(1));
    bench.run();
    const again = bench.add({ keys: [1], saved }, off.address);
    again.seal.outgoing.connect(1, a.address);
    again.seal.outgoing.write(1, Buffer.from('hello'));
    bench.run();
    expect(a.streams.at(-1)).toContain('hello');
    expect(again.ids()).toBe(id(2));
    chatter(bench, [again, a, b]);
    expect(b.came.at(-1)).toBe('round 3');
    expect(again.seal.warnings().join()).toContain(`key ${id(1)} of the key file was removed`);
  });

  it('lets it back in by its datagrams alone, though nobody speaks to it and its primary is gone', () => {
    const { bench, peers } = group(3, [1, 2, 3]);
    const [a, b, off] = peers as [Peer, Peer, Peer];
    const saved = off.seal.ring.encode();
    bench.peers.delete(off.address);
    a.seal.change('use', id(3));
    a.seal.change('remove', id(1));
    a.seal.change('remove', id(2));
    bench.run();
    const again = bench.add({ keys: [1], saved }, off.address);
    for (let i = 0; i < 3; i++) {
      again.say(a, `try ${i}`);
      bench.nowMs += 300;
      bench.run();
    }
    expect(a.came.at(-1)).toBe('try 2');
    expect(again.ids()).toBe(id(3));
    // Those it has not heard yet hear it with the right key at once.
    again.say(b, 'hello');
    bench.run();
    expect(b.came.at(-1)).toBe('hello');
  });

  it('comes together again when both halves changed to keys of their own, at the first contacts, and the warning goes', () => {
    // All of a ring, so that the common key is one of many.
    for (const mine of [[2], [2, 3, 4]]) {
      const { bench, peers } = group(4);
      const [a, b, c, d] = peers as [Peer, Peer, Peer, Peer];
      const half = (address: string): boolean => address === a.address || address === b.address;
      bench.lose = ({ from, to }) => to === 'all' || half(from) !== half(to);
      for (const n of mine) a.seal.change('install', keyText(n));
      for (const n of mine) c.seal.change('install', keyText(n + 10));
      a.seal.change('use', id(mine.at(-1) as number));
      c.seal.change('use', id((mine.at(-1) as number) + 10));
      bench.run();
      bench.nowMs += 60_000;
      for (const [x, y] of [
        [a, b],
        [c, d],
      ] as const) {
        x.say(y, 'half');
        y.say(x, 'half');
      }
      bench.run();
      bench.lose = () => false;
      // Only announcements, as long as a digest is, which nobody can open: no probe happens to be sealed with the right key.
      a.call('x'.repeat(50));
      bench.run();
      for (const peer of peers) expect(peer.came.at(-1)).toContain(peer === a ? 'half' : 'multicast xxx');
      chatter(bench, peers);
      for (const peer of peers) expect(peer.seal.ring.digest).toBe(a.seal.ring.digest);
      for (const peer of peers) expect(peer.came.at(-1)).toBe('round 3');
      for (const peer of peers) expect(peer.seal.warnings()).toEqual([]);
      expect(c.logs.join()).toContain('trying the other keys of the ring');
    }
  });

  it('finds the common key also when neither process has met the other, and few bytes come', () => {
    const bench = new Bench();
    const [a, b] = [bench.add({ keys: [9, 1, 2, 4] }), bench.add({ keys: [8, 4, 5, 6] })];
    for (let i = 0; i < 8; i++) {
      bench.nowMs += 500;
      a.call('digest');
      b.call('digest');
      bench.run();
    }
    expect([a.came.at(-1), b.came.at(-1)]).toEqual(['multicast digest', 'multicast digest']);
  });

  it('says what it dropped where more rings were joined than one holds, and that it holds too many', () => {
    const { bench, peers } = group(3);
    peers.forEach((peer, i) => {
      bench.lose = () => true;
      for (let n = 0; n < 7; n++) peer.seal.change('install', keyText(10 * (i + 1) + n));
      peer.seal.change('use', id(10 * (i + 1)));
    });
    bench.run();
    bench.lose = () => false;
    chatter(bench, peers);
    chatter(bench, peers);
    for (const { seal, logs } of peers) {
      const ids = seal.ring.ids();
      expect(ids).toHaveLength(LIMITS.mergedKeys - 1);
      for (const primary of [10, 20, 30]) expect(ids).toContain(id(primary));
      expect(seal.warnings().join('\n')).toMatch(/holds 15 keys.*\nkeys dropped.* had more than 16/);
      expect(logs.join('\n')).toContain('keys dropped');
    }
  });

  it('does not try for ever with those who have none of its keys, sends them less than came, and says so', () => {
    const bench = new Bench();
    const [a, b] = [bench.add({ keys: [1, 2, 3] }), bench.add({ keys: [4, 5] })];
    const bytes = (peer: Peer): number =>
      bench.recorded.reduce((sum, one) => sum + (one.from === peer.address ? one.bytes.length : 0), 0);
    for (let i = 0; i < 300; i++) {
      bench.nowMs += 100;
      b.say(a, 'hello, is anybody there');
      bench.run();
    }
    expect(bytes(a)).toBeLessThan(bytes(b));
    expect(a.seal.datagrams.offers.counters.tries).toBeLessThanOrEqual(6 + 8);
    expect(b.seal.datagrams.offers.counters.tries).toBe(0);
    expect(a.seal.warnings().join()).toContain('the two cannot talk');
    expect(a.seal.warnings().join()).not.toContain('garbage');
    b.seal.change('install', keyText(2));
    for (let i = 0; i < 3; i++) b.say(a, 'hello again');
    bench.run();
    expect(a.came).toContain('hello again');
  });

  it('says clearly, on both sides, when no key is common', () => {
    const { bench, peers } = group(2, [2]);
    const [a] = peers as [Peer];
    const lost = bench.add({ keys: [1] });
    lost.seal.outgoing.connect(1, a.address);
    lost.seal.outgoing.write(1, Buffer.from('hello'));
    lost.say(a, 'hello');
    bench.run();
    expect(a.streams).toEqual([]);
    expect(lost.streams.join()).toContain("closed 1 it has none of this node's keys");
    expect(lost.seal.warnings().join()).toContain(`(key ${id(2)})`);
    expect(a.seal.warnings().join()).toContain(`(key ${id(1)})`);
    expect(a.logs.join()).toContain("'shoal keys install'");
    a.seal.change('install', keyText(1));
    expect(a.seal.warnings()).toEqual([]);
  });

  it('stops to complain of its key file when that is put right', () => {
    const bench = new Bench();
    let file = [key(1)];
    const a = bench.add({ reread: () => file });
    a.seal.change('install', keyText(2));
    a.seal.change('use', id(2));
    a.seal.change('remove', id(1));
    expect(a.seal.warnings().join()).toContain(`key ${id(1)} of the key file was removed`);
    file = [key(2)];
    bench.nowMs += 2000;
    expect(a.seal.warnings()).toEqual([]);
  });

  it('counts those who live as holders of a key, and how many of them lack it', () => {
    const { bench, peers } = group(4);
    const [a, , off, dead] = peers as [Peer, Peer, Peer, Peer];
    const count = (): unknown => a.seal.list().map(({ holders, lacking, down }) => [holders, lacking, down]);
    chatter(bench, peers);
    expect(count()).toEqual([[4, 0, 0]]);
    bench.dead.add(dead.address);
    bench.lose = ({ to }) => to === off.address || to === dead.address;
    a.seal.change('install', keyText(2));
    chatter(bench, peers.slice(0, 2));
    expect(count()).toEqual([
      // The one that is down did not hear of the second key, as far as is known.
      [2, 1, 1],
      [2, 1, 0],
    ]);
    bench.lose = () => false;
    bench.dead.clear();
    chatter(bench, peers);
    bench.dead.add(dead.address);
    expect(count()).toEqual([
      [3, 0, 0],
      [3, 0, 0],
    ]);
  });

  it('names who talks unsealed, by datagram and by stream, and shows who calls that it seals', () => {
    const { bench, peers } = group(1);
    const [a] = peers as [Peer];
    const [one, two] = ['10.9.9.1:1', '10.9.9.2:1'] as Peer['address'][];
    a.seal.incoming.datagram(Uint8Array.of(1, 2, 3), one as Peer['address'], true);
    a.seal.incoming.accepted(-1, two as Peer['address']);
    a.seal.incoming.frame(-1, Uint8Array.of(1, 2, 3));
    expect(a.seal.warnings()[0]).toContain('10.9.9.1:1 (and so 10.9.9.2:1) talks unsealed: it has no key');
    expect(a.seal.keysFail).toBe(true);
    expect(a.logs.join()).toContain('talks unsealed');
    expect([...(bench.recorded.at(-1) as { bytes: Uint8Array }).bytes]).toEqual([0x81, 3, 0]);
    for (let n = 0; n < 1000; n++)
      a.seal.incoming.datagram(Uint8Array.of(1), `10.9.${n}.2:1` as Peer['address'], false);
    expect(
      a.seal
        .warnings()
        .join()
        .match(/10\.9\./g),
    ).toHaveLength(LIMITS.keyStrangers);
  });

  it('is saved at every change, and a damaged file is begun again from the key file', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    a.seal.change('install', keyText(2));
    bench.run();
    expect(bench.add({ saved: b.saved as Uint8Array }).ids()).toBe(b.ids());
    const broken = bench.add({ keys: [3], saved: new Uint8Array(50) });
    expect(broken.ids()).toBe(id(3));
    expect(broken.logs.join()).toContain('it is damaged');
    const moved = bench.add({ saved: b.saved as Uint8Array, cluster: 'attic' });
    expect(moved.logs.join()).toContain("made for another cluster, most likely (this one is 'attic')");
    expect(moved.seal.warnings().join()).toContain('most likely');
  });

  it('has no key in any log line, warning, list or error', () => {
    const { bench, peers } = group(2);
    const [a] = peers as [Peer];
    const said: string[] = [];
    for (const [op, text] of [
      ['install', keyText(2)],
      ['install', `${keyText(3)}x`],
      ['use', keyText(4)],
      ['use', keyText(2)],
      ['remove', keyText(2)],
    ] as const) {
      try {
        a.seal.change(op, text);
      } catch (error) {
        said.push(String(error));
      }
      bench.run();
    }
    said.push(...a.logs, ...a.seal.warnings(), JSON.stringify(a.seal.list()));
    expect(said.length).toBeGreaterThan(4);
    for (let n = 1; n <= 4; n++) {
      expect(said.join('\n')).not.toContain(keyText(n).slice(0, 8));
      expect(said.join('\n')).not.toContain(Buffer.from(key(n)).toString('hex').slice(0, 8));
    }
  });
});

describe('a sealed stream', () => {
  it('carries frames both ways in order, also those written before it stood and a last one before its close', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    const { outgoing } = a.seal;
    outgoing.connect(1, b.address);
    for (const text of ['one', 'two']) outgoing.write(1, Buffer.from(text));
    bench.run();
    b.seal.outgoing.write(-1, Buffer.from('back'));
    outgoing.write(1, Buffer.from('three'));
    outgoing.close(1);
    bench.run();
    expect(b.streams).toEqual([
      ...['accepted -1', 'frame -1 one', 'frame -1 two', 'frame -1 three'],
      'closed -1 closed by the peer',
    ]);
    outgoing.connect(2, b.address);
    outgoing.write(2, Buffer.from('short'));
    outgoing.close(2);
    bench.run();
    expect(b.streams).toContain('frame -2 short');
    expect([a.seal.streams.open, b.seal.streams.open]).toEqual([0, 0]);
  });

  it('shows nothing, and a recorded one opens nothing', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    const from = bench.recorded.length;
    a.seal.outgoing.connect(1, b.address);
    a.seal.outgoing.write(1, Buffer.from('board-7'));
    bench.run();
    const frames = bench.recorded.slice(from).filter(({ from: who }) => who === a.address);
    for (const { bytes } of bench.recorded) expect(Buffer.from(bytes).includes('board')).toBe(false);
    const before = b.streams.length;
    b.seal.incoming.accepted(-50, a.address);
    for (const { bytes } of frames) b.seal.incoming.frame(-50, bytes);
    expect(b.streams).toHaveLength(before);
    expect(b.dropped['bad-tag']).toBe(1);
  });

  it('ends at any changed byte of any frame, and the machine never sees what was in it', () => {
    for (let at = 0; at < 200; at += 7) {
      const { bench, peers } = group(2);
      const [a, b] = peers as [Peer, Peer];
      a.seal.outgoing.connect(1, b.address);
      a.seal.outgoing.write(1, Buffer.from('hello'));
      const inner = b.seal.incoming;
      let seen = 0;
      const frame = inner.frame;
      Object.assign(inner, {
        frame: (stream: number, bytes: Uint8Array) => {
          const changed = bytes.slice();
          if (at >= seen && at < seen + bytes.length) changed[at - seen] = (changed[at - seen] as number) ^ 4;
          seen += bytes.length;
          frame(stream, changed);
        },
      });
      bench.run();
      if (at < seen) expect(b.streams.join()).not.toContain('hello');
    }
  });

  it('of a stranger who does not seal, or greets wrongly, is closed before the machine hears of it', () => {
    const { peers } = group(1);
    const [a] = peers as [Peer];
    const greetings = [[1, 2, 3], [], [0x81], [0x81, 1, ...new Array(16).fill(0), 200], [0x81, 2], [7]];
    greetings.forEach((bytes, i) => {
      a.seal.incoming.accepted(-10 - i, '10.9.9.9:9' as Peer['address']);
      a.seal.incoming.frame(-10 - i, Uint8Array.from(bytes));
    });
    expect(a.streams).toEqual([]);
    expect(a.seal.streams.open).toBe(0);
    expect(a.seal.drops['stream-refused']).toBe(greetings.length);
  });

  it('takes only short frames until the peer has sealed one rightly, and then the longest the machine writes', () => {
    const { bench, peers } = group(2);
    const [a, b] = peers as [Peer, Peer];
    const limit = (): number => b.seal.incoming.frameLimit?.(-1) ?? 0;
    b.seal.incoming.accepted(-7, '10.9.9.9:9' as Peer['address']);
    expect(b.seal.incoming.frameLimit?.(-7)).toBe(2048);
    a.seal.outgoing.connect(1, b.address);
    a.seal.outgoing.write(1, new Uint8Array(LIMITS.frameBytes));
    bench.run();
    expect(limit()).toBeGreaterThanOrEqual(LIMITS.frameBytes + 17);
    expect(b.streams.at(-1)).toHaveLength(`frame -1 `.length + LIMITS.frameBytes);
  });

  it('does not hold without bound what waits for the other side', () => {
    const { peers } = group(1);
    const [a] = peers as [Peer];
    a.seal.outgoing.connect(1, '10.9.9.9:9' as Peer['address']);
    const frame = new Uint8Array(LIMITS.frameBytes);
    for (let i = 0; i < 10; i++) a.seal.outgoing.write(1, frame);
    expect(a.seal.streams.open).toBe(0);
  });
});
