import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../base/index.ts';
import type { Backend } from './backend.ts';
import { silent } from './notices.ts';
import { Span } from './span.ts';
import { Store } from './store.ts';

const START_MS = 1_795_268_169_000;

/** What every back end promises, each on a real directory. */
describe.each(['memory', 'log', 'leveldb'] as const)('the back end %s', (name: Backend['name']) => {
  let directory: string;
  let store: Store;
  let nowMs: number;

  const open = async (): Promise<void> => {
    store = await Store.open({
      backend: name,
      directory: join(directory, 'store'),
      maxMemoryBytes: 0,
      maxDiskBytes: 0,
      compress: true,
      salvage: false,
      notices: silent,
      nowMs,
    });
    store.begin(nowMs);
  };
  const restart = async (): Promise<void> => {
    await store.close();
    await open();
  };
  const find = (key: Uint8Array): boolean => store.table.lookup(new Span(key), 0, key.length);
  const put = (key: Uint8Array, value: Uint8Array, expiryMs = 0): void => {
    find(key);
    store.table.put(new Span(value), 0, value.length, expiryMs);
  };
  const told = (): Promise<string | null> =>
    new Promise((resolve) =>
      store.backend.whenOnDisk(store.backend.sequence, (error) => resolve(error?.code ?? null)),
    );
  const stampOf = (key: Uint8Array): Int32Array => {
    expect(find(key)).toBe(true);
    const stamp = new Int32Array(4);
    store.table.copyStamp(stamp);
    return stamp;
  };
  const clockOf = (stamp: Int32Array): bigint => new BigUint64Array(stamp.buffer)[0] as bigint;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'shoal-backend-'));
    nowMs = START_MS;
    await open();
  });
  afterEach(async () => {
    await store.close();
    await rm(directory, { recursive: true });
  });

  it('keeps messages of every kind, and what became of them, or says that it does not', async () => {
    const { durable } = store.backend;
    const kinds: [key: Uint8Array, value: Uint8Array, expiryMs: number][] = [
      [utf8(''), utf8('of the empty key'), 0],
      [Uint8Array.of(0, 13, 10, 255), new Uint8Array(0), 0],
      [utf8('expires'), utf8('later'), START_MS + 60_000],
      [utf8('k'.repeat(70_000)), utf8('v'), START_MS + 60_000],
      [utf8('large'), new Uint8Array(3_000_000).map((_, i) => i * 7), 0],
    ];
    put(utf8('before'), utf8('everything was deleted'));
    store.table.clear();
    put(utf8('gone'), utf8('soon'));
    put(utf8('over'), utf8('soon'), START_MS + 10);
    for (const [key, value, expiryMs] of kinds) put(key, value, expiryMs);
    find(utf8('gone'));
    store.table.remove();
    const { sequence } = store.backend;
    expect(sequence > 0).toBe(durable);
    const waited = told();
    store.endTurn();
    expect(await waited).toBe(durable ? null : 'store-memory');
    expect(store.backend.onDiskSequence).toBe(sequence);
    const stamps = kinds.map(([key]) => stampOf(key));
    nowMs += 100;
    await restart();
    expect(store.table.size).toBe(durable ? kinds.length : 0);
    for (const [i, [key, value, expiryMs]] of kinds.entries()) {
      expect(find(key)).toBe(durable);
      if (!durable) continue;
      expect(Buffer.concat(store.table.rope.pieces).equals(value)).toBe(true);
      expect(store.table.expiryMs).toBe(expiryMs);
      expect(stampOf(key)).toEqual(stamps[i]);
    }
  });

  it('gives later versions later clocks, after a restart with a clock that was set back, too', async () => {
    const key = utf8('key');
    put(key, utf8('first'));
    const first = stampOf(key);
    store.endTurn();
    if (store.backend.durable) {
      nowMs -= 3_600_000;
      await restart();
    }
    put(key, utf8('second'));
    const second = stampOf(key);
    expect(clockOf(second) > clockOf(first)).toBe(true);
    expect(second.subarray(2)).not.toEqual(first.subarray(2));
  });

  it('tells whoever waits exactly once, those too who still wait when it is closed', async () => {
    const calls: (string | null)[] = [];
    put(utf8('key'), utf8('value'));
    const { backend } = store;
    for (let i = 0; i < 3; i++)
      backend.whenOnDisk(backend.sequence, (error) => calls.push(error?.code ?? null));
    await store.close();
    expect(calls).toHaveLength(3);
    // What a stop could bring to disk is there.
    expect(new Set(calls).size).toBe(1);
    await open();
    expect(find(utf8('key'))).toBe(calls[0] === null);
  });

  it('takes changes at once, and has nothing to say while all is well', async () => {
    const { backend } = store;
    expect([backend.refusal, backend.blocked, backend.congested, backend.state]).toEqual([
      null,
      null,
      false,
      'ok',
    ]);
    expect(backend.warnings).toEqual([]);
    expect(backend.save()).toBe(name === 'log' ? true : null);
  });
});
