import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox, type TestAgent } from './harness.ts';
import { type Reply, StoreClient, storesServe } from './store-client.ts';

const NODES = 5;
const SIZE = 2 ** 32;
const KEYS = 3_000;

const key = (i: number): string => `key:${i}`;
const value = (i: number): string => `value-${i}-${'x'.repeat(i % 90)}`;

/** Five agents, each with a fifth of the key space, which splits four slots. */
async function group(sandbox: Sandbox, flags: readonly string[] = []): Promise<TestAgent[]> {
  const agents: TestAgent[] = [];
  for (let i = 0; i < NODES; i++) {
    const start = Math.floor((SIZE * i) / NODES);
    const end = Math.floor((SIZE * (i + 1)) / NODES) - 1;
    agents.push(
      await sandbox.start({
        name: `n${i}`,
        flags: ['--range', `${start}-${end}`, '--store', 'memory', ...flags],
      }),
    );
  }
  await agreement(agents);
  for (const agent of agents) {
    await eventually(`${agent.name} knows all ranges`, async () => (await agent.rangesOf()).length === NODES);
  }
  await storesServe(agents);
  return agents;
}

const respOf = (agent: TestAgent): string => agent.ready.resp as string;
const proxyOf = (agent: TestAgent): string => agent.ready.proxy as string;

/** Runs redis-cli with commands on its input; gives its output lines. */
function redisCli(args: readonly string[], input: string): Promise<string[]> {
  const child = spawn('redis-cli', [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      const lines = text.split('\n').slice(0, -1);
      resolve(lines.filter((line) => !line.startsWith('-> Redirected')));
    });
  });
}

const portOf = (address: string): string => address.slice(address.lastIndexOf(':') + 1);

test('cluster clients find every key at its owner, and plain ones through any node', async () => {
  await using sandbox = new Sandbox();
  const agents = await group(sandbox);
  const [first, second] = agents as [TestAgent, TestAgent];
  const sets = Array.from({ length: KEYS }, (_, i) => `SET ${key(i)} ${value(i)}\n`).join('');
  const wrote = await redisCli(['-c', '-p', portOf(respOf(first))], sets);
  expect(wrote.filter((line) => line === 'OK')).toHaveLength(KEYS);

  const gets = Array.from({ length: KEYS }, (_, i) => `GET ${key(i)}\n`).join('');
  expect(await redisCli(['-c', '-p', portOf(respOf(second))], gets)).toEqual(
    Array.from({ length: KEYS }, (_, i) => value(i)),
  );

  const check = await redisCli(['--cluster', 'check', respOf(second)], '');
  expect(check.join('\n')).toContain('All 16384 slots covered');
  expect(check.join('\n')).toContain(`${KEYS} keys in ${NODES} masters`);

  const info = JSON.parse(await first.ok('store', 'info', '--json'));
  expect(info).toMatchObject({ awake: true, backend: 'memory', slots: { unowned: 0, unsettled: 0 } });
  const scanned = JSON.parse(await first.ok('store', 'scan', '--range', 'slot:0-slot:2000', '--json'));
  expect(scanned.more).toBe(false);
  for (const { position, key: name, bytes } of scanned.messages) {
    expect(position).toBeLessThan(2001 * 2 ** 18);
    expect(bytes).toBe(value(Number(name.slice(4))).length);
  }
  expect(scanned.messages.length).toBeGreaterThan(KEYS / 20);

  for (const agent of agents) {
    const client = await StoreClient.connect(proxyOf(agent));
    const replies = await Promise.all(Array.from({ length: KEYS }, (_, i) => client.ask('GET', key(i))));
    expect(replies).toEqual(Array.from({ length: KEYS }, (_, i) => value(i)));
    expect(await client.ask('DBSIZE')).toBe(KEYS);
    client.close();
  }
});

