import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { utf8 } from '../base/index.ts';
import { positionOf, slotRange } from '../ranges/index.ts';
import { Span, Store } from '../store/index.ts';
import { scanStore } from './store-scan.ts';

const KEYS = Array.from({ length: 400 }, (_, i) => (i % 3 === 0 ? `{tag}${i}` : `key\n${i}`));
const EXPIRY_MS = 4_000_000_000_000;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function filled(backend: 'memory' | 'leveldb'): Promise<Store> {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-scan-'));
  const store = await Store.open({
    ...{ backend, directory, maxMemoryBytes: 0, maxDiskBytes: 0, compress: false, salvage: false },
    ...{ notices: { info: () => {}, warn: () => {} }, nowMs: Date.now() },
  });
  closing.push(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  for (const [i, key] of KEYS.entries()) {
    const bytes = utf8(key);
    store.table.lookup(new Span(bytes), 0, bytes.length);
    const value = utf8('v'.repeat(i));
    store.table.put(new Span(value), 0, value.length, i % 2 === 0 ? EXPIRY_MS : 0);
  }
  store.endTurn();
  return store;
}

it.each(['memory', 'leveldb'] as const)(
  'shows each message of a range once, page by page: %s',
  async (backend) => {
    const store = await filled(backend);
    const tag = positionOf('{tag}');
    const slot = slotRange(tag >>> 18);
    for (const [start, end] of [
      [0, 0xffffffff],
      [0, 0x7fffffff],
      [slot.start, slot.end],
      [tag, tag],
      [tag + 1, slot.end],
    ] as const) {
      const keys: string[] = [];
      let cursor = 0;
      do {
        const page = await scanStore(store, { start, end }, cursor, 7);
        for (const { key, position, bytes, value, expiresAt } of page.entries) {
          const i = KEYS.indexOf(key.replace('\\x0a', '\n'));
          expect([position, bytes, value]).toEqual([
            positionOf(KEYS[i] ?? ''),
            i,
            'v'.repeat(Math.min(i, 64)),
          ]);
          expect(expiresAt).toBe(i % 2 === 0 ? new Date(EXPIRY_MS).toISOString() : null);
          keys.push(KEYS[i] ?? key);
        }
        cursor = page.cursor;
      } while (cursor !== 0);
      const wanted = KEYS.filter((key) => positionOf(key) >= start && positionOf(key) <= end);
      expect(keys.sort()).toEqual([...wanted].sort());
    }
  },
);
