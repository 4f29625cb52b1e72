/** redis-cli and redis-benchmark on a five-node group, and what clients ask for before they are ready (STORE.md's table). */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, Sandbox, type TestAgent } from '../e2e/harness.ts';
import { type Reply, StoreClient } from '../e2e/store-client.ts';
import { NODES, proxyPort, respPort, SPLIT_SLOT, SPLIT_TAGS, startGroup } from './group.ts';
import { run } from './program.ts';

const KEYS = 2_000;
/** Written by the first test, and read by all: a few keys of the slot that is split, one large value. */
const KEY_OF = (i: number): string =>
  i % 50 === 0 ? `{${SPLIT_TAGS[(i / 50) % SPLIT_TAGS.length]}}:cli:${i}` : `cli:${i}`;
const VALUE_OF = (i: number): string => `value-${i}-${'x'.repeat(i === 7 ? 1_200_000 : i % 90)}`;
const EVERY = Array.from({ length: KEYS }, (_, i) => i);
let sandbox: Sandbox;
let agents: TestAgent[];

beforeAll(async () => {
  sandbox = new Sandbox();
  agents = await startGroup(sandbox, ['--store', 'memory']);
});

afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

const resp = (i: number): string[] => ['-p', String(respPort(agents[i]))];
const proxy = (i: number): string[] => ['-p', String(proxyPort(agents[i]))];
const cli = (args: readonly string[], input = ''): Promise<string> => run(['redis-cli', ...args], input);

/** Its output lines, without what it says of redirections. */
async function lines(args: readonly string[], input: string): Promise<string[]> {
  const output = (await cli(args, input)).split('\n').slice(0, -1);
  return output.filter((line) => !line.startsWith('-> Redirected'));
}

test('redis-cli -c writes by one node and reads by another, in RESP2 and RESP3', async () => {
  const sets = EVERY.map((i) => `SET ${KEY_OF(i)} ${VALUE_OF(i)}\n`).join('');
  const wrote = await lines(['-c', ...resp(0)], sets);
  expect(wrote).toEqual(EVERY.map(() => 'OK'));
  const gets = EVERY.map((i) => `GET ${KEY_OF(i)}\n`).join('');
  expect(await lines(['-3', '-c', ...resp(4)], gets)).toEqual(EVERY.map(VALUE_OF));
  expect(await lines(proxy(2), gets)).toEqual(EVERY.map(VALUE_OF));
});

test('redis-cli --cluster check, info and call see five masters and every slot', async () => {
  const node = `127.0.0.1:${respPort(agents[1])}`;
  const check = await cli(['--cluster', 'check', node]);
  expect(check).toContain('[OK] All 16384 slots covered.');
  expect(check).toContain('[OK] All nodes agree about slots configuration.');
  expect(check).toContain(`[OK] ${KEYS} keys in ${NODES} masters.`);
  // A split slot is shown as its server's.
  expect(check).toContain(`slots:[6000-6099],[${SPLIT_SLOT}] (101 slots) master`);
  expect(await cli(['--cluster', 'info', node])).toContain(`${KEYS} keys in ${NODES} masters`);
  const counts = [
    ...(await cli(['--cluster', 'call', node, 'DBSIZE'])).matchAll(/^127\.0\.0\.1:\d+: (\d+)$/gm),
  ];
  expect(counts).toHaveLength(NODES);
  expect(counts.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(KEYS);
});

test('redis-cli scans, samples, measures and watches', async () => {
  const scanned = await lines([...proxy(3), '--scan', '--pattern', '*cli:*'], '');
  expect(scanned.sort()).toEqual(EVERY.map(KEY_OF).sort());
  const bytes = EVERY.reduce((sum, i) => sum + VALUE_OF(i).length, 0);
  const big = await cli([...proxy(3), '--bigkeys']);
  expect(big).toContain(`${KEYS} strings with ${bytes} bytes`);
  expect(big).toContain(`Biggest string found '"${KEY_OF(7)}"' has ${VALUE_OF(7).length} bytes`);
  const count = await cli([...resp(0), 'DBSIZE']);
  expect(await cli([...resp(0), '--memkeys'])).toContain(`Sampled ${count.trim()} keys in the keyspace!`);
  expect(await cli([...resp(0), '--latency', '--raw', '-i', '1'])).toMatch(/^\d+ \d+ \d+\.\d+ \d+\n$/);
  expect(await watch('--stat', '-i', '0.1')).toMatch(/^\d+ +\d+\.\d+M +\d+ +\d+ +\d+ \(\+\d+\) +\d+/m);
  let monitored = '';
  void watch('MONITOR').then((text) => {
    monitored = text;
  });
  await eventually('a monitor is told', async () => {
    await cli([...resp(0), 'ECHO', 'seen']);
    return monitored.includes('"ECHO" "seen"');
  });
});

/** What a redis-cli that does not end says first. */
function watch(...args: readonly string[]): Promise<string> {
  const child = spawn('stdbuf', ['-oL', 'redis-cli', ...resp(0), ...args]);
  return new Promise((resolve) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      if (text.split('\n').length > 4) child.kill('SIGKILL');
    });
    child.on('close', () => resolve(text));
  });
}