test('the proxy puts together what several owners answer, and looks like one plain server', async () => {
  await using sandbox = new Sandbox();
  const agents = await group(sandbox);
  const proxy = await StoreClient.connect(proxyOf(agents[2] as TestAgent));
  const cluster = await StoreClient.connect(respOf(agents[2] as TestAgent));
  const names = Array.from({ length: 50 }, (_, i) => key(i));
  // Owners that are new ask each other first, which takes a while on a busy machine.
  const words = names.flatMap((name, i) => [name, i]);
  await eventually('all keys are set', async () => (await proxy.ask('MSET', ...words)) === 'OK');
  expect(await proxy.ask('MGET', 'none', ...names)).toEqual([null, ...names.map((_, i) => String(i))]);
  expect(await proxy.ask('EXISTS', 'none', ...names, key(0))).toBe(51);
  expect(await proxy.ask('INCRBY', key(7), 5)).toBe(12);
  expect(((await proxy.ask('KEYS', 'key:*')) as string[]).sort()).toEqual([...names].sort());
  expect(names).toContain(await proxy.ask('RANDOMKEY'));
  const scanned = new Set<string>();
  for (let cursor = '0', steps = 0; steps === 0 || cursor !== '0'; steps++) {
    const [next, found] = (await proxy.ask('SCAN', cursor, 'COUNT', 7)) as [string, string[]];
    for (const name of found) scanned.add(name);
    cursor = next;
    expect(steps).toBeLessThan(1000);
  }
  expect([...scanned].sort()).toEqual([...names].sort());
  expect(String(await proxy.ask('MSETNX', key(0), 1, key(1), 2))).toContain('CROSSSLOT');
  expect(String(await proxy.ask('CLUSTER', 'SLOTS'))).toContain('cluster support disabled');
  expect(String(await proxy.ask('INFO', 'server'))).toContain('redis_mode:standalone');
  expect(String(await cluster.ask('INFO', 'server'))).toContain('redis_mode:cluster');
  expect(String(await cluster.ask('MGET', key(0), key(1)))).toContain('CROSSSLOT');
  // A transaction runs where its keys are, whichever node that is.
  for (const name of names.slice(0, 10)) {
    expect(await proxy.ask('MULTI')).toBe('OK');
    expect(await proxy.ask('SET', name, 'a')).toBe('QUEUED');
    expect(await proxy.ask('APPEND', name, 'b')).toBe('QUEUED');
    expect(await proxy.ask('EXEC')).toEqual(['OK', 2]);
    expect(await proxy.ask('GET', name)).toBe('ab');
  }
  expect(await proxy.ask('DEL', ...names)).toBe(50);
  expect(await proxy.ask('DBSIZE')).toBe(0);
  expect(await proxy.ask('SET', 'a', 1)).toBe('OK');
  expect(await proxy.ask('FLUSHALL')).toBe('OK');
  expect(await proxy.ask('DBSIZE')).toBe(0);
  expect(await proxy.ask('SET', key(0), 1)).toBe('OK');
  const [, away] = agents as [TestAgent, TestAgent];
  await away.stop();
  await eventually('FLUSHALL is refused, for a node with ranges has stopped', async () =>
    String(await proxy.ask('FLUSHALL')).includes(`messages on ${away.name} cannot be reached now`),
  );
  expect(await proxy.ask('GET', key(0))).toBe('1');
  proxy.close();
  cluster.close();
});

/** Follows MOVED, and tries again what it is told to. Anything else is the reply. */
async function askCluster(
  clients: Map<string, StoreClient>,
  start: string,
  ...words: readonly (string | number)[]
): Promise<Reply> {
  let address = start;
  const until = Date.now() + 10_000;
  for (;;) {
    let client = clients.get(address);
    if (client === undefined) {
      client = await StoreClient.connect(address);
      clients.set(address, client);
    }
    const reply = await client.ask(...words);
    if (!(reply instanceof Error)) return reply;
    const moved = /^MOVED \d+ (.*)$/.exec(reply.message)?.[1];
    if (Date.now() > until || (moved === undefined && !reply.message.startsWith('TRYAGAIN'))) return reply;
    if (moved !== undefined) address = moved;
  }
}

