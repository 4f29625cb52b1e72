import { createClient, createCluster, RESP_TYPES } from 'redis';
import { batches, Checks } from './checks.ts';
import type { Corpus, Pair } from './corpus.ts';
import { HOME_TAG } from './group.ts';

export interface NodeRedisOptions {
  readonly RESP?: 2 | 3;
  readonly name?: string;
  readonly username?: string;
  readonly password?: string;
}

const BYTES = { [RESP_TYPES.BLOB_STRING]: Buffer };

export async function nodeRedisPlain(port: number, options: NodeRedisOptions = {}) {
  return await createClient({ socket: { host: '127.0.0.1', port }, ...options }).connect();
}

export async function nodeRedisCluster(port: number, options: NodeRedisOptions = {}) {
  const { RESP, ...defaults } = options;
  return await createCluster({
    rootNodes: [{ socket: { host: '127.0.0.1', port } }],
    defaults,
    ...(RESP === undefined ? {} : { RESP }),
  }).connect();
}

type Plain = Awaited<ReturnType<typeof nodeRedisPlain>>;
type Clustered = Awaited<ReturnType<typeof nodeRedisCluster>>;
export type NodeRedis = Plain | Clustered;

export async function nodeRedisRead(
  client: NodeRedis,
  pairs: readonly Pair[],
  checks: Checks,
): Promise<void> {
  const bytes = client.withTypeMapping(BYTES);
  for (const batch of batches(pairs, 250)) {
    const got = await Promise.all(batch.map(({ key }) => bytes.get(key)));
    for (const [i, { key, value }] of batch.entries())
      checks.same(`GET ${key.toString('latin1')}`, got[i], value);
  }
}

/** All that node-redis can do with a store of strings, compared with what was written. */
export async function nodeRedisPlainWorkout(
  port: number,
  corpus: Corpus,
  options: NodeRedisOptions,
): Promise<number> {
  const checks = new Checks();
  const client = await nodeRedisPlain(port, options);
  try {
    const prefix = `node:plain:${options.RESP ?? 3}`;
    await keysAndValues(client, corpus.pairs, checks);
    await manyKeys(client, prefix, checks);
    await overSlots(client, prefix, checks);
    await numbersAndTimes(client, prefix, checks);
    await transactions(client, checks);
    await watches(client, checks);
    const seen = new Set<string>();
    for await (const keys of client.withTypeMapping(BYTES).scanIterator({ COUNT: 500 }))
      for (const key of keys) seen.add(Buffer.from(key).toString('latin1'));
    checks.same('DBSIZE', await client.dbSize(), seen.size);
    for (const { key } of corpus.pairs) checks.same('SCAN', seen.has(key.toString('latin1')), true);
    const subscriber = await client.duplicate().connect();
    await messages(client, subscriber, `${prefix}:channel`, checks);
    subscriber.destroy();
  } finally {
    client.destroy();
  }
  return checks.count;
}

export async function nodeRedisClusterWorkout(
  port: number,
  corpus: Corpus,
  options: NodeRedisOptions,
): Promise<number> {
  const checks = new Checks();
  const client = await nodeRedisCluster(port, options);
  try {
    const prefix = `node:cluster:${options.RESP ?? 3}`;
    await keysAndValues(client, corpus.pairs, checks);
    await manyKeys(client, prefix, checks);
    // It takes them apart itself.
    await overSlots(client, prefix, checks);
    await numbersAndTimes(client, prefix, checks);
    await transactions(client, checks);
    const seen = new Set<string>();
    let size = 0;
    for (const master of client.masters) {
      const node = await client.nodeClient(master);
      for await (const keys of node.withTypeMapping(BYTES).scanIterator({ COUNT: 500 }))
        for (const key of keys) seen.add(Buffer.from(key).toString('latin1'));
      size += await node.dbSize();
    }
    checks.same('DBSIZE', size, seen.size);
    for (const { key } of corpus.pairs) checks.same('SCAN', seen.has(key.toString('latin1')), true);
    await messages(client, client, `${prefix}:channel`, checks);
  } finally {
    client.destroy();
  }
  return checks.count;
}

