import { describe, expect, it } from 'vitest';
import { LIMITS, type NodeId } from '../base/index.ts';
import { STATE } from '../members/index.ts';
import { WINDOW } from './congestion.ts';
import { Bench, idOf, PASSING, recordOf, type SentTree } from './testing/bench.ts';

const PAYLOAD = new Uint8Array(40);
const ids = (from: number, to: number): NodeId[] =>
  Array.from({ length: to - from + 1 }, (_, i) => idOf(from + i));

describe('the tree', () => {
  it('needs ceil(log2 n) messages of its origin with halving, and none when it is alone', () => {
    for (const count of [1, 2, 3, 8, 9, 64, 65]) {
      const bench = Bench.apart(count);
      bench.broadcaster.originate(PAYLOAD, 0);
      expect(bench.trees.length).toBe(Math.ceil(Math.log2(count)));
      expect(bench.multicasts).toEqual([]);
    }
  });

  it('sends a hop again once when it is not answered, then hands its part to the next on it', () => {
    const bench = Bench.apart(8);
    bench.broadcaster.originate(PAYLOAD, 0);
    const first = bench.trees[0] as SentTree;
    expect(first.part.length).toBe(3);
    bench.exhaust();
    const tries = new Map<NodeId, number>();
    for (const { to } of bench.trees) tries.set(to, (tries.get(to) ?? 0) + 1);
    expect([...tries.keys()].sort()).toEqual(ids(2, 8));
    expect([...tries.values()]).toEqual([2, 2, 2, 2, 2, 2, 2]);
    const parts = new Set(bench.trees.map(({ part }) => `${part.from}/${part.length}`));
    expect(parts).toContain(`${(first.part.from + 1) % 8}/1`);
    expect(bench.broadcaster.counters).toMatchObject({ retries: 7, takeovers: 7, abandoned: 7 });
    expect(bench.broadcaster.nextMs()).toBe(Infinity);
  });

  it('lets an answered hop be, whoever else is silent', () => {
    const bench = Bench.apart(8);
    bench.broadcaster.originate(PAYLOAD, 0);
    const { to, part } = bench.trees[0] as SentTree;
    expect(bench.broadcaster.ackReceived(idOf(77), part.id, false, 1)).toBe(-1);
    expect(bench.broadcaster.ackReceived(to, part.id, false, 3)).toBe(3);
    const before = bench.trees.length;
    bench.exhaust();
    expect(bench.trees.slice(before).some((t) => t.to === to)).toBe(false);
  });

  it('does not wait for one that is down: its part is taken over at once', () => {
    const bench = Bench.apart(8);
    bench.broadcaster.originate(PAYLOAD, 0);
    const { to, part } = bench.trees[0] as SentTree;
    bench.members.merge({ ...recordOf(to), state: STATE.down });
    const before = bench.trees.length;
    bench.broadcaster.memberGone(to, 1);
    const after = bench.trees.slice(before);
    expect(after.map((t) => t.part.length).reduce((sum, length) => sum + length + 1, 0)).toBe(part.length);
    expect(after.some((t) => t.to === to)).toBe(false);
    expect(bench.broadcaster.counters).toMatchObject({ retries: 0, takeovers: 1 });
  });

  it('leaves out of a list that came those known to be down', () => {
    const bench = Bench.apart(8);
    bench.members.merge({ ...recordOf(idOf(4)), state: STATE.down });
    bench.broadcaster.listReceived(idOf(2), 99, [idOf(4)], 0, PAYLOAD, 0);
    expect(bench.acks.length).toBe(1);
    expect(bench.broadcaster.pendingHops).toBe(0);
    bench.broadcaster.listReceived(idOf(2), 98, [idOf(4), idOf(5)], 0, PAYLOAD, 0);
    expect(bench.trees.map((t) => t.to)).toEqual([idOf(5)]);
  });

  it('takes no round trip from a hop that was sent twice', () => {
    const bench = Bench.apart(2);
    bench.broadcaster.originate(PAYLOAD, 0);
    const atMs = bench.pass();
    const { to, part } = bench.trees[1] as SentTree;
    expect(bench.broadcaster.ackReceived(to, part.id, false, atMs + 5)).toBe(-1);
    expect(bench.broadcaster.pendingHops).toBe(0);
  });

  it('tries three representatives of a set, then goes on without it', () => {
    const bench = new Bench([1, 2, 2, 2, 2, 2]);
    bench.broadcaster.originate(PAYLOAD, 0);
    bench.exhaust();
    expect(bench.trees.length).toBe(6);
    const tried = bench.trees.map((t) => t.to);
    expect(new Set(tried).size).toBe(3);
    expect(new Set(bench.trees.map(({ part }) => `${part.from}/${part.length}`)).size).toBe(1);
    expect(bench.broadcaster.counters.abandoned).toBe(1);
  });

  it('is handed on by a receiver: delivered once, relayed once per part, acknowledged every time', () => {
    const bench = Bench.apart(9);
    const view = bench.members.view().digest;
    const part = { id: 12345, view, from: 2, length: 4, ageMs: 1 };
    bench.broadcaster.treeReceived(idOf(5), part, PAYLOAD, 0);
    const relayed = bench.trees.length;
    expect(relayed).toBe(3);
    bench.broadcaster.treeReceived(idOf(5), part, PAYLOAD, 1);
    expect(bench.trees.length).toBe(relayed);
    expect(bench.delivered.length).toBe(1);
    expect(bench.acks).toEqual([
      { to: idOf(5), id: 12345, needList: false },
      { to: idOf(5), id: 12345, needList: false },
    ]);
    bench.broadcaster.treeReceived(idOf(6), { ...part, from: 7, length: 1 }, PAYLOAD, 2);
    expect(bench.trees.length).toBe(relayed + 1);
    expect(bench.delivered.length).toBe(1);
  });

  it('relays nothing of a part that no tree has, and counts it', () => {
    const bench = Bench.apart(9);
    const view = bench.members.view().digest;
    bench.broadcaster.treeReceived(idOf(5), { id: 1, view, from: 2, length: 9, ageMs: 0 }, PAYLOAD, 0);
    bench.broadcaster.treeReceived(idOf(5), { id: 2, view, from: 9, length: 0, ageMs: 0 }, PAYLOAD, 0);
    expect(bench.trees).toEqual([]);
    expect(bench.delivered.length).toBe(2);
    expect(bench.broadcaster.counters.misplaced).toBe(2);
  });
});

