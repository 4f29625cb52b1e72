import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox, type TestAgent } from './harness.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
/** What "within seconds" means here, with two slow cores and five processes. */
const SPREAD_MS = 20_000;
/** From a kill until all know, on a loaded machine. */
const DOWN_MS = 60_000;

async function byMulticast(sandbox: Sandbox, names: readonly string[]): Promise<TestAgent[]> {
  return await Promise.all(names.map((name) => sandbox.start({ name })));
}

/** The first alone, the others told of it. */
async function byAddress(sandbox: Sandbox, names: readonly string[]): Promise<TestAgent[]> {
  const [first, ...others] = names;
  const contact = await sandbox.start({ name: first ?? '', multicast: false });
  const flags = ['--join', contact.ready.gossip];
  return [
    contact,
    ...(await Promise.all(others.map((name) => sandbox.start({ name, multicast: false, flags })))),
  ];
}

async function seenByAll(
  agents: readonly TestAgent[],
  owner: string,
  ranges: readonly string[],
): Promise<void> {
  await eventually(
    `all see ${owner}: ${ranges.join(' ') || 'nothing'}`,
    async () => {
      const seen = await Promise.all(agents.map((agent) => agent.rangesOf(owner)));
      for (const list of seen) if (list.join(' ') !== ranges.join(' ')) throw new Error(JSON.stringify(seen));
      return true;
    },
    SPREAD_MS,
  );
}

test('five agents find each other by multicast on loopback and agree', async () => {
  await using sandbox = new Sandbox();
  const agents = await byMulticast(sandbox, NAMES);
  await agreement(agents);
  const { multicast } = await (agents[0] as TestAgent).get<{ multicast: { enabled: boolean } }>('/v1/status');
  expect(multicast.enabled).toBe(true);
});

test('without multicast, five agents find each other by --join and agree', async () => {
  await using sandbox = new Sandbox();
  await agreement(await byAddress(sandbox, NAMES));
});

test.each([
  ['multicast', byMulticast],
  ['the tree alone', byAddress],
] as const)('by %s, every change to a range is seen by all and converged says so', async (_, form) => {
  await using sandbox = new Sandbox();
  const agents = await form(sandbox, ['a', 'b', 'c']);
  await agreement(agents);
  const [a, b, c] = agents as [TestAgent, TestAgent, TestAgent];
  await a.ok('register', '0', '0x7fffffff', '--priority', '3');
  await seenByAll(agents, 'a', ['0-2147483647:3']);
  expect((await b.ok('increase', '0', '0x7fffffff', '4', '--node', 'a')).trim()).toBe('7');
  await seenByAll(agents, 'a', ['0-2147483647:7']);
  expect((await c.ok('decrease', '0', '0x7fffffff', '2', '--node', 'a')).trim()).toBe('5');
  await seenByAll(agents, 'a', ['0-2147483647:5']);
  await b.ok('converged', '--wait', '5');
  expect((await b.ok('decrease', '0', '0x7fffffff', '5', '--node', 'a')).trim()).toBe('released');
  await seenByAll(agents, 'a', []);
  await c.ok('register', 'slot:7', 'slot:7');
  await seenByAll(agents, 'c', [`${7 * 2 ** 18}-${8 * 2 ** 18 - 1}:1`]);
  await c.ok('release', 'slot:7', 'slot:7');
  await seenByAll(agents, 'c', []);
  for (const agent of agents) await agent.ok('converged', '--wait', '5');
});

test('a node that is killed and started again is back with its id and its ranges, at a higher incarnation', async () => {
  await using sandbox = new Sandbox();
  const agents = await byMulticast(sandbox, ['a', 'b', 'c']);
  const [a, b, c] = agents as [TestAgent, TestAgent, TestAgent];
  await agreement(agents);
  await c.ok('register', '10', '20', '--priority', '2');
  await seenByAll(agents, 'c', ['10-20:2']);
  const incarnation = async (): Promise<number> =>
    (await c.get<{ node: { incarnation: number } }>('/v1/status')).node.incarnation;
  const before = await incarnation();
  await c.stop('SIGKILL');
  await a.ok('register', '30', '40');
  const again = await sandbox.start({ name: 'c' });
  expect(again.ready.id).toBe(c.ready.id);
  await agreement([a, b, again]);
  await seenByAll([a, b, again], 'c', ['10-20:2']);
  await seenByAll([a, b, again], 'a', ['30-40:1']);
  const { node } = await again.get<{ node: { incarnation: number } }>('/v1/status');
  expect(node.incarnation).toBeGreaterThan(before);
});