async function keysAndValues(client: NodeRedis, pairs: readonly Pair[], checks: Checks): Promise<void> {
  for (const { key, value } of pairs.slice(0, 200)) checks.same('SET', await client.set(key, value), 'OK');
  // What is asked for in one turn is pipelined.
  for (const batch of batches(pairs.slice(200), 250)) {
    const answers = await Promise.all(batch.map(({ key, value }) => client.set(key, value)));
    checks.same(
      'SETs',
      answers,
      batch.map(() => 'OK'),
    );
  }
  await nodeRedisRead(client, pairs, checks);
  checks.same('GET of nothing', await client.get('node:nothing'), null);
}

async function manyKeys(client: NodeRedis, prefix: string, checks: Checks): Promise<void> {
  const inSlot = Array.from({ length: 50 }, (_, i) => [`{${prefix}}:${i}`, `v${i}`] as [string, string]);
  const names = inSlot.map(([key]) => key);
  checks.same('MSET in a slot', await client.mSet(inSlot), 'OK');
  checks.same(
    'MGET in a slot',
    await client.mGet(names),
    inSlot.map(([, value]) => value),
  );
  checks.same('EXISTS in a slot', await client.exists(names), 50);
  checks.same('DEL in a slot', await client.del(names), 50);
}

async function overSlots(client: NodeRedis, prefix: string, checks: Checks): Promise<void> {
  const over = Array.from({ length: 200 }, (_, i) => [`${prefix}:over:${i}`, `o${i}`] as [string, string]);
  const names = over.map(([key]) => key);
  checks.same('MSET over slots', await client.mSet(over), 'OK');
  checks.same(
    'MGET over slots',
    await client.mGet(names),
    over.map(([, value]) => value),
  );
  checks.same('DEL', await client.del(names), 200);
}

async function numbersAndTimes(client: NodeRedis, prefix: string, checks: Checks): Promise<void> {
  const counter = `${prefix}:counter`;
  for (let i = 1; i <= 100; i++) checks.same('INCR', await client.incr(counter), i);
  checks.same('INCRBYFLOAT', await client.incrByFloat(counter, 0.5), '100.5');
  await checks.rejected('INCR of a text', client.incr(counter), 'ERR value is not an integer');
  checks.same('EXPIRE', await client.expire(counter, 1000), 1);
  checks.between('TTL', await client.ttl(counter), 990, 1000);
  checks.same('PERSIST', await client.persist(counter), 1);
  checks.same('TTL without one', await client.ttl(counter), -1);
  const expiration = { type: 'PX', value: 50_000 } as const;
  checks.same('SET PX XX', await client.set(counter, 'x', { expiration, condition: 'XX' }), 'OK');
  checks.between('PTTL', await client.pTTL(counter), 40_000, 50_000);
  checks.same('SET NX', await client.set(counter, 'y', { condition: 'NX' }), null);
  checks.same('GETDEL', await client.getDel(counter), 'x');
}

async function transactions(client: NodeRedis, checks: Checks): Promise<void> {
  const one = `{${HOME_TAG}}:node:one`;
  checks.same('MULTI', await client.multi().set(one, 1).incr(one).get(one).exec(), ['OK', 2, '2']);
  const faulty = client.multi().set(one, 'text').incr(one).del(one).exec();
  await checks.rejected('EXEC with an error', faulty, '1 commands failed');
  checks.same('what the transaction removed', await client.exists(one), 0);
}

async function watches(client: Plain, checks: Checks): Promise<void> {
  const one = `{${HOME_TAG}}:node:watched`;
  const watcher = await client.duplicate().connect();
  try {
    checks.same('WATCH', await watcher.watch(one), 'OK');
    await client.set(one, 10);
    await checks.rejected('EXEC', watcher.multi().set(one, 3).exec(), 'watched keys');
    checks.same('what the other wrote', await client.getDel(one), '10');
  } finally {
    watcher.destroy();
  }
}

async function messages(
  client: NodeRedis,
  subscriber: NodeRedis,
  channel: string,
  checks: Checks,
): Promise<void> {
  const wanted = Array.from({ length: 50 }, (_, i) => `m\0${i}`);
  const heard: string[] = [];
  let heardAll = (): void => {};
  const all = new Promise<void>((resolve) => {
    heardAll = resolve;
  });
  await subscriber.subscribe(channel, (text: string) => {
    if (heard.push(text) === wanted.length) heardAll();
  });
  for (const text of wanted) await client.publish(channel, text);
  await all;
  // A cluster's client publishes at any node, and what goes by two may come in another order.
  checks.same('messages', heard.sort(), wanted.sort());
  await subscriber.unsubscribe(channel);
}
