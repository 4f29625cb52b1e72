import { expect, test } from 'vitest';
import { Sandbox } from './harness.ts';
import { type Reply, StoreClient } from './store-client.ts';

const value = (i: number): string => `${i}.`.padEnd(200 + (i % 100), 'v');

test('leveldb: several times its memory is written, walked, killed and read back', {
  timeout: 120_000,
}, async () => {
  await using sandbox = new Sandbox();
  const flags = ['--range', '0-0xffffffff', '--store', 'leveldb', '--store-memory', '8'];
  const first = await sandbox.start({ name: 'one', flags });
  const client = await StoreClient.connect(first.ready.resp as string);
  const keys = 60_000;
  for (let i = 0; i < keys; i += 500) {
    const sets: Promise<Reply>[] = [];
    for (let k = i; k < i + 500; k++) sets.push(client.ask('SET', `key:${k}`, value(k)));
    expect(new Set(await Promise.all(sets))).toEqual(new Set(['OK']));
  }
  expect(await client.ask('DEL', 'key:1')).toBe(1);
  expect(await client.ask('WAITAOF', 1, 0, 10_000)).toEqual([1, 0]);
  expect(await client.ask('MGET', '{key:2}', 'key:2')).toEqual([null, value(2)]);
  await client.ask('MULTI');
  await client.ask('APPEND', 'key:3', '+');
  await client.ask('GET', 'key:3');
  expect(await client.ask('EXEC')).toEqual([value(3).length + 1, `${value(3)}+`]);
  const seen = new Set<Reply>();
  let cursor: Reply = '0';
  do {
    const [next, found] = (await client.ask('SCAN', cursor, 'COUNT', 1000)) as [string, string[]];
    for (const key of found) seen.add(key);
    cursor = next;
  } while (cursor !== '0');
  expect(seen.size).toBe(keys - 1);
  await first.stop('SIGKILL');
  client.close();
  const again = await sandbox.start({ name: 'one', flags });
  const other = await StoreClient.connect(again.ready.resp as string);
  expect(await other.ask('DBSIZE')).toBe(keys - 1);
  const values = await Promise.all(
    Array.from({ length: 2000 }, (_, i) => other.ask('GET', `key:${4 + i * 29}`)),
  );
  for (const [i, read] of values.entries()) expect(read).toBe(value(4 + i * 29));
  expect(await other.ask('GET', 'key:1')).toBe(null);
  other.close();
});
