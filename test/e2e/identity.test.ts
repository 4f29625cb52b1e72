import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agreement, eventually, ROOT, Sandbox, shoal, type TestAgent } from './harness.ts';

const IN_TIME_MS = 60_000;

interface Status {
  readonly node: { readonly id: string; readonly addresses: { readonly gossip: string } };
  readonly warnings: readonly string[];
}

const status = (agent: TestAgent): Promise<Status> => agent.get<Status>('/v1/status');
const idOf = async (agent: TestAgent): Promise<string> => (await status(agent)).node.id;
const warningsOf = async (agent: TestAgent): Promise<string> => (await status(agent)).warnings.join('\n');

/** The image of a card: everything but the socket, which a copy of files cannot have. */
function copyState(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('.sock') });
}

/** Live members as a third node lists them: name and id. */
async function live(agent: TestAgent): Promise<{ name: string; id: string; address: string }[]> {
  const { members } = await agent.get<{
    members: { name: string; id: string; address: string; status: string }[];
  }>('/v1/members');
  return members.filter((member) => member.status === 'alive');
}

test('a copy of a running node’s state directory takes a new id by itself, and says why', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  copyState(b.dataDir, sandbox.path('c'));
  const c = await sandbox.start({ name: 'c' });
  expect(c.ready.id).toBe(b.ready.id);
  const renewed = await eventually('c has an id of its own', async () => {
    const id = await idOf(c);
    return id !== b.ready.id && id;
  });
  expect(await idOf(b)).toBe(b.ready.id);
  await agreement([a, b, c], IN_TIME_MS);
  expect(await warningsOf(c)).toContain(
    `this node took the new id ${renewed}: another process, at ${b.ready.gossip}`,
  );
  expect(await warningsOf(b)).toContain("another process ran with this node's id");
  expect(c.log.some(({ msg }) => msg.startsWith('this node took the new id'))).toBe(true);
  // Both go on as nodes of their own, and the new id outlives a restart.
  await c.ok('register', '100', '199');
  await b.ok('register', '200', '299');
  await agreement([a, b, c]);
  expect((await a.rangesOf()).sort()).toEqual(['b 200-299:1', 'c 100-199:1']);
  await c.stop('SIGKILL');
  const again = await sandbox.start({ name: 'c' });
  expect(again.ready.id).toBe(renewed);
  await agreement([a, b, again], IN_TIME_MS);
  expect(await again.rangesOf('c')).toEqual(['100-199:1']);
});

test.each([
  ['sealed', 4],
  ['without a key', 1],
])(
  'a copy with registrations, %s, ends with exit code %i and one line that says what to do; the original is as it was',
  async (how, expected) => {
    await using sandbox = new Sandbox();
    const keys = sandbox.path('keys');
    if (how === 'sealed') writeFileSync(keys, (await shoal(['keygen'])).stdout, { mode: 0o600 });
    const flags = how === 'sealed' ? ['--key-file', keys] : [];
    const a = await sandbox.start({ name: 'a', flags });
    const b = await sandbox.start({ name: 'b', flags });
    await b.ok('register', '200', '299');
    await agreement([a, b]);
    copyState(b.dataDir, sandbox.path('c'));
    const c = await sandbox.start({ name: 'c', flags });
    const { code, stderr } = await c.running.ended;
    // Without a key anybody could have it end for good: the service tries again.
    expect(code).toBe(expected);
    const unit = readFileSync(join(ROOT, 'deploy/shoal.service'), 'utf8');
    expect(/^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1]?.split(' ')).toEqual(['2', '4']);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`another process, at ${b.ready.gossip}, has this node's id ${b.ready.id}`);
    expect(stderr).toContain(`move ${c.dataDir} away`);
    expect(c.log.find(({ code }) => code === 'id-in-use')).toBeDefined();
    await agreement([a, b], IN_TIME_MS);
    expect(await live(a)).toContainEqual(
      expect.objectContaining({ id: b.ready.id, address: b.ready.gossip }),
    );
    expect(await a.rangesOf()).toEqual(['b 200-299:1']);
    // As the message says.
    rmSync(c.dataDir, { recursive: true });
    const anew = await sandbox.start({ name: 'c', flags });
    await agreement([a, b, anew], IN_TIME_MS);
  },
);

test('of four copies of one card switched on together one keeps the id and the others take their own', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const master = await sandbox.start({ name: 'master' });
  await agreement([a, master]);
  await master.stop();
  const names = ['c0', 'c1', 'c2', 'c3'];
  for (const name of names) copyState(master.dataDir, sandbox.path(name));
  const boards = await Promise.all(names.map((name) => sandbox.start({ name })));
  await eventually(
    'four ids',
    async () => new Set(await Promise.all(boards.map(idOf))).size === 4,
    IN_TIME_MS,
  );
  await agreement([a, ...boards], IN_TIME_MS);
  const ids = await Promise.all(boards.map(idOf));
  expect(ids.filter((id) => id === master.ready.id)).toHaveLength(1);
});