describe('a publication', () => {
  const publication = new Uint8Array(1000).fill(PASSING);

  it('is remembered, and not kept for neighbours, nor does it push out what is', () => {
    const bench = Bench.apart(3);
    const { seen } = bench.broadcaster;
    bench.broadcaster.multicastReceived(idOf(2), 1, 0, PAYLOAD, 0);
    for (let id = 2; id <= 5000; id++) bench.broadcaster.multicastReceived(idOf(2), id, 0, publication, 0);
    for (let id = 2; id <= 5000; id++) bench.broadcaster.multicastReceived(idOf(3), id, 0, publication, 0);
    expect(bench.delivered.length).toBe(5000);
    expect(seen.recent(0, 1000, 99)).toEqual([1]);
    expect(seen.payload(1)).toEqual(PAYLOAD);
    expect([seen.payload(5000), seen.has(5000)]).toEqual([null, true]);
  });

  it('is sent to one that is silent longer than a change is, while the others are seen to', () => {
    const tries = (lasting: boolean): number[] => {
      const bench = Bench.apart(8);
      bench.broadcaster.originate(publication, 0, lasting);
      bench.exhaust();
      expect(bench.broadcaster.nextMs()).toBe(Infinity);
      return ids(2, 8).map((id) => bench.trees.filter(({ to }) => to === id).length);
    };
    expect(tries(true)).toEqual([2, 2, 2, 2, 2, 2, 2]);
    // Six times by itself; two more where others depended on it.
    for (const count of tries(false)) expect([6, 8]).toContain(count);
  });

  it('goes to nobody any longer who is down', () => {
    const bench = Bench.apart(3);
    bench.broadcaster.originate(publication, 0, false);
    for (const id of ids(2, 3)) {
      bench.members.merge({ ...recordOf(id), state: STATE.down });
      bench.broadcaster.memberGone(id, 1);
    }
    expect(bench.broadcaster.pendingHops).toBe(0);
    expect(bench.broadcaster.congested).toBe(false);
  });

  it('waits while too many are on their way, until they are answered or were lost', () => {
    const bench = Bench.apart(2);
    const { broadcaster } = bench;
    let sent = 0;
    for (; !broadcaster.congested; sent++) broadcaster.originate(publication, 0, false);
    expect(sent).toBe(Math.ceil(WINDOW.startBytes / publication.length));
    for (const { to, part } of bench.trees.slice(0, 2)) broadcaster.ackReceived(to, part.id, false, 1);
    expect(broadcaster.congested).toBe(false);
    for (let i = 0; i < 9; i++) broadcaster.originate(publication, 1, false);
    expect(broadcaster.congested).toBe(true);
    for (let i = 0; i < 2; i++) bench.pass();
    expect(broadcaster.congested).toBe(false);
    expect(broadcaster.pendingHops).toBe(sent + 7);
    bench.exhaust();
    expect(broadcaster.pendingHops).toBe(0);
  });

  it('is followed by more at once the more are answered, and by fewer when one is missed', () => {
    const { broadcaster, trees } = Bench.apart(2);
    let nowMs = 0;
    /** So many go out before the first is answered. */
    const round = (): number => {
      nowMs += 200;
      const before = trees.length;
      while (!broadcaster.congested) broadcaster.originate(publication, nowMs, false);
      const sent = trees.slice(before);
      for (const { to, part } of sent) broadcaster.ackReceived(to, part.id, false, nowMs + 1);
      return sent.length;
    };
    let last = round();
    for (let i = 0; i < 100; i++) last = round();
    expect(last).toBe(Math.ceil(WINDOW.maxBytes / publication.length));
    broadcaster.missed(nowMs);
    broadcaster.missed(nowMs + 1);
    expect(Math.abs(round() - last / 2)).toBeLessThan(3);
    for (let i = 0; i < 10; i++) {
      nowMs += 200;
      broadcaster.missed(nowMs);
    }
    expect(round()).toBe(Math.ceil(WINDOW.minBytes / publication.length));
  });

  it('leaves places for changes among the hops that wait', () => {
    const bench = Bench.apart(2);
    for (let i = 0; i < LIMITS.publicationHops + 5; i++) bench.broadcaster.originate(publication, 0, false);
    expect(bench.broadcaster.counters.dropped).toBe(5);
    bench.broadcaster.originate(PAYLOAD, 0);
    expect(bench.broadcaster.pendingHops).toBe(LIMITS.publicationHops + 1);
  });
});

