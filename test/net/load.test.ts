import { describe, expect, test } from 'vitest';
import { agreement, type TestAgent } from '../e2e/harness.ts';
import { Bed, canRun, gossipOf, metrics } from './bed.ts';
import { everywhere, named } from './group.ts';

const REGISTRATIONS = 2_000;
/** Registrations under way at once. */
const WRITERS = 32;

async function load(agent: TestAgent): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let at = next++; at < REGISTRATIONS; at = next++) {
      const { status } = await agent.call('PUT', '/v1/ranges', { start: at, end: at + 9, priority: 1 });
      expect(status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

const complete = (entries: string): boolean => entries.split(' ').length === 2 * REGISTRATIONS;

describe.skipIf(!canRun())('a burst of registrations', () => {
  test('2000 registrations on one node reach all under 10 % loss, and one that joins late has them at once, over TCP', async () => {
    await using bed = await Bed.up(5, 3);
    const early = bed.nodes.filter((node) => node !== 'a5');
    const agents = await Promise.all(
      early.map((node) => bed.start(node, ...(node === 'b1' ? ['--join', gossipOf('a1')] : []))),
    );
    await agreement(agents, 30_000);
    for (const node of bed.nodes) await bed.net('loss', node, 10);
    await load(named(agents, 'a2'));
    await everywhere(`${REGISTRATIONS} entries`, agents, complete, 60_000);
    const late = await bed.start('a5', '--join', gossipOf('b2'));
    await everywhere(`${REGISTRATIONS} entries`, [late], complete, 30_000);
    expect((await metrics(late)).get('shoal_received_bytes_total{via="stream"}')).toBeGreaterThan(20_000);
    await agreement([...agents, late], 30_000);
  });
});
