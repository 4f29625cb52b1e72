import { afterEach, expect, it } from 'vitest';
import type { Listed, ReadThrough } from '../../store/index.ts';
import { FakeDisk } from '../testing/fake-disk.ts';
import { Served } from '../testing/served.ts';

const served = new Served();
afterEach(() => served.close());

/** A server whose messages are listed as a test says. */
async function start(list: ReadThrough['list']) {
  const disk = new FakeDisk();
  disk.readThrough = {
    list,
    isCold: () => false,
    isFull: false,
    isBehind: () => false,
    read: () => {},
    hold: () => {},
    letGo: () => {},
    sweep: () => {},
    counters: () => ({ reads: 0, evicted: 0 }),
  };
  return served.start({}, disk.store());
}

function listed(key: Uint8Array): Listed {
  return { slot: 0, key, value: key, expiryMs: 0 };
}

it('KEYS on disk is refused when the keys are more than an answer may hold', async () => {
  const found = new Array<Listed>(1024).fill(listed(new Uint8Array(4096)));
  let lists = 0;
  const { join } = await start(async (from) => {
    lists++;
    return { found, next: from + 1 };
  });
  const client = await join();
  expect(await client.ask('KEYS', '*')).toContain('-ERR the keys are more than 64 MB: use SCAN');
  expect(lists).toBeLessThan(20);
});

it('KEYS on disk ends when the client has left', async () => {
  let lists = 0;
  let leave = (): void => {};
  const asked = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const { join, server } = await start(async (from) => {
    if (++lists === 10) leave();
    await new Promise((resolve) => setImmediate(resolve));
    return { found: [], next: from + 1 };
  });
  const client = await join();
  const answer = client.ask('KEYS', '*');
  await asked;
  client.close();
  await answer;
  while (server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  const before = lists;
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(lists - before).toBeLessThan(3);
});

it('KEYS on disk goes through all of it, and gives what matches', async () => {
  const pages = [['a1', 'b1'], ['a2'], []].map((page) => page.map((key) => listed(Buffer.from(key))));
  const { join } = await start(async (from) => ({ found: pages[from] ?? [], next: (from + 1) % 3 }));
  const client = await join();
  expect(await client.ask('KEYS', 'a*')).toBe('*2 $2 a1 $2 a2');
  expect(await client.ask('KEYS', 'c*')).toBe('*0');
});

it('KEYS on disk lets others have their turn while it compares keys that take many looks', async () => {
  let rounds = 0;
  let over = false;
  const count = (): void => {
    rounds++;
    if (!over) setImmediate(count);
  };
  const found = new Array<Listed>(512).fill(listed(Buffer.from('a'.repeat(400))));
  const { join } = await start(async () => {
    count();
    return { found, next: 0 };
  });
  const client = await join();
  expect(await client.ask('KEYS', `*${'a'.repeat(150)}b`)).toBe('*0');
  over = true;
  expect(rounds).toBeGreaterThan(20);
});