describe('an explicit list', () => {
  it('is asked for by a receiver with another view, who relays nothing until it has one', () => {
    const bench = Bench.apart(9);
    bench.broadcaster.treeReceived(idOf(5), { id: 7, view: 999, from: 2, length: 4, ageMs: 0 }, PAYLOAD, 0);
    expect(bench.acks).toEqual([{ to: idOf(5), id: 7, needList: true }]);
    expect(bench.trees).toEqual([]);
    expect(bench.delivered.length).toBe(1);
    bench.broadcaster.listReceived(idOf(5), 7, ids(6, 9), 0, PAYLOAD, 1);
    const reached = bench.lists.flatMap((m) => [m.to, ...m.ids]).concat(bench.trees.map((t) => t.to));
    expect(reached.sort()).toEqual(ids(6, 9));
    expect(bench.delivered.length).toBe(1);
  });

  it('names every node the receiver of the part would have answered for, and it alone knows them twice', () => {
    const bench = new Bench([1, 2, 2, 3, 4, 4, 4, 5, 6]);
    bench.broadcaster.originate(PAYLOAD, 0);
    const places = bench.trees.map(({ to, part }) => ({ to, part }));
    const { to, part } = places[0] as SentTree;
    const untouched = places.slice(1).map((t) => t.to);
    bench.trees.length = 0;
    bench.broadcaster.ackReceived(to, part.id, true, 1);
    const listed = bench.lists.flatMap((m) => [m.to, ...m.ids]).concat(bench.trees.map((t) => t.to));
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed).not.toContain(to);
    expect(listed).not.toContain(idOf(1));
    for (const other of untouched) expect(listed).not.toContain(other);
    const own = bench.members.view().sets[bench.members.view().setIndexOf(to)] as readonly NodeId[];
    for (const id of own) if (id !== to) expect(listed).toContain(id);
    expect(listed.length).toBeGreaterThan(own.length - 1);
  });

  it('is relayed once however often it comes, and another of the same length all the same', () => {
    const bench = Bench.apart(30);
    bench.broadcaster.listReceived(idOf(5), 7, ids(6, 9), 0, PAYLOAD, 0);
    const sent = bench.lists.length + bench.trees.length;
    bench.broadcaster.listReceived(idOf(5), 7, ids(6, 9), 0, PAYLOAD, 1);
    expect(bench.lists.length + bench.trees.length).toBe(sent);
    bench.broadcaster.listReceived(idOf(5), 7, ids(10, 13), 0, PAYLOAD, 1);
    expect(bench.lists.length + bench.trees.length).toBe(2 * sent);
  });

  it('is cut so that each part and the payload fit a datagram', () => {
    for (const bytes of [40, 700, 1000, LIMITS.messageBytes - 52]) {
      const bench = Bench.apart(400);
      bench.broadcaster.originate(new Uint8Array(bytes), 0);
      const { to, part } = bench.trees[0] as SentTree;
      bench.trees.length = 0;
      bench.broadcaster.ackReceived(to, part.id, true, 1);
      for (const list of bench.lists) {
        expect(list.ids.length).toBeLessThanOrEqual(64);
        expect(8 * list.ids.length + bytes + 40).toBeLessThanOrEqual(LIMITS.messageBytes);
      }
      const listed = bench.lists.flatMap((m) => [m.to, ...m.ids]).concat(bench.trees.map((t) => t.to));
      expect(new Set(listed).size).toBe(part.length);
    }
  });

  it('loses only the silent node at its head', () => {
    const bench = Bench.apart(9);
    bench.broadcaster.listReceived(idOf(5), 7, ids(6, 9), 0, PAYLOAD, 0);
    bench.exhaust();
    const tried = new Set(bench.lists.map((m) => m.to).concat(bench.trees.map((t) => t.to)));
    expect([...tried].sort()).toEqual(ids(6, 9));
  });
});