test('the original, switched on after its copy, is the one that takes a new id', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  await b.stop();
  copyState(b.dataDir, sandbox.path('c'));
  const c = await sandbox.start({ name: 'c' });
  await agreement([a, c], IN_TIME_MS);
  const back = await sandbox.start({ name: 'b' });
  await eventually('b has a new id', async () => (await idOf(back)) !== b.ready.id, IN_TIME_MS);
  expect(await idOf(c)).toBe(b.ready.id);
  await agreement([a, back, c], IN_TIME_MS);
});

test('a state directory put back from a backup is noticed, and loses and revives nothing', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  let b = await sandbox.start({ name: 'b' });
  await b.ok('register', '0', '9');
  await b.ok('register', '10', '19');
  await agreement([a, b]);
  await b.stop();
  copyState(b.dataDir, sandbox.path('backup'));
  for (let day = 0; day < 3; day++) {
    b = await sandbox.start({ name: 'b' });
    await agreement([a, b], IN_TIME_MS);
    for (let i = 0; i < 4; i++)
      await b.ok('register', String(1000 + 100 * day + 10 * i), String(1009 + 100 * day + 10 * i));
    await b.ok('increase', '10', '19', '5');
    if (day === 0) await b.ok('release', '0', '9');
    await agreement([a, b]);
    await b.stop('SIGKILL');
  }
  rmSync(b.dataDir, { recursive: true });
  copyState(sandbox.path('backup'), b.dataDir);
  const restored = await sandbox.start({ name: 'b', flags: ['--range', '5000-5009'] });
  expect(restored.ready.id).toBe(b.ready.id);
  await restored.ok('register', '6000', '6009');
  await agreement([a, restored], IN_TIME_MS);
  const ranges = await a.rangesOf('b');
  expect(ranges).toHaveLength(15);
  expect(ranges).toContain('10-19:16');
  expect(ranges).not.toContain('0-9:1');
  expect(await warningsOf(restored)).toContain('restored from an older copy?');
  expect(await idOf(restored)).toBe(b.ready.id);
});

test('a wiped state directory is a new member of the old name, and the warning says how to forget the old one', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  await b.stop('SIGKILL');
  rmSync(b.dataDir, { recursive: true });
  const anew = await sandbox.start({ name: 'b', flags: ['--bind', b.ready.gossip] });
  expect(anew.ready.id).not.toBe(b.ready.id);
  await eventually(
    'the old one is down and named',
    async () => (await warningsOf(a)).includes(`'b' was ${b.ready.id} before, which is down`),
    IN_TIME_MS,
  );
  await a.ok('force-leave', b.ready.id);
  await eventually('the warning is gone', async () => !(await warningsOf(a)).includes('which is down'));
  await agreement([a, anew]);
});

test('two live nodes of one name both stay, and the warning names their ids', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const second = { name: 'a', dataDir: sandbox.path('second') };
  const b = await sandbox.start(second);
  const ids = [a.ready.id, b.ready.id].sort().join(', ');
  for (const agent of [a, b]) {
    await eventually('both ids are named', async () =>
      (await warningsOf(agent)).includes(`more than one member is called 'a' (${ids})`),
    );
  }
});

test('a node that comes back at another address is followed there', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a', multicast: false });
  const flags = ['--join', a.ready.gossip];
  const b = await sandbox.start({ name: 'b', multicast: false, flags });
  const c = await sandbox.start({ name: 'c', multicast: false, flags });
  await agreement([a, b, c]);
  let last = b;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await last.stop(signal);
    // No contact given: it knows the others from its state directory.
    const moved = await sandbox.start({ name: 'b', multicast: false });
    expect(moved.ready.gossip).not.toBe(last.ready.gossip);
    await agreement([a, moved, c], IN_TIME_MS);
    expect(await live(c)).toContainEqual(
      expect.objectContaining({ id: b.ready.id, address: moved.ready.gossip }),
    );
    expect(await warningsOf(a)).not.toMatch(/copied|restored/);
    last = moved;
  }
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

test.skipIf(!hasIpv6)(
  'two nodes on IPv6 loopback join, agree, change ranges and find each other again',
  async () => {
    await using sandbox = new Sandbox();
    const a = await sandbox.start({ name: 'a', flags: ['--bind', '[::1]:0', '--http', '[::1]:0'] });
    expect(a.ready.gossip).toMatch(/^\[::1\]:\d+$/);
    expect(a.log.some(({ msg }) => msg.includes('multicast is off: it is IPv4'))).toBe(true);
    const b = await sandbox.start({ name: 'b', flags: ['--bind', '[::1]:0', '--join', a.ready.gossip] });
    await agreement([a, b], IN_TIME_MS);
    await b.ok('register', '0', '9');
    await agreement([a, b]);
    expect(await a.rangesOf()).toEqual(['b 0-9:1']);
    expect((await fetch(`http://${a.ready.http}/v1/status`)).status).toBe(200);
    await b.stop('SIGKILL');
    await eventually('b is down', async () => (await a.memberStates()).includes('b=down'), IN_TIME_MS);
    const again = await sandbox.start({ name: 'b', flags: ['--bind', '[::1]:0'] });
    await agreement([a, again], IN_TIME_MS);
  },
);
