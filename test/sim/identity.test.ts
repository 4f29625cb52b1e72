import { describe, expect, it } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { agree } from './checkers.ts';
import type { SimHost } from './host.ts';
import { Session } from './session.ts';

/** A settled group, all checkers on. `domain` -1: no multicast, so that twins are told of by others only. */
function group(count: number, seed: number, domain = -1): Session {
  const session = new Session({ seed, factory: createNode });
  session.addHosts(count, () => domain);
  session.startAll(200);
  session.converge(10_000);
  return session;
}

/** Agreed, and every id once: seen twice, for whoever changes its id runs nowhere for a moment. */
function settle({ world }: Session, withinMs = 20_000): void {
  let looks = 0;
  const settled = world.runUntilTrue(
    () => {
      const running = world.running();
      const isSo = agree(world) && new Set(running.map((h) => h.machine?.id)).size === running.length;
      looks = isSo ? looks + 1 : 0;
      return looks === 2;
    },
    world.nowMs + withinMs,
    100,
  );
  expect(settled).toBe(true);
}

const register = (host: SimHost, start: number) =>
  host.command({ kind: 'register', start, end: start + 9, priority: 1 });

const warnings = (host: SimHost): string => host.machine?.warnings().join('\n') ?? '';

/** Puts the first host's disk, as it is now, under a new host. */
function copyOf(session: Session, source: SimHost, domain: number): SimHost {
  const copy = session.world.addHost({ domain, join: [session.world.hosts[1]?.address ?? source.address] });
  copy.disk.restore(source.disk.copy());
  return copy;
}

describe.each([
  ['by multicast', 0],
  ['by what others tell', -1],
])('a copied state directory, found out %s', (_how, domain) => {
  it('of a running node: the copy takes a new id, and no change of either is lost', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const session = group(4, seed, domain);
      const { world } = session;
      const original = world.hosts[0] as SimHost;
      const id = original.id;
      const copy = copyOf(session, original, domain);
      copy.start();
      settle(session);
      expect([copy.renewals, copy.refusals, original.renewals, original.refusals]).toEqual([1, 0, 0, 0]);
      expect(original.machine?.id).toBe(id);
      expect(copy.machine?.id).not.toBe(id);
      expect(warnings(original)).toContain(`another process ran with this node's id, at ${copy.address}`);
      register(copy, 100);
      register(original, 200);
      session.converge(10_000);
      expect(original.machine?.ranges().map(({ node }) => node)).toEqual([copy.machine?.id, id]);
      session.checkEnd();
      expect(world.violations, `seed ${seed}`).toEqual([]);
    }
  });

  it('of a node with registrations: the copy ends, and the original is as it was', () => {
    const session = group(4, 7, domain);
    const { world } = session;
    const original = world.hosts[0] as SimHost;
    register(original, 100);
    session.converge(10_000);
    const copy = copyOf(session, original, domain);
    copy.start();
    world.runUntilTrue(() => !copy.running, world.nowMs + 20_000);
    expect([copy.running, copy.refusals, original.running]).toEqual([false, 1, true]);
    settle(session);
    const seen = world.hosts[2]?.machine?.members(0).find(({ id }) => id === original.id);
    expect(seen?.address).toBe(original.address);
    expect(world.hosts[2]?.machine?.ranges()).toHaveLength(1);
    expect(world.violations).toEqual([]);
  });

  it('of a node whose only other member the copy replaced is found out by its call', () => {
    const session = group(2, 9, domain);
    const { world } = session;
    const [original, copy] = world.hosts as [SimHost, SimHost];
    copy.crash(false);
    copy.disk.restore(original.disk.copy());
    copy.start();
    settle(session);
    expect([copy.renewals, original.renewals]).toEqual([1, 0]);
    expect(world.violations).toEqual([]);
  });

  it('that cannot be asked, because the two are cut off from each other, uses no dot of the original', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const session = group(4, seed, domain);
      const { world } = session;
      const original = world.hosts[0] as SimHost;
      const copy = copyOf(session, original, domain);
      world.network.cut(original.index, copy.index);
      world.network.cut(copy.index, original.index);
      copy.start();
      for (let i = 0; i < 40; i++) {
        world.events.after(250 * i, () => register(i % 2 === 0 ? original : copy, 10 * i));
      }
      world.runUntil(world.nowMs + 12_000);
      world.network.heal();
      world.runUntilTrue(() => !copy.running, world.nowMs + 60_000);
      expect([copy.refusals, original.running]).toEqual([1, true]);
      settle(session, 30_000);
      expect(original.machine?.ranges().length).toBeGreaterThan(20);
      expect(world.violations, `seed ${seed}`).toEqual([]);
    }
  });

  it('started while the original is off: the original, which is the later one, takes a new id', () => {
    const session = group(4, 8, domain);
    const { world } = session;
    const original = world.hosts[0] as SimHost;
    original.crash(true);
    const copy = copyOf(session, original, domain);
    copy.start();
    world.runUntil(world.nowMs + 15_000);
    original.start();
    settle(session);
    expect([copy.renewals, original.renewals]).toEqual([0, 1]);
    expect(world.violations).toEqual([]);
  });

  it('on five boards switched on at one moment: one keeps the id, each of the others takes its own', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const session = group(3, seed, domain);
      const { world } = session;
      const original = world.hosts[0] as SimHost;
      const id = original.id;
      original.crash(true);
      const copies = [1, 2, 3, 4].map(() => copyOf(session, original, domain));
      for (const host of [original, ...copies]) host.start();
      settle(session, 30_000);
      const five = [original, ...copies];
      expect(five.filter((host) => host.machine?.id === id)).toHaveLength(1);
      expect(five.every((host) => host.running)).toBe(true);
      expect(world.violations, `seed ${seed}`).toEqual([]);
    }
  });
});