describe('a multicast set', () => {
  const hearing = (bench: Bench, from: number, to: number): void => {
    for (const id of ids(from, to)) bench.reach.confirm(id, true, 0);
  };

  it('gets one multicast and one directed message', () => {
    const bench = new Bench([1, 1, 1, 1, 1]);
    hearing(bench, 2, 5);
    bench.broadcaster.originate(PAYLOAD, 1);
    expect(bench.multicasts.length).toBe(1);
    expect(bench.trees.length).toBe(1);
    expect(bench.trees[0]?.part).toMatchObject({ view: 0, length: 0 });
  });

  it('is multicast to by its one representative, and its deaf members are sent to', () => {
    const bench = new Bench([2, 2, 2, 2, 2, 6]);
    hearing(bench, 2, 4);
    const view = bench.members.view();
    bench.broadcaster.treeReceived(
      idOf(6),
      { id: 9, view: view.digest, from: 0, length: 0, ageMs: 0 },
      PAYLOAD,
      1,
    );
    expect(bench.multicasts).toEqual([9]);
    expect(bench.trees.map((t) => t.to)).toEqual([idOf(5)]);
  });

  it('of one other that hears is sent to, not multicast to', () => {
    const bench = new Bench([1, 1]);
    hearing(bench, 2, 2);
    bench.broadcaster.originate(PAYLOAD, 1);
    expect(bench.multicasts).toEqual([]);
    expect(bench.trees.map((t) => t.to)).toEqual([idOf(2)]);
  });

  it('has a member that stopped confirming back in the tree', () => {
    const bench = new Bench([1, 1, 1, 1]);
    hearing(bench, 2, 4);
    const laterMs = 3 * bench.reach.pauseMs() + 1001;
    bench.reach.confirm(idOf(2), true, laterMs);
    bench.reach.confirm(idOf(3), true, laterMs);
    bench.broadcaster.originate(PAYLOAD, laterMs + 1);
    expect(bench.multicasts.length).toBe(1);
    expect(bench.trees.map((t) => t.to)).toEqual([idOf(4)]);
  });

  it('is reached by directed messages alone when the payload is too long to multicast', () => {
    const bench = new Bench([1, 1, 1, 1], 16);
    hearing(bench, 2, 4);
    bench.broadcaster.originate(new Uint8Array(LIMITS.messageBytes - 20), 1);
    expect(bench.multicasts).toEqual([]);
    expect(bench.trees.map((t) => t.to).sort()).toEqual(ids(2, 4));
  });
});
