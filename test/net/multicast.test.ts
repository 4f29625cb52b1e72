import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestAgent } from '../e2e/harness.ts';
import { Bed, canRun, type Figures, figures, gossipOf, since } from './bed.ts';
import { entryEverywhere, named, settled } from './group.ts';

/** "At once": hops and polls on two slow cores; anti-entropy alone would take longer on the mean. */
const AT_ONCE_MS = 700;

describe.skipIf(!canRun())('nodes that multicast does not reach', () => {
  let bed: Bed;
  let agents: TestAgent[];

  beforeAll(async () => {
    bed = await Bed.up(5, 3);
    await bed.net('nomcast', 'a3');
    const join: Record<string, string> = { a3: 'a1', b1: 'a1' };
    agents = await Promise.all(
      bed.nodes.map((node) => {
        const contact = join[node];
        return bed.start(node, ...(contact === undefined ? [] : ['--join', gossipOf(contact)]));
      }),
    );
  });

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  /** Changes one after the other, each seen everywhere within the time; gives what they cost. */
  async function changes(origins: readonly string[], position: number, withinMs: number): Promise<Figures> {
    const before = await figures(agents);
    for (const [i, origin] of origins.entries()) {
      const at = position + i;
      await named(agents, origin).call('PUT', '/v1/ranges', { start: at, end: at, priority: 1 });
      await entryEverywhere(agents, origin, `${at}-${at}`, 1, withinMs);
    }
    return since(before, await figures(agents));
  }

  test('a node without multicast is a set of its own and gets every change at once, by the tree', async () => {
    await settled(agents, 30_000, ['a3']);
    const origins = ['a1', 'a2', 'a5', 'b1', 'b3', 'a3'];
    const cost = await changes(origins, 0, AT_ONCE_MS);
    // Three sets: the rest of LAN A, a3, LAN B. Only the two with others in them are multicast to.
    expect(cost.multicasts).toBe(2 * origins.length);
    expect(cost.trees - cost.retries).toBe(2 * origins.length);
    expect(cost).toMatchObject({ takeovers: 0, pushes: 0, sessions: 0 });
  });

  test('when a node loses multicast later, changes still arrive within seconds, and once reach has expired the tree brings them at once', async () => {
    await bed.net('nomcast', 'a5');
    await changes(['a1', 'b2', 'a4'], 100, 8_000);
    await settled(agents, 45_000, ['a3', 'a5']);
    const origins = ['a1', 'b2', 'a5', 'a3'];
    const cost = await changes(origins, 200, AT_ONCE_MS);
    expect(cost.trees - cost.retries).toBe(3 * origins.length);
    expect(cost).toMatchObject({ multicasts: 2 * origins.length, takeovers: 0, pushes: 0, sessions: 0 });
  });

  test('when multicast is back, the sets are one again', async () => {
    await bed.net('heal');
    await settled(agents, 45_000);
    const cost = await changes(['a5', 'a3', 'b1'], 300, AT_ONCE_MS);
    expect(cost).toMatchObject({ multicasts: 6, takeovers: 0, pushes: 0, sessions: 0 });
    expect(cost.trees - cost.retries).toBe(3);
  });
});