test('no key is missing and no write is lost while ranges change hands under clients', async () => {
  await using sandbox = new Sandbox();
  const agents = await group(sandbox);
  const [a, b, c] = agents as [TestAgent, TestAgent, TestAgent];
  const clients = new Map<string, StoreClient>();
  const proxy = await StoreClient.connect(proxyOf(agents[3] as TestAgent));
  const written: number[] = [];
  for (let i = 0; i < 400; i++) {
    expect(await askCluster(clients, respOf(a), 'SET', key(i), 0)).toBe('OK');
    written.push(0);
  }
  let stop = false;
  const wrong: string[] = [];
  let done = 0;
  const work = async (
    from: number,
    ask: (...words: (string | number)[]) => Promise<Reply>,
  ): Promise<void> => {
    for (let i = from; !stop; i = (i + 2) % written.length) {
      const before = written[i] as number;
      const read = await ask('GET', key(i));
      if (read !== String(before)) wrong.push(`GET ${key(i)}: ${String(read)} is not ${before}`);
      const next = await ask('INCR', key(i));
      if (next === before + 1) written[i] = before + 1;
      else wrong.push(`INCR ${key(i)}: ${String(next)} is not ${before + 1}`);
      done++;
    }
  };
  const viaProxy = async (...words: (string | number)[]): Promise<Reply> => {
    for (;;) {
      const reply = await proxy.ask(...words);
      if (!(reply instanceof Error && reply.message.startsWith('TRYAGAIN'))) return reply;
    }
  };
  const working = [work(0, (...words) => askCluster(clients, respOf(b), ...words)), work(1, viaProxy)];
  const [share] = await a.rangesOf('n0');
  const [start = '', end = ''] = (share as string).replace(/:.*/, '').split('-');
  const step = async (what: string, change: () => Promise<unknown>): Promise<void> => {
    await change();
    const from = done;
    await eventually(`work goes on after ${what}`, () => done > from + 200, 20_000);
  };
  await step('b outranks a', () => b.ok('register', start, end, '--priority', '5'));
  await step('c outranks both', () => c.ok('register', start, end, '--priority', '9'));
  await step('a lets go', () => a.ok('release', start, end));
  await step('c lets go', () => c.ok('release', start, end));
  await step('b lets go, and a takes it again', async () => {
    await a.ok('register', start, end);
    await b.ok('release', start, end);
  });
  stop = true;
  await Promise.all(working);
  expect(wrong).toEqual([]);
  for (const client of clients.values()) client.close();
  proxy.close();
}, 60_000);

test('what a node holds that is not here is not answered as missing; it is there again when the node is', async () => {
  await using sandbox = new Sandbox();
  const all = ['--range', `0-${SIZE - 1}`];
  const a = await sandbox.start({ name: 'a', flags: [...all, '--probe-period', '200'] });
  const client = await StoreClient.connect(respOf(a));
  expect(await client.ask('SET', 'k', 'v')).toBe('OK');
  await client.ask('WAITAOF', 1, 0, 1000);
  client.close();
  const b = await sandbox.start({
    name: 'b',
    flags: ['--range', `0-${SIZE - 1}:9`, '--probe-period', '200'],
  });
  await agreement([a, b]);
  const proxy = await StoreClient.connect(proxyOf(b));
  // The data is a's, though b owns it now.
  expect(await proxy.ask('GET', 'k')).toBe('v');
  expect(await proxy.ask('SET', 'k2', 'w')).toBe('OK');
  await a.stop();
  await eventually('b knows that a is gone', async () => (await b.memberStates()).includes('a=left'));
  const missing = await proxy.ask('GET', 'k');
  expect(String(missing)).toContain('TRYAGAIN');
  const again = await sandbox.start({
    name: 'a',
    flags: [...all, '--probe-period', '200'],
  });
  await agreement([again, b]);
  await eventually('the data is there again', async () => (await proxy.ask('GET', 'k')) === 'v', 15_000);
  proxy.close();
}, 60_000);

test('nodes of a sealed group forward with the key as proof, and clients give the password', async () => {
  await using sandbox = new Sandbox();
  const keys = sandbox.path('keys');
  const password = sandbox.path('password');
  writeFileSync(keys, `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 });
  writeFileSync(password, 'correct-horse-battery\n', { mode: 0o600 });
  const flags = ['--key-file', keys, '--bind', '127.0.0.1:0', '--resp-password-file', password];
  const half = SIZE / 2;
  const a = await sandbox.start({ name: 'a', flags: [...flags, '--range', `0-${half - 1}`] });
  const b = await sandbox.start({ name: 'b', flags: [...flags, '--range', `${half}-${SIZE - 1}`] });
  await agreement([a, b]);
  const client = await StoreClient.connect(proxyOf(a));
  expect(String(await client.ask('GET', 'x'))).toContain('NOAUTH');
  expect(await client.ask('AUTH', 'correct-horse-battery')).toBe('OK');
  for (let i = 0; i < 100; i++)
    await eventually(`${key(i)} is set`, async () => (await client.ask('SET', key(i), i)) === 'OK');
  const got = await Promise.all(Array.from({ length: 100 }, (_, i) => client.ask('GET', key(i))));
  expect(got).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  const stranger = await StoreClient.connect(respOf(b));
  expect(String(await stranger.ask('SHOAL', 'HELD', 0, 1))).toContain('NOAUTH');
  await stranger.ask('SHOAL', 'LINK', 'final', a.ready.id, b.ready.id, '0'.repeat(32));
  expect(String(await stranger.ask('SHOAL', 'PROVE', '0'.repeat(64)))).toContain('proves nothing');
  client.close();
  stranger.close();
}, 60_000);