test('redis-benchmark --cluster loads all nodes from two threads, and what it wrote is there', async () => {
  const size = ['-r', '2000', '-n', '20000', '-d', '64', '-P', '16', '-c', '20', '--threads', '2'];
  const output = await run(['redis-benchmark', '--cluster', ...resp(3), '-t', 'set,get', '-q', ...size]);
  expect(output).toContain(`Cluster has ${NODES} master nodes`);
  expect(output.match(/requests per second/g)).toHaveLength(2);
  const names = (await cli([...proxy(0), '--scan', '--pattern', 'key:*'])).trim().split('\n');
  expect(names.length).toBeGreaterThan(1_500);
  const values = await lines(proxy(0), names.map((name) => `GET ${name}\n`).join(''));
  // It writes one value to all.
  expect(new Set(values).size).toBe(1);
  expect(values[0]).toHaveLength(64);
  const plain = [
    '-t',
    'ping_mbulk,set,get,incr,mset',
    '-n',
    '2000',
    '-q',
    '-r',
    '500',
    '-P',
    '8',
    '-c',
    '10',
  ];
  const other = await run(['redis-benchmark', ...proxy(1), ...plain]);
  expect(other.match(/requests per second/g)).toHaveLength(5);
});

test('clients are told what they ask for before they are ready', async () => {
  const cluster = await StoreClient.connect(agents[2]?.ready.resp as string);
  const plain = await StoreClient.connect(agents[2]?.ready.proxy as string);
  // ioredis: without these two it waits for ever.
  expect(await cluster.ask('INFO')).toMatch(/^loading:0\r$/m);
  expect(await cluster.ask('CLUSTER', 'INFO')).toMatch(/^cluster_state:ok\r$/m);
  expect(await cluster.ask('INFO')).toMatch(/^redis_mode:cluster\r$/m);
  expect(await cluster.ask('INFO')).toMatch(/^cluster_enabled:1\r$/m);
  expect(await plain.ask('INFO')).toMatch(/^redis_mode:standalone\r$/m);
  expect(await plain.ask('INFO')).toMatch(/^cluster_enabled:0\r$/m);
  expect(await plain.ask('INFO')).toMatch(/^redis_version:7\.2\./m);
  expect(await cluster.ask('CLIENT', 'SETINFO', 'LIB-NAME', 'x')).toBe('OK');
  // node-redis: this one may fail, and goes on.
  expect(String(await cluster.ask('CLIENT', 'MAINT_NOTIFICATIONS', 'ON'))).toContain('unknown subcommand');
  expect(String(await cluster.ask('HELLO', 4))).toMatch(/^Error: NOPROTO /);
  const hello = (await cluster.ask('HELLO', 2)) as Reply[];
  expect(hello[hello.indexOf('proto') + 1]).toBe(2);
  // redis-py, jedis: where each command has its keys.
  const commands = (await cluster.ask('COMMAND')) as Reply[][];
  expect(commands.length).toBeGreaterThan(100);
  expect(commands.every((command) => command.length === 10)).toBe(true);
  const known = new Map(commands.map((command) => [command[0], command]));
  expect(known.get('mset')?.slice(0, 6)).toEqual(['mset', -3, ['write', 'denyoom'], 1, -1, 2]);
  expect(await cluster.ask('COMMAND', 'GETKEYS', 'MSET', 'a', 1, 'b', 2)).toEqual(['a', 'b']);
  expect(((await cluster.ask('COMMAND', 'DOCS')) as Reply[]).length).toBeGreaterThan(200);
  // redis-cli, redis-benchmark.
  expect(await cluster.ask('CONFIG', 'GET', 'save')).toHaveLength(2);
  await slotsAreCovered(cluster);
  // Test suites of clients.
  expect(await plain.ask('FUNCTION', 'FLUSH')).toBe('OK');
  expect(await plain.ask('CONFIG', 'SET', 'slowlog-max-len', 100)).toBe('OK');
  expect(String(await plain.ask('SELECT', 9))).toContain('Error');
  expect(await cluster.ask('ASKING')).toBe('OK');
  expect(await plain.ask('FLUSHALL')).toBe('OK');
  expect(await plain.ask('DBSIZE')).toBe(0);
  cluster.close();
  plain.close();
});

/** By CLUSTER SLOTS, SHARDS and NODES alike, in the form that lettuce, jedis and go-redis insist on. */
async function slotsAreCovered(client: StoreClient): Promise<void> {
  const wanted = new Map(agents.map((agent) => [respPort(agent), agent.ready.id.padEnd(40, '0')]));
  let next = 0;
  for (const [start, end, [host, port, id]] of (await client.ask('CLUSTER', 'SLOTS')) as [
    number,
    number,
    Reply[],
  ][]) {
    expect(start).toBe(next);
    expect([host, id]).toEqual(['127.0.0.1', wanted.get(port as number)]);
    next = end + 1;
  }
  expect(next).toBe(16_384);
  const nodes = ((await client.ask('CLUSTER', 'NODES')) as string).split('\n').slice(0, -1);
  expect(nodes).toHaveLength(NODES);
  let slots = 0;
  for (const line of nodes) {
    expect(line).toMatch(
      /^[0-9a-f]{40} 127\.0\.0\.1:\d+@\d+ (myself,)?master - 0 \d+ \d+ connected( \d+(-\d+)?)*$/,
    );
    for (const part of line.split(' ').slice(8)) {
      const [start = 0, end = start] = part.split('-').map(Number);
      slots += end - start + 1;
    }
  }
  expect(slots).toBe(16_384);
  expect(nodes.filter((line) => line.includes('myself'))).toHaveLength(1);
  expect(await client.ask('CLUSTER', 'SHARDS')).toHaveLength(NODES);
}
