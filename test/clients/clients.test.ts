/**
 * Clients as they are published, each used for thousands of keys of a five-node group. The last test has every client read what all
 * the others wrote.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Sandbox, type TestAgent } from '../e2e/harness.ts';
import { Checks } from './checks.ts';
import { Corpus } from './corpus.ts';
import { proxyPort, respPort, startGroup } from './group.ts';
import { ioredis, ioredisRead, ioredisWorkout } from './ioredis.ts';
import {
  nodeRedisCluster,
  nodeRedisClusterWorkout,
  nodeRedisPlain,
  nodeRedisPlainWorkout,
  nodeRedisRead,
} from './node-redis.ts';
import { compile, type Mode, type Program, runProgram } from './program.ts';

const SEED = process.env.SHOAL_CLIENTS_SEED ?? String(Date.now());
const written: Corpus[] = [];
let sandbox: Sandbox;
let agents: TestAgent[];

beforeAll(async () => {
  console.log(`keys and values are those of SHOAL_CLIENTS_SEED=${SEED}`);
  sandbox = new Sandbox();
  agents = await startGroup(sandbox);
});

afterAll(async () => {
  const ended = agents.filter(({ running }) => !running.alive);
  await sandbox[Symbol.asyncDispose]();
  expect(ended.map(({ name, running }) => `${name}: ${running.stderr}${running.stdout}`)).toEqual([]);
});

/** Plain clients are at n0's proxy, cluster clients find all nodes from n3. */
const portFor = (mode: Mode): number => (mode === 'plain' ? proxyPort(agents[0]) : respPort(agents[3]));

async function workout(
  name: string,
  mode: Mode,
  run: (port: number, corpus: Corpus) => Promise<number>,
): Promise<void> {
  const own = new Corpus(sandbox.dir, `${name}-${mode}`, SEED);
  expect(await run(portFor(mode), own)).toBeGreaterThan(2_000);
  written.push(own);
}

const PROGRAM_RUNS: readonly (readonly [Program, Mode])[] = [
  ['redis-py', 'plain'],
  ['redis-py', 'cluster'],
  ['php-redis', 'plain'],
  ['php-redis', 'cluster'],
  ['redis-rb', 'plain'],
  ['redis-rb', 'cluster'],
  ['hiredis', 'plain'],
];

test.each(PROGRAM_RUNS)('%s, %s', async (program, mode) => {
  if (program === 'hiredis') await compile(sandbox.dir);
  const directory = sandbox.dir;
  await workout(program, mode, (port, { path }) =>
    runProgram({ program, directory, action: 'workout', mode, port, paths: [path] }),
  );
});

test.each([
  ['plain', 2],
  ['plain', 3],
  ['cluster', 2],
  ['cluster', 3],
] as const)('ioredis, %s, RESP%i', async (mode, protocol) => {
  await workout(`ioredis${protocol}`, mode, (port, own) => ioredisWorkout(mode, port, own, { protocol }));
});

test.each([
  ['plain', 2],
  ['plain', 3],
  ['cluster', 2],
  ['cluster', 3],
] as const)('node-redis, %s, RESP%i', async (mode, RESP) => {
  const run = mode === 'plain' ? nodeRedisPlainWorkout : nodeRedisClusterWorkout;
  await workout(`node-redis${RESP}`, mode, (port, own) => run(port, own, { RESP }));
});

test('every client reads what all others wrote', async () => {
  expect(written).toHaveLength(15);
  const count = written.reduce((sum, { pairs }) => sum + pairs.length, 0);
  const paths = written.map(({ path }) => path);
  const pairs = written.flatMap((one) => one.pairs);
  const directory = sandbox.dir;
  for (const [program, mode] of PROGRAM_RUNS)
    expect(
      await runProgram({ program, directory, action: 'read', mode, port: portFor(mode), paths }),
    ).toBeGreaterThanOrEqual(count);
  for (const mode of ['plain', 'cluster'] as const) {
    const checks = new Checks();
    const io = ioredis(mode, portFor(mode));
    await ioredisRead(io, pairs, checks);
    io.disconnect();
    const node =
      mode === 'plain' ? await nodeRedisPlain(portFor(mode)) : await nodeRedisCluster(portFor(mode));
    await nodeRedisRead(node, pairs, checks);
    node.destroy();
    expect(checks.count).toBe(2 * count);
  }
});
