import { expect, it } from 'vitest';
import { Client } from './client.ts';
import { COMMANDS } from './commands/index.ts';
import { Dispatcher } from './dispatcher.ts';
import { ServerState } from './state.ts';
import { FakeDisk } from './testing/fake-disk.ts';
import { asRequest } from './testing/script.ts';

/** A client of a server whose cache has the keys that a test says. */
function served() {
  const cold = new Set<string>();
  const reads: (() => void)[] = [];
  const cache = {
    cold,
    /** Reads under way; each ends when it is called. */
    reads,
    held: 0,
    isFull: false,
    isBehind: () => false,
    isCold: (key: { bytes: Uint8Array }, at: number, length: number) =>
      cold.has(Buffer.from(key.bytes.subarray(at, at + length)).toString()),
    read: (_keys: readonly Uint8Array[], done: () => void) => {
      reads.push(done);
    },
    hold: () => {
      cache.held++;
    },
    letGo: () => {
      cache.held--;
    },
    list: async () => ({ found: [], next: 0 }),
    sweep: () => {},
    counters: () => ({ reads: 0, evicted: 0 }),
  };
  const disk = new FakeDisk();
  disk.readThrough = cache;
  const state = new ServerState(COMMANDS, 0, 'test');
  const dispatcher = new Dispatcher(disk.store(), state);
  const client = new Client(1, 'test', 0);
  /** Has a command come, or what came go on; gives what was answered. */
  const run = (...words: string[]): string => {
    if (words.length > 0) client.request.feed(asRequest(words));
    dispatcher.run(client, 1_000_000);
    const { reply } = dispatcher.call;
    const text = Buffer.from(reply.written).toString('latin1');
    reply.length = 0;
    return text;
  };
  return { cache, state, client, run };
}

it('a command runs when its keys were read, and what is held meanwhile is let go', () => {
  const { cache, run } = served();
  cache.cold.add('b');
  expect(run('MGET', 'a', 'b')).toBe('');
  for (let i = 0; i < 3; i++) {
    cache.reads.pop()?.();
    expect(run()).toBe('');
  }
  expect(cache.held).toBe(1);
  cache.cold.clear();
  cache.reads.pop()?.();
  expect(run()).toBe('*2\r\n$-1\r\n$-1\r\n');
  expect(cache.held).toBe(0);
});

it('what is held for a client is let go when it leaves between a read and its turn', () => {
  const { cache, state, client, run } = served();
  cache.cold.add('a');
  run('GET', 'a');
  for (let i = 0; i < 3; i++) {
    cache.reads.pop()?.();
    run();
  }
  cache.reads.pop()?.();
  expect(client.blocked).toBeNull();
  expect(cache.held).toBe(1);
  state.forget(client);
  expect(cache.held).toBe(0);
});

it('what is held for a client is let go when it leaves during a read', () => {
  const { cache, state, client, run } = served();
  cache.cold.add('a');
  run('GET', 'a');
  for (let i = 0; i < 3; i++) {
    cache.reads.pop()?.();
    run();
  }
  expect(client.blocked).not.toBeNull();
  state.forget(client);
  cache.reads.pop()?.();
  expect(cache.held).toBe(0);
});

it('a command that asks for more than there is memory for is refused, and the next ones run', () => {
  const { cache, run } = served();
  cache.cold.add('a');
  expect(run('MGET', 'a', 'b')).toBe('');
  for (let i = 0; i < 3; i++) {
    cache.reads.pop()?.();
    expect(run()).toBe('');
  }
  cache.isFull = true;
  cache.reads.pop()?.();
  expect(run()).toMatch(/^-OOM the command asks for more messages at once/);
  expect(cache.held).toBe(0);
  expect(run('GET', 'b')).toBe('$-1\r\n');
  expect(run('MULTI')).toBe('+OK\r\n');
});

it('a command waits while others take all the memory', () => {
  const { cache, run } = served();
  cache.cold.add('a');
  cache.isFull = true;
  expect(run('GET', 'a')).toBe('');
  for (let i = 0; i < 10; i++) {
    cache.reads.pop()?.();
    expect(run()).toBe('');
  }
  expect(cache.held).toBe(0);
  cache.cold.clear();
  cache.reads.pop()?.();
  expect(run()).toBe('$-1\r\n');
});
