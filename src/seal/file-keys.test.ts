import { describe, expect, it } from 'vitest';
import { keyIdOf } from './key.ts';
import { Bench, key, keyText, type Peer } from './testing/bench.ts';

const id = (n: number): string => keyIdOf(key(n), 'bench');

/** A group, of which the last is off, with the ring that it saved. */
function withOneOff(n: number, keys: readonly number[] = [1]) {
  const bench = new Bench();
  const peers = Array.from({ length: n }, () => bench.add({ keys }));
  for (const peer of peers) peer.call('here');
  bench.run();
  const off = peers.pop() as Peer;
  bench.peers.delete(off.address);
  return { bench, peers, address: off.address, saved: off.seal.ring.encode() };
}

function chatter(bench: Bench, peers: readonly Peer[]): void {
  for (let round = 0; round < 8; round++) {
    bench.nowMs += 1000;
    for (const a of peers) for (const b of peers) if (a !== b) a.say(b, `round ${round}`);
    bench.run();
  }
}

describe('a key file beside a saved ring', () => {
  it('brings no key into the group: a wrong one is told of and not used', () => {
    const { bench, peers, address, saved } = withOneOff(3);
    const again = bench.add({ keys: [9], saved }, address);
    chatter(bench, [...peers, again]);
    for (const peer of [...peers, again]) expect(peer.ids()).toBe(id(1));
    expect(peers[0]?.came).toContain('round 7');
    const said = `key ${id(9)} of the key file is not in the group's keyring: it was not used; 'shoal keys install'`;
    expect(again.seal.warnings().join()).toContain(said);
    expect(again.seal.warnings().join()).not.toContain('remove the file keyring');
    expect(again.logs.join()).toContain(said);
    again.seal.change('install', keyText(9));
    expect(again.seal.warnings()).toEqual([]);
  });

  it('says how to begin anew when nothing is opened with the ring', () => {
    const { bench, address, saved } = withOneOff(2);
    const again = bench.add({ keys: [9], saved }, address);
    expect(again.seal.warnings().join()).toContain("nothing was opened with the ring's keys since the start");
    expect(again.seal.warnings().join()).toContain('remove the file keyring');
  });

  it('lets a node in that was off for the whole of a rotation and has the new key in its file', () => {
    const { bench, peers, address, saved } = withOneOff(3);
    const [a] = peers as [Peer];
    a.seal.change('install', keyText(2));
    a.seal.change('use', id(2));
    a.seal.change('remove', id(1));
    bench.run();
    const again = bench.add({ keys: [2], saved }, address);
    chatter(bench, [...peers, again]);
    for (const peer of [...peers, again]) expect(peer.ids()).toBe(id(2));
    expect(a.came).toContain('round 7');
    expect(again.came).toContain('round 7');
    expect(again.seal.warnings()).toEqual([]);
    expect(again.logs.join()).toContain(
      `learnt from peer, ${a.address}): added ${id(2)}, removed ${id(1)}, primary`,
    );
  });

  it('does not join its group to another one that seals with that key', () => {
    const { bench, peers, address, saved } = withOneOff(3);
    const others = [bench.add({ keys: [9] }), bench.add({ keys: [9] })];
    const again = bench.add({ keys: [9], saved }, address);
    chatter(bench, [...peers, again, ...others]);
    for (const peer of [...peers, again]) expect(peer.ids()).toBe(id(1));
    for (const peer of others) expect(peer.ids()).toBe(id(9));
    const before = [again.came.length, others[0]?.came.length];
    others[0]?.say(again, 'from the other group');
    again.say(others[0] as Peer, 'from the first group');
    bench.run();
    expect([again.came.length, others[0]?.came.length]).toEqual(before);
    expect(again.seal.warnings().join()).toContain('another group seals with it');
  });
});
