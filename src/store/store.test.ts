import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../base/index.ts';
import { Span } from './span.ts';
import { Store } from './store.ts';

describe('the store', () => {
  const value = new Span(new Uint8Array(4000));
  let store: Store;

  beforeEach(() => {
    store = new Store(undefined, undefined, 8 << 20);
  });
  afterEach(() => store.close());

  const find = (i: number): boolean => store.table.lookup(new Span(utf8(`key:${i}`)), 0, `key:${i}`.length);

  /** Messages from key `first` on until one is refused; how many were taken. */
  function fill(first: number, bytes: number): number {
    for (let key = first; ; key++) {
      store.begin(1);
      if (store.refusal !== null) return key - first;
      find(key);
      store.table.put(value, 0, bytes, 0);
      store.endTurn();
      if (key - first > 100_000) expect.fail('there is always room');
    }
  }

  it.each([100, 1000])(
    'refuses what needs memory at its budget, and takes as many of %i bytes as are deleted',
    (bytes) => {
      const keys = fill(0, bytes);
      expect(keys * bytes).toBeGreaterThan(4 << 20);
      expect(store.refusal).toMatch(/^OOM command not allowed/);
      expect(store.table.heldBytes).toBeLessThan(10 << 20);
      for (let i = 0; i < 1000; i++) if (find(i * 3)) store.table.remove();
      const again = fill(keys, bytes);
      expect(again).toBeGreaterThan(900);
      expect(again).toBeLessThan(1100);
    },
  );

  it('takes messages of another size in place of those deleted, when the turns that follow have made room', () => {
    const keys = fill(0, 100);
    for (let i = 0; i < keys; i += 2) if (find(i)) store.table.remove();
    let taken = 0;
    for (let turn = 0; turn < 100; turn++) {
      taken += fill(keys + taken, 4000);
      store.endTurn();
    }
    expect(taken * 4000).toBeGreaterThan(0.3 * keys * 100);
    expect(store.table.heldBytes).toBeLessThan(11 << 20);
    for (let i = 1; i < keys; i += 2) expect(find(i)).toBe(true);
  });
});