test('a group that was switched off as a whole finds itself again without --join and without multicast', async () => {
  await using sandbox = new Sandbox();
  const agents = await byAddress(sandbox, ['a', 'b', 'c']);
  await agreement(agents);
  await (agents[0] as TestAgent).ok('register', '0', '99');
  await seenByAll(agents, 'a', ['0-99:1']);
  const binds = agents.map(({ ready }) => ready.gossip);
  await Promise.all(agents.map((agent, i) => agent.stop(i === 0 ? 'SIGTERM' : 'SIGKILL')));
  const again = await Promise.all(
    ['a', 'b', 'c'].map((name, i) =>
      sandbox.start({ name, multicast: false, flags: ['--bind', binds[i] as string] }),
    ),
  );
  await agreement(again);
  await seenByAll(again, 'a', ['0-99:1']);
});

test('SIGTERM announces left and releases nothing; a restart is back under the same id', async () => {
  await using sandbox = new Sandbox();
  const agents = await byMulticast(sandbox, ['a', 'b']);
  const [a, b] = agents as [TestAgent, TestAgent];
  await agreement(agents);
  await b.ok('register', '5', '6');
  await seenByAll(agents, 'b', ['5-6:1']);
  expect((await b.stop()).code).toBe(0);
  await eventually('b is listed as left', async () => (await a.memberStates()).includes('b=left'), SPREAD_MS);
  expect(await a.rangesOf('b')).toEqual(['5-6:1']);
  const again = await sandbox.start({ name: 'b' });
  expect(again.ready.id).toBe(b.ready.id);
  await agreement([a, again]);
  await seenByAll([a, again], 'b', ['5-6:1']);
});

test('leave stops the daemon with exit code 0, and --release gives its ranges up', async () => {
  await using sandbox = new Sandbox();
  const agents = await byMulticast(sandbox, ['a', 'b', 'c']);
  const [a, b, c] = agents as [TestAgent, TestAgent, TestAgent];
  await agreement(agents);
  await b.ok('register', '1', '2');
  await c.ok('register', '3', '4');
  await seenByAll(agents, 'b', ['1-2:1']);
  await seenByAll(agents, 'c', ['3-4:1']);
  await b.ok('leave');
  expect((await b.running.ended).code).toBe(0);
  await c.ok('leave', '--release');
  expect((await c.running.ended).code).toBe(0);
  await eventually(
    'both are listed as left',
    async () => (await a.memberStates()).join() === 'a=alive,b=left,c=left',
    SPREAD_MS,
  );
  await seenByAll([a], 'b', ['1-2:1']);
  await seenByAll([a], 'c', []);
});

test('force-leave marks a dead member left; one that is alive after all is back by itself', async () => {
  await using sandbox = new Sandbox();
  const agents = await byMulticast(sandbox, ['a', 'b', 'c']);
  const [a, b, c] = agents as [TestAgent, TestAgent, TestAgent];
  await agreement(agents);
  expect((await a.verb('force-leave', 'c')).stderr).toContain("'c' is alive");
  await c.stop('SIGKILL');
  for (const agent of [a, b]) {
    await eventually(
      'c is known to be down',
      async () => (await agent.memberStates()).includes('c=down'),
      DOWN_MS,
    );
  }
  await a.ok('force-leave', 'c');
  await eventually('b lists c as left', async () => (await b.memberStates()).includes('c=left'), SPREAD_MS);
  const again = await sandbox.start({ name: 'c' });
  await agreement([a, b, again]);
});

test('two nodes with one name are both listed, and the status warns of it', async () => {
  await using sandbox = new Sandbox();
  const one = await sandbox.start({ name: 'twin', dataDir: sandbox.path('one') });
  const two = await sandbox.start({ name: 'twin', dataDir: sandbox.path('two') });
  await agreement([one, two]);
  expect(one.ready.id).not.toBe(two.ready.id);
  for (const agent of [one, two]) {
    const { warnings } = await agent.get<{ warnings: string[] }>('/v1/status');
    expect(warnings.join('\n')).toContain("'twin'");
  }
});
