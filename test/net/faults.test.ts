import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { agreement, eventually, type TestAgent } from '../e2e/harness.ts';
import { Bed, canRun, figures, since } from './bed.ts';
import { entryEverywhere, lan, named, others } from './group.ts';

describe.skipIf(!canRun())('a network that loses, delays and cuts', () => {
  let bed: Bed;
  let agents: TestAgent[];
  /** Positions are used once. */
  let position = 0;

  beforeAll(async () => {
    bed = await Bed.up(5, 3);
    agents = await bed.startAll();
    await agreement(agents, 30_000);
  });

  afterEach(async () => {
    await bed.net('heal');
    await agreement(agents, 30_000);
  });

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  const register = async (origin: string): Promise<string> => {
    const at = position++;
    const { status } = await named(agents, origin).call('PUT', '/v1/ranges', {
      start: at,
      end: at,
      priority: 1,
    });
    expect(status).toBe(200);
    return `${at}-${at}`;
  };

  /** A change on each of these; all are seen by all within the time. */
  async function changesFrom(
    origins: readonly string[],
    withinMs: number,
    seers: readonly TestAgent[] = agents,
  ): Promise<number> {
    const made = await Promise.all(
      origins.map(async (origin) => ({ origin, range: await register(origin) })),
    );
    const times = made.map(({ origin, range }) => entryEverywhere(seers, origin, range, 1, withinMs));
    return Math.max(...(await Promise.all(times)));
  }

  const ALL = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'b3'];

  test('with 30 % loss on every node, changes are everywhere within 10 s', async () => {
    for (const node of bed.nodes) await bed.net('loss', node, 30);
    for (let round = 0; round < 3; round++) await changesFrom(ALL, 10_000);
  });

  test('with 30 % loss on one node, changes are everywhere within 10 s', async () => {
    await bed.net('loss', 'a2', 30);
    for (let round = 0; round < 3; round++) await changesFrom(['a1', 'a2', 'b1'], 10_000);
  });

  test('with cuts in one direction only, changes are everywhere within 10 s', async () => {
    await bed.net('oneway', 'a1', 'b1');
    await bed.net('oneway', 'a2', 'a3');
    await bed.net('oneway', 'b3', 'a4');
    for (let round = 0; round < 2; round++) await changesFrom(ALL, 10_000);
  });

  test('a node that hears all and is heard by nobody has every change, and its own arrive when it is heard again', async () => {
    for (const node of bed.nodes) if (node !== 'a3') await bed.net('oneway', 'a3', node);
    await changesFrom(['a1', 'b2'], 10_000);
    const range = await register('a3');
    await bed.net('heal');
    await entryEverywhere(agents, 'a3', range, 1, 15_000);
  });

  test('with 50 ms of delay to each node of LAN B, nodes learn to wait: messages are not sent twice', async () => {
    for (const { name } of lan(agents, 'b')) await bed.net('delay', name, 50);
    // What was measured on the fast network does not hold any more: some changes to learn from.
    for (let round = 0; round < 8; round++) await changesFrom(['a1', 'b1'], 10_000);
    const before = await figures(agents);
    const origins = ['a1', 'b1', 'a4', 'b3', 'a1', 'b1', 'a4', 'b3', 'a1', 'b1'];
    let slowestMs = 0;
    for (const origin of origins) slowestMs = Math.max(slowestMs, await changesFrom([origin], 10_000));
    const cost = since(before, await figures(agents));
    for (const { name } of lan(agents, 'b')) await bed.net('delay', name, 0);
    expect(cost.retries).toBeLessThanOrEqual(origins.length / 2);
    expect(cost.takeovers).toBeLessThanOrEqual(1);
    expect(slowestMs).toBeLessThan(5_000);
  });

  test('nodes that are stopped for a while hold nobody up, and have all that they missed soon after they go on', async () => {
    const stopped = ['a3', 'b1'];
    for (const name of stopped) named(agents, name).running.kill('SIGSTOP');
    const origins = ['a1', 'b2', 'a4'];
    const made = await Promise.all(
      origins.map(async (origin) => ({ origin, range: await register(origin) })),
    );
    for (const { origin, range } of made) {
      await entryEverywhere(others(agents, ...stopped), origin, range, 1, 6_000);
    }
    // Longer than messages are repeated.
    await new Promise((done) => setTimeout(done, 4_000));
    for (const name of stopped) named(agents, name).running.kill('SIGCONT');
    for (const { origin, range } of made) await entryEverywhere(agents, origin, range, 1, 30_000);
  });

  /** Multicast works for all: a change is spread by the minimum of messages, and nobody asks for more. */
  async function multicastWorks(): Promise<void> {
    await eventually(
      'a change costs two multicasts and one tree message',
      async () => {
        const before = await figures(agents);
        await changesFrom(['a1'], 10_000);
        // What a node missed would be asked for or pushed within this time.
        await changesFrom(['b2'], 10_000);
        await changesFrom(['a2'], 10_000);
        const cost = since(before, await figures(agents));
        if (cost.multicasts === 6 && cost.trees - cost.retries === 3 && cost.repairs + cost.sessions === 0)
          return true;
        throw new Error(JSON.stringify(cost));
      },
      30_000,
    );
  }

  test('a node whose cable is pulled goes on by itself and is one of all again when it is plugged in', async () => {
    const a2 = named(agents, 'a2');
    await bed.net('link', 'a2', 'down');
    const offline = await register('a2');
    const online = await register('b1');
    await entryEverywhere(others(agents, 'a2'), 'b1', online, 1, 10_000);
    await eventually('sending fails', async () => (await figures([a2])).sendErrors > 0, 10_000);
    await bed.net('link', 'a2', 'up');
    await entryEverywhere(agents, 'a2', offline, 1, 15_000);
    await entryEverywhere(agents, 'b1', online, 1, 15_000);
    await multicastWorks();
    expect(a2.running.alive).toBe(true);
    expect(a2.log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
  });

  test('a node whose network adapter is replaced is heard and hears multicast again', async () => {
    const a2 = named(agents, 'a2');
    await bed.net('replug', 'a2');
    await changesFrom(['a2', 'b1'], 15_000);
    await multicastWorks();
    expect(a2.log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
  });
});
