import { Cluster, Redis } from 'ioredis';
import { batches, Checks } from './checks.ts';
import type { Corpus, Pair } from './corpus.ts';
import { HOME_TAG } from './group.ts';
import type { Mode } from './program.ts';

export type IoClient = Redis | Cluster;

export interface IoOptions {
  readonly protocol?: 2 | 3;
  readonly connectionName?: string;
  readonly username?: string;
  readonly password?: string;
}

export function ioredis(mode: Mode, port: number, options: IoOptions = {}): IoClient {
  return mode === 'cluster'
    ? new Cluster([{ host: '127.0.0.1', port }], { redisOptions: options })
    : new Redis({ host: '127.0.0.1', port, ...options });
}

/** All that ioredis can do with a store of strings, compared with what was written. */
export async function ioredisWorkout(
  mode: Mode,
  port: number,
  corpus: Corpus,
  options: IoOptions,
): Promise<number> {
  const checks = new Checks();
  const client = ioredis(mode, port, options);
  const prefix = `io:${mode}:${options.protocol ?? 3}`;
  try {
    await keysAndValues(client, corpus.pairs, checks);
    await manyKeys(client, mode, prefix, checks);
    await numbersAndTimes(client, prefix, checks);
    await transactions(client, ioredis(mode, port, options), checks);
    await scanAll(client, corpus.pairs, checks);
    await messages(client, ioredis(mode, port, options), prefix, checks);
  } finally {
    client.disconnect();
  }
  return checks.count;
}

export async function ioredisRead(client: IoClient, pairs: readonly Pair[], checks: Checks): Promise<void> {
  for (const batch of batches(pairs, 250)) {
    // Not a pipeline of ioredis, which in a cluster is of one node: each GET goes to its owner at once.
    const got = await Promise.all(batch.map(({ key }) => client.getBuffer(key)));
    for (const [i, { key, value }] of batch.entries())
      checks.same(`GET ${key.toString('latin1')}`, got[i], value);
  }
}

async function keysAndValues(client: IoClient, pairs: readonly Pair[], checks: Checks): Promise<void> {
  for (const { key, value } of pairs.slice(0, 200)) checks.same('SET', await client.set(key, value), 'OK');
  for (const batch of batches(pairs.slice(200), 250)) {
    const answers = await Promise.all(batch.map(({ key, value }) => client.set(key, value)));
    checks.same(
      'SETs',
      answers,
      batch.map(() => 'OK'),
    );
  }
  await ioredisRead(client, pairs, checks);
  checks.same('GET of nothing', await client.get('io:nothing'), null);
  const pipeline = client.pipeline();
  for (let i = 0; i < 500; i++)
    pipeline.set(`{io:pipe}:${i}`, i).strlen(`{io:pipe}:${i}`).unlink(`{io:pipe}:${i}`);
  const answers = await pipeline.exec();
  const wanted = Array.from({ length: 500 }, (_, i) => [
    [null, 'OK'],
    [null, String(i).length],
    [null, 1],
  ]);
  checks.same('pipeline', answers, wanted.flat());
}

async function manyKeys(client: IoClient, mode: Mode, prefix: string, checks: Checks): Promise<void> {
  const inSlot = Array.from({ length: 50 }, (_, i) => [`{${prefix}}:${i}`, `v${i}`] as const);
  checks.same('MSET in a slot', await client.mset(inSlot.flat()), 'OK');
  checks.same(
    'MGET in a slot',
    await client.mget(inSlot.map(([key]) => key)),
    inSlot.map(([, value]) => value),
  );
  checks.same('DEL in a slot', await client.del(inSlot.map(([key]) => key)), 50);
  const over = Array.from({ length: 200 }, (_, i) => [`${prefix}:over:${i}`, `o${i}`] as const);
  const names = over.map(([key]) => key);
  if (mode === 'cluster') {
    await checks.rejected('MGET over slots', client.mget(names), 'CROSSSLOT');
    return;
  }
  checks.same('MSET over slots', await client.mset(over.flat()), 'OK');
  checks.same('MGET over slots', await client.mget(['io:none', ...names]), [
    null,
    ...over.map(([, value]) => value),
  ]);
  checks.same('EXISTS', await client.exists(names), 200);
  checks.same('DEL', await client.del(names), 200);
}

