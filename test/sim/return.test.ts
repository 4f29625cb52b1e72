import { describe, expect, it } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { agree } from './checkers.ts';
import type { SimHost } from './host.ts';
import { Session } from './session.ts';

/** From the start of the killed one. Left to the pauses of anti-entropy it takes up to three seconds. */
const AGREE_MS = 500;
/** What a process takes to start. */
const AWAY_MS = 400;

/**
 * Found by `npm run bench -- kill9`: what was said last reached some, and those who stay have to find out by comparing among
 * themselves, at pauses of a second, one after the other.
 */
describe('a node killed while it tells of a change, and started again', () => {
  it.each([
    ['by multicast', 0],
    ['by the tree', -1],
  ])('agrees with all at once, though those who stayed differ (%s)', (_how, domain) => {
    let split = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const session = new Session({ seed, factory: createNode });
      session.addHosts(4, () => domain);
      session.startAll(200);
      session.converge(10_000);
      const { world } = session;
      world.runUntil(world.nowMs + 10_000);
      const [victim, , heard] = world.hosts as [SimHost, SimHost, SimHost];
      for (const deaf of [1, 3]) world.network.cut(0, deaf);
      if (domain < 0) for (const deaf of [1, 3]) world.network.cut(2, deaf);
      const before = heard.machine?.digest();
      victim.command({ kind: 'register', start: 10 * seed, end: 10 * seed + 9, priority: 1 });
      world.runUntilTrue(() => heard.machine?.digest() !== before, world.nowMs + 200, 1);
      victim.crash(false);
      world.network.heal();
      world.runUntil(world.nowMs + AWAY_MS);
      if (new Set(world.running().map((host) => host.machine?.digest())).size > 1) split++;
      victim.start();
      const fromMs = world.nowMs;
      const back = (): boolean => victim.machine?.ready().ready === true && agree(world);
      expect(world.runUntilTrue(back, fromMs + AGREE_MS, 10), `seed ${seed}`).toBe(true);
      session.checkEnd();
      expect(world.violations, `seed ${seed}`).toEqual([]);
    }
    // Else the story shows nothing.
    expect(split).toBeGreaterThan(20);
  });
});
