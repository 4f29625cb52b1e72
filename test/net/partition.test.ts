import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { agreement, eventually, shoal, type TestAgent } from '../e2e/harness.ts';
import { Bed, canRun } from './bed.ts';
import { entriesOf, entryEverywhere, everywhere, lan, named, others } from './group.ts';

const PARTITION_MS = 20_000;
const HEAL_MS = 15_000;

async function write(agent: TestAgent, method: string, body: Record<string, unknown>): Promise<void> {
  const { status, json } = await agent.call(method, '/v1/ranges', body);
  if (status !== 200) throw new Error(`${agent.name}: ${method}: ${status} ${JSON.stringify(json)}`);
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

describe.skipIf(!canRun())('parts that do not see each other', () => {
  test('a partition into 3 and 5 nodes for 20 s, with changes on both sides, heals within 15 s: nothing lost, no release undone', async () => {
    await using bed = await Bed.up(5, 3);
    const agents = await bed.startAll();
    await agreement(agents, 30_000);
    const small = agents.filter(({ name }) => ['a1', 'a2', 'b1'].includes(name));
    const large = others(agents, ...small.map(({ name }) => name));
    const on = (name: string): TestAgent => named(agents, name);
    await write(on('a1'), 'PUT', { start: 1, end: 1, priority: 5 });
    await write(on('a3'), 'PUT', { start: 2, end: 2, priority: 5 });
    await write(on('a3'), 'PUT', { start: 3, end: 3, priority: 5 });
    await write(on('b1'), 'PUT', { start: 4, end: 4, priority: 5 });
    await write(on('b2'), 'PUT', { start: 5, end: 5, priority: 5 });
    for (const [owner, at] of [
      ['a1', 1],
      ['a3', 2],
      ['a3', 3],
      ['b1', 4],
      ['b2', 5],
    ] as const) {
      await entryEverywhere(agents, owner, `${at}-${at}`, 5, 15_000);
    }
    await bed.net('split', small.map(({ name }) => name).join(' '), large.map(({ name }) => name).join(' '));
    const startMs = performance.now();
    // Entry 1 is released on its side; 2 increased on both; 3 released on one, increased on the other; 4 and 5 released by the other side.
    await write(on('a1'), 'DELETE', { start: 1, end: 1 });
    await write(on('a2'), 'PATCH', { start: 2, end: 2, by: 2, node: 'a3' });
    await write(on('b3'), 'PATCH', { start: 2, end: 2, by: 3, node: 'a3' });
    await write(on('b1'), 'DELETE', { start: 3, end: 3, node: 'a3' });
    await write(on('a3'), 'PATCH', { start: 3, end: 3, by: 4 });
    await write(on('a4'), 'DELETE', { start: 4, end: 4, node: 'b1' });
    await write(on('a2'), 'DELETE', { start: 5, end: 5, node: 'b2' });
    for (const [i, agent] of agents.entries()) {
      await write(agent, 'PUT', { start: 10 + i, end: 10 + i, priority: 1 });
    }
    const count = (entries: string, from: number): number =>
      entries.split(' ').filter((part) => Number(part.split('-')[0]) >= from).length;
    await everywhere('three new entries', small, (entries) => count(entries, 10) === 3, 15_000);
    await everywhere('five new entries', large, (entries) => count(entries, 10) === 5, 15_000);
    await pause(PARTITION_MS - (performance.now() - startMs));
    expect(count(await entriesOf(on('a1')), 10)).toBe(3);
    expect(count(await entriesOf(on('a5')), 10)).toBe(5);
    await bed.net('heal');
    const expected = [
      'a3 2-2:10',
      'a3 3-3:4',
      ...agents.map(({ name }, i) => `${name} ${10 + i}-${10 + i}:1`),
    ].join(' ');
    await everywhere('the merged map', agents, (entries) => entries === expected, HEAL_MS);
    await agreement(agents, 30_000);
  });

  test('two halves that each take a key of their own while split: after healing they agree on the ring and the map within 15 s, nothing typed', async () => {
    await using bed = await Bed.up(4);
    const newKey = async (): Promise<string> => (await shoal(['keygen'])).stdout;
    const file = bed.path('keys');
    writeFileSync(file, await newKey(), { mode: 0o600 });
    const agents = await Promise.all(bed.nodes.map((node) => bed.start(node, '--key-file', file)));
    await agreement(agents, 30_000);
    const ids = async (agent: TestAgent): Promise<string> =>
      (await agent.get<{ keys: { id: string }[] }>('/v1/keys')).keys.map(({ id }) => id).join(' ');
    const first = await ids(named(agents, 'a1'));
    await bed.net('split', 'a1 a2', 'a3 a4');
    const taken: string[] = [];
    for (const [one, other, at] of [
      ['a1', 'a2', 1],
      ['a3', 'a4', 2],
    ] as const) {
      await named(agents, one).ok('keys', 'install', (await newKey()).trim());
      const [, key = ''] = (await ids(named(agents, one))).split(' ');
      taken.push(key);
      const has = async (name: string, ring: string) => (await ids(named(agents, name))) === ring;
      await eventually(`${other} has it`, () => has(other, `${first} ${key}`), 15_000);
      await named(agents, other).ok('keys', 'use', key);
      await eventually(`${one} uses it`, () => has(one, `${key} ${first}`), 15_000);
      await write(named(agents, one), 'PUT', { start: at, end: at, priority: 1 });
    }
    // Long enough to be down to each other, and for all that was said before to be old.
    await eventually(
      'the halves have given each other up',
      async () => {
        const states = await Promise.all(agents.map((agent) => agent.memberStates()));
        return states.every((state) => state.filter((one) => one.endsWith('=down')).length === 2);
      },
      30_000,
    );
    await bed.net('heal');
    await eventually(
      'one ring, with all keys',
      async () => {
        const rings = await Promise.all(agents.map(ids));
        if (new Set(rings).size > 1) throw new Error(rings.join(', '));
        return rings[0]?.split(' ').sort().join() === [first, ...taken].sort().join();
      },
      HEAL_MS,
    );
    await everywhere('both changes', agents, (entries) => entries === 'a1 1-1:1 a3 2-2:1', HEAL_MS);
    await agreement(agents, HEAL_MS);
    expect(taken).toContain((await ids(named(agents, 'a4'))).split(' ')[0]);
  });

  test('a whole group that was off, half of it by kill -9, finds itself again with all its ranges and without --join', async () => {
    await using bed = await Bed.up(5, 3);
    let agents = await bed.startAll();
    await agreement(agents, 30_000);
    for (const [i, agent] of agents.entries()) {
      await write(agent, 'PUT', { start: i, end: i, priority: 1 + i });
    }
    const expected = agents.map(({ name }, i) => `${name} ${i}-${i}:${1 + i}`).join(' ');
    await everywhere('eight entries', agents, (entries) => entries === expected, 15_000);
    const ids = agents.map(({ ready }) => ready.id);

    await Promise.all(agents.map((agent, i) => agent.stop(i % 2 === 0 ? 'SIGKILL' : 'SIGTERM')));

    agents = await Promise.all(bed.nodes.map((node) => bed.start(node)));

    await agreement(agents, 30_000);

    await everywhere('eight entries', agents, (entries) => entries === expected, 15_000);
    expect(agents.map(({ ready }) => ready.id)).toEqual(ids);
  });

  test('when the router is off at start, --join keeps trying: each LAN is a group, and one group once it is on', async () => {
    await using bed = await Bed.up(5, 3);
    await bed.net('router', 'down');
    const agents = await bed.startAll();
    await agreement(lan(agents, 'a'), 30_000);
    await agreement(lan(agents, 'b'), 30_000);
    await write(named(agents, 'b2'), 'PUT', { start: 7, end: 9, priority: 2 });
    await write(named(agents, 'a2'), 'PUT', { start: 8, end: 9, priority: 3 });
    const b1 = named(agents, 'b1');
    await eventually('b1 says that its contact does not answer', () =>
      b1.log.some(({ msg }) => msg.includes('contact did not answer')),
    );
    await bed.net('router', 'up');
    await agreement(agents, 45_000);
    await entryEverywhere(agents, 'b2', '7-9', 2, 15_000);
    await entryEverywhere(agents, 'a2', '8-9', 3, 15_000);
  });
});