async function numbersAndTimes(client: IoClient, prefix: string, checks: Checks): Promise<void> {
  const counter = `${prefix}:counter`;
  for (let i = 1; i <= 100; i++) checks.same('INCR', await client.incr(counter), i);
  checks.same('INCRBYFLOAT', await client.incrbyfloat(counter, 0.5), '100.5');
  await checks.rejected('INCR of a text', client.incr(counter), 'ERR value is not an integer');
  checks.same('EXPIRE', await client.expire(counter, 1000), 1);
  checks.between('TTL', await client.ttl(counter), 990, 1000);
  checks.same('PERSIST', await client.persist(counter), 1);
  checks.same('TTL without one', await client.ttl(counter), -1);
  checks.same('SET PX XX', await client.set(counter, 'x', 'PX', 50_000, 'XX'), 'OK');
  checks.between('PTTL', await client.pttl(counter), 40_000, 50_000);
  checks.same('SET NX', await client.set(counter, 'y', 'NX'), null);
  checks.same('GETDEL', await client.getdel(counter), 'x');
  await checks.rejected('an unknown command', client.call('NONSUCH', counter), 'ERR unknown command');
}

async function transactions(client: IoClient, other: IoClient, checks: Checks): Promise<void> {
  const one = `{${HOME_TAG}}:io:one`;
  const two = `{${HOME_TAG}}:io:two`;
  try {
    const done = await client.multi().set(one, 1).incr(one).get(one).exec();
    checks.same('MULTI', done, [
      [null, 'OK'],
      [null, 2],
      [null, '2'],
    ]);
    const faulty = await client.multi().set(one, 'text').incr(one).set(two, 2).exec();
    checks.same(
      'EXEC with an error',
      faulty?.map(([error]) => error?.message.slice(0, 28) ?? null),
      [null, 'ERR value is not an integer ', null],
    );
    checks.same('what the transaction wrote', await client.get(two), '2');
    // A cluster's connections are shared, so WATCH is for plain clients.
    if (client instanceof Redis) {
      checks.same('WATCH', await client.watch(one), 'OK');
      await other.set(one, 10);
      checks.same('EXEC', await client.multi().set(one, 3).exec(), null);
      checks.same('what the other wrote', await client.get(one), '10');
    }
    checks.same('DEL', await client.del(one, two), 2);
  } finally {
    other.disconnect();
  }
}

/** A cluster's client scans node by node. */
async function scanAll(client: IoClient, pairs: readonly Pair[], checks: Checks): Promise<void> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  const seen = new Set<string>();
  let size = 0;
  for (const node of nodes) {
    let cursor = '0';
    do {
      const [next, keys] = await node.scanBuffer(cursor, 'COUNT', 500);
      for (const key of keys) seen.add(key.toString('latin1'));
      cursor = next.toString();
    } while (cursor !== '0');
    size += await node.dbsize();
  }
  checks.same('DBSIZE', size, seen.size);
  for (const { key } of pairs) checks.same('SCAN', seen.has(key.toString('latin1')), true);
}

async function messages(
  client: IoClient,
  subscriber: IoClient,
  prefix: string,
  checks: Checks,
): Promise<void> {
  const wanted = Array.from({ length: 50 }, (_, i) => `m\0${i}`);
  try {
    const heard: string[] = [];
    const all = new Promise<void>((resolve) => {
      subscriber.on('message', (_channel, text) => heard.push(text) === wanted.length && resolve());
    });
    await subscriber.subscribe(`${prefix}:channel`);
    for (const text of wanted) await client.publish(`${prefix}:channel`, text);
    await all;
    // A cluster's client publishes at any node, and what goes by two may come in another order.
    checks.same('messages', heard.sort(), wanted.sort());
  } finally {
    subscriber.disconnect();
  }
}
