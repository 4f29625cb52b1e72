/** A group with a password; and the guarantee a client asks for in what its library says at connect. */
import { writeFileSync } from 'node:fs';
import type { Cluster } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Sandbox, type TestAgent } from '../e2e/harness.ts';
import { Checks } from './checks.ts';
import { Corpus } from './corpus.ts';
import { NODES, proxyPort, respPort, startGroup } from './group.ts';
import { type IoOptions, ioredis, ioredisRead } from './ioredis.ts';
import { type NodeRedisOptions, nodeRedisCluster, nodeRedisPlain, nodeRedisRead } from './node-redis.ts';
import { compile, type Mode, type Program, runProgram } from './program.ts';

const PASSWORD = 'correct-horse-battery';
let sandbox: Sandbox;
let agents: TestAgent[];
let corpus: Corpus;

beforeAll(async () => {
  sandbox = new Sandbox();
  const file = sandbox.path('password');
  writeFileSync(file, PASSWORD, { mode: 0o600 });
  agents = await startGroup(sandbox, ['--resp-password-file', file], PASSWORD);
  corpus = new Corpus(sandbox.dir, 'secret', 'password');
});

afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

const portFor = (mode: Mode): number => (mode === 'plain' ? proxyPort(agents[1]) : respPort(agents[4]));

test('clients give the password, and are refused without', async () => {
  const directory = sandbox.dir;
  const io = ioredis('cluster', portFor('cluster'), { password: PASSWORD });
  await Promise.all(corpus.pairs.map(({ key, value }) => io.set(key, value)));
  io.disconnect();
  const checks = new Checks();
  const plain = ioredis('plain', portFor('plain'), { password: PASSWORD });
  await ioredisRead(plain, corpus.pairs, checks);
  plain.disconnect();
  const node = await nodeRedisCluster(portFor('cluster'), { password: PASSWORD });
  await nodeRedisRead(node, corpus.pairs, checks);
  node.destroy();
  expect(checks.count).toBe(2 * corpus.pairs.length);

  await compile(directory);
  const programs: (readonly [Program, Mode])[] = [
    ['redis-py', 'cluster'],
    ['php-redis', 'cluster'],
    ['redis-rb', 'cluster'],
    ['hiredis', 'plain'],
  ];
  for (const [program, mode] of programs) {
    const task = {
      program,
      directory,
      action: 'read',
      mode,
      port: portFor(mode),
      paths: [corpus.path],
    } as const;
    expect(await runProgram({ ...task, password: PASSWORD })).toBeGreaterThanOrEqual(corpus.pairs.length);
    await expect(runProgram({ ...task, password: 'wrong' })).rejects.toThrow();
    await expect(runProgram(task)).rejects.toThrow();
  }
  await expect(nodeRedisPlain(portFor('plain'), { password: 'wrong' })).rejects.toThrow('WRONGPASS');
  const stranger = await nodeRedisPlain(portFor('plain'), { RESP: 2 });
  await expect(stranger.get('k')).rejects.toThrow('NOAUTH');
  stranger.destroy();
});

/** What each connection says at its start, and the level it then has on every node. */
const WAYS: readonly (readonly [string, IoOptions, NodeRedisOptions])[] = [
  [
    'its name',
    { connectionName: 'app;ack=1m1d', password: PASSWORD },
    { name: 'app;ack=1m1d', password: PASSWORD },
  ],
  ['its user', { username: 'ack-1m1d', password: PASSWORD }, { username: 'ack-1m1d', password: PASSWORD }],
];

test.each(WAYS)(
  'a client asks for copies on disk by %s, with ioredis and node-redis',
  async (_, forIo, forNode) => {
    const plain = ioredis('plain', portFor('plain'), forIo);
    expect(await plain.call('CLIENT', 'ACKS')).toBe('1m1d');
    expect(await plain.set('level', 'x')).toBe('OK');
    plain.disconnect();

    const cluster = ioredis('cluster', portFor('cluster'), forIo) as Cluster;
    for (let i = 0; i < 200; i++) expect(await cluster.set(`level:${i}`, i)).toBe('OK');
    const levels = await Promise.all(cluster.nodes('master').map((node) => node.call('CLIENT', 'ACKS')));
    expect(levels).toEqual(Array(NODES).fill('1m1d'));
    cluster.disconnect();

    const node = await nodeRedisPlain(portFor('plain'), forNode);
    expect(await node.sendCommand(['CLIENT', 'ACKS'])).toBe('1m1d');
    node.destroy();
    const nodes = await nodeRedisCluster(portFor('cluster'), forNode);
    for (const master of nodes.masters) {
      const one = await nodes.nodeClient(master);
      expect(await one.sendCommand(['CLIENT', 'ACKS'])).toBe('1m1d');
    }
    nodes.destroy();
  },
);

test('a write that cannot have its copies is refused before it is done, at the owner and through a proxy', async () => {
  const asked = { connectionName: 'app;ack=2m1d', password: PASSWORD };
  for (const mode of ['plain', 'cluster'] as const) {
    const client = ioredis(mode, portFor(mode), asked);
    for (let i = 0; i < 20; i++) {
      await expect(client.set(`copies:${i}`, 'x')).rejects.toThrow(/^NOREPLICAS need 2m1d, reachable 1/);
      expect(await client.get(`copies:${i}`)).toBeNull();
    }
    client.disconnect();
  }
  const wrong = nodeRedisPlain(portFor('plain'), { name: 'app;ack=fast', password: PASSWORD });
  await expect(wrong).rejects.toThrow();
});
