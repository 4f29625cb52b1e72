import { describe, expect, it } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import type { SimHost } from './host.ts';
import { Session } from './session.ts';
import { addressOf } from './world.ts';

/** Bugs the fault scenario found, each as the shortest story that shows it. */
describe('nodes that lost each other find each other again', () => {
  /** `given`: the second has the first as a configured contact; else it is told once, by a command. */
  function pair(given: boolean): { session: Session; a: SimHost; b: SimHost } {
    const session = new Session({ seed: 1, factory: createNode });
    if (given) session.addHosts(2, () => -1);
    else for (let i = 0; i < 2; i++) session.world.addHost({});
    session.startAll(10);
    const [first, second] = session.world.hosts as [SimHost, SimHost];
    if (!given) second.command({ kind: 'join', addresses: [first.address] });
    session.world.runUntil(session.world.nowMs + 100);
    expect(session.converge(5000)).toBeLessThan(5000);
    return { session, a: first, b: second };
  }

  it('when each was told during a partition that the other has left', () => {
    const { session, a, b } = pair(false);
    session.world.network.partition([0, 1]);
    for (const [by, other] of [
      [a, b],
      [b, a],
    ] as const) {
      session.beforeLeave(other);
      by.command({ kind: 'force-leave', node: other.id ?? '' });
    }
    session.world.runUntil(session.world.nowMs + 10_000);
    session.world.network.partition([]);
    session.converge(15_000);
    session.checkEnd();
    expect(session.world.violations).toEqual([]);
  });

  it('when one left and came back as a stranger, while the other lists a ghost of itself as alive', () => {
    const { session, a, b } = pair(true);
    const { world } = session;
    // b loses its disk: its old record stays, alive, at its own address.
    b.crash(false);
    b.wipe();
    b.start();
    session.converge(15_000);
    session.beforeLeave(a);
    a.command({ kind: 'leave', release: false });
    world.runUntilTrue(() => a.machine?.left() ?? false, world.nowMs + 3000);
    a.stopCleanly();
    a.wipe();
    world.runUntil(world.nowMs + 1000);
    a.start();
    world.runUntil(world.nowMs + 20_000);
    session.converge(1000);
    session.checkEnd();
    expect(world.violations).toEqual([]);
    expect(b.machine?.members(b.localMs()).some((member) => member.id === a.id)).toBe(true);
  });

  it('when two groups formed apart, and one node\u2019s contact in the other group came only later', () => {
    const session = new Session({ seed: 1, factory: createNode });
    const { world } = session;
    const first = world.addHost({});
    const late = addressOf(3);
    world.addHost({ join: [first.address, late] });
    const other = world.addHost({});
    world.addHost({ join: [other.address] }).off = true;
    for (const host of world.hosts.slice(0, 3)) host.start();
    world.runUntil(10 * 60_000);
    expect(world.hosts.map((host) => host.machine?.memberCounts().alive)).toEqual([2, 2, 1, undefined]);
    world.hosts[3]?.start();
    world.runUntil(world.nowMs + 6.5 * 60_000);
    expect(world.hosts.map((host) => host.machine?.memberCounts().alive)).toEqual([4, 4, 4, 4]);
    session.converge(1000);
    session.checkEnd();
    expect(world.violations).toEqual([]);
  });
});
