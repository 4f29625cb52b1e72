import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type TestAgent } from '../e2e/harness.ts';
import { Bed, canRun, type Figures, figures, gossipOf, since } from './bed.ts';
import { entryEverywhere, named, settled } from './group.ts';

/** "At once": hops and polls on two slow cores; anti-entropy alone would take longer on the mean. */
const AT_ONCE_MS = 700;
/** Machines that are busy answer late, and are told again: what changes cost is counted until nobody did, for so long. */
const COUNT_MS = 60_000;
/** And so often: one that is right among very many would be luck. */
const MAX_COUNTS = 10;

describe.skipIf(!canRun())('nodes that multicast does not reach', () => {
  let bed: Bed;
  let agents: TestAgent[];
  /** Positions are used once. */
  let position = 0;

  beforeAll(async () => {
    bed = await Bed.up(5, 3);
    await bed.net('mute', 'a2');
    await bed.net('nomcast', 'a3');
    const join: Record<string, string> = { a2: 'a1', a3: 'a1', b1: 'a1' };
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
  async function changes(origins: readonly string[], withinMs: number): Promise<Figures> {
    const before = await figures(agents);
    for (const origin of origins) {
      const at = position++;
      await named(agents, origin).call('PUT', '/v1/ranges', { start: at, end: at, priority: 1 });
      await entryEverywhere(agents, origin, `${at}-${at}`, 1, withinMs);
    }
    return since(before, await figures(agents));
  }

  /**
   * A change on each of these is everywhere at once, for so many multicasts and tree messages each. Nothing was mended. Two nodes that
   * compare digests while a change is under way may push it: not each time.
   */
  async function byBroadcastAlone(
    origins: readonly string[],
    each: { multicasts: number; trees: number },
  ): Promise<void> {
    let counts = 0;
    await eventually(
      'changes come by broadcast alone',
      async () => {
        counts++;
        const cost = await changes(origins, AT_ONCE_MS);
        expect(cost.multicasts).toBe(each.multicasts * origins.length);
        expect(cost.trees - cost.retries).toBe(each.trees * origins.length);
        expect(cost).toMatchObject({ takeovers: 0, sessions: 0 });
        expect(cost.pushes).toBeLessThanOrEqual(origins.length / 2);
        return true;
      },
      COUNT_MS,
    );
    expect(counts).toBeLessThanOrEqual(MAX_COUNTS);
  }

  test('a node without multicast, and one that only hears it, are sets of their own and get every change at once, by the tree', async () => {
    await settled(agents, 60_000, { mute: ['a2'], deaf: ['a3'] });
    // Four sets: a1 a4 a5, a2, a3, LAN B. Only the two with others in them are multicast to.
    await byBroadcastAlone(['a1', 'a2', 'a3', 'a5', 'b1', 'b3'], { multicasts: 2, trees: 3 });
  });

  test('when a node loses multicast later, changes still arrive within seconds, and once reach has expired the tree brings them at once', async () => {
    await bed.net('nomcast', 'a5');
    await changes(['a1', 'b2', 'a4'], 20_000);
    await settled(agents, 60_000, { mute: ['a2'], deaf: ['a3', 'a5'] });
    // Five sets; a1 and a4 are two, where a directed message is cheaper than a multicast.
    await byBroadcastAlone(['a1', 'b2', 'a5', 'a3', 'a2', 'a5'], { multicasts: 1, trees: 5 });
  });

  test('when multicast is back, the sets are one again', async () => {
    await bed.net('heal');
    await settled(agents, 60_000);
    await byBroadcastAlone(['a5', 'a3', 'b1', 'a5', 'a3', 'b1'], { multicasts: 2, trees: 1 });
  });
});