describe('what only looks like a copy', () => {
  it('is not taken for one: a restart, with and without its address, while its own old words are under way', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const link = { lateP: 0.5, lateMs: 3000, duplicateP: 0.3, lossP: 0.1 };
      const session = new Session({ seed, factory: createNode, link });
      session.addHosts(4, () => 0);
      session.startAll(200);
      session.converge(20_000);
      const host = session.world.hosts[1] as SimHost;
      for (let i = 0; i < 5; i++) {
        host.crash(false);
        host.start();
        session.world.runUntil(session.world.nowMs + 700);
      }
      host.crash(false);
      const moved = session.world.addHost({
        domain: 0,
        join: [session.world.hosts[0]?.address ?? host.address],
      });
      moved.disk.restore(host.disk.copy());
      moved.start();
      session.world.runUntil(session.world.nowMs + 20_000);
      settle(session);
      expect(session.world.hosts.map(({ renewals, refusals }) => renewals + refusals)).toEqual([
        0, 0, 0, 0, 0,
      ]);
      expect(moved.machine?.id).toBe(host.id);
      expect(session.world.violations, `seed ${seed}`).toEqual([]);
    }
  });
});

describe('a restored state directory', () => {
  it('is noticed and named, and no dot is used twice, not even for what it is asked before it met anybody', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const session = group(4, seed);
      const { world } = session;
      const host = world.hosts[0] as SimHost;
      register(host, 0);
      session.converge(10_000);
      const backup = host.disk.copy();
      for (let life = 0; life < 3; life++) {
        for (let i = 1; i < 30; i++) register(host, 1000 * life + 10 * i);
        session.converge(10_000);
        host.crash(false);
        host.start();
        session.converge(20_000);
      }
      host.crash(false);
      host.disk.restore(backup);
      world.network.partition([1, 0, 0, 0]);
      host.start();
      for (let i = 0; i < 30; i++) register(host, 10_000 + 10 * i);
      world.runUntil(world.nowMs + 2000);
      world.network.heal();
      settle(session, 30_000);
      for (const each of world.running()) expect(each.machine?.ranges()).toHaveLength(118);
      expect(warnings(host)).toContain('restored from an older copy?');
      session.checkEnd();
      expect(world.violations, `seed ${seed}`).toEqual([]);
    }
  });
});

describe('a wiped state directory', () => {
  it('makes a new member of the same name and address; the old one is down, and the warning says what to run', () => {
    const session = group(4, 3);
    const { world } = session;
    const host = world.hosts[2] as SimHost;
    const before = host.id;
    host.crash(false);
    host.disk.wipe();
    host.start();
    world.runUntil(world.nowMs + 15_000);
    settle(session);
    for (const each of world.running()) {
      expect(warnings(each)).toContain(`'n2' was ${before} before, which is down`);
      expect(warnings(each)).toContain(`shoal force-leave ${before}`);
    }
    session.beforeLeave({ id: before } as SimHost);
    world.hosts[0]?.command({ kind: 'force-leave', node: before ?? '' }, (answer) =>
      expect(answer).toEqual({ ok: null }),
    );
    world.runUntil(world.nowMs + 3000);
    expect(warnings(world.hosts[1] as SimHost)).not.toContain('before, which');
    expect(world.violations).toEqual([]);
  });
});
