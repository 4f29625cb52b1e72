import { describe, expect, it } from 'vitest';
import { positionOf, slotAt } from '../../ranges/index.ts';
import { keyOf, parseAck } from './plan.ts';
import { readSlots, share, slotOf } from './slots.ts';

describe('the slots', () => {
  it('of keys are those that the key space has', () => {
    for (const i of [0, 1, 17, 999_999, 123_456_789_012]) {
      expect(slotOf(keyOf(i))).toBe(slotAt(positionOf(keyOf(i))));
    }
  });

  it('are read from CLUSTER SLOTS: each key is its master’s, a node without a host is the one asked', () => {
    const answer = [
      [0, 8191, ['', 7000, 'a']],
      [8192, 12000, ['10.0.0.2', 7001, 'b'], ['10.0.0.3', 7002, 'c']],
      [12001, 16383, ['10.0.0.2', 7001, 'b']],
    ];
    const [a, b] = readSlots(answer, '10.0.0.1', 1000);
    expect([a?.host, a?.slots, b?.host, b?.slots]).toEqual(['10.0.0.1', 8192, '10.0.0.2', 8192]);
    expect((a?.keys.length ?? 0) + (b?.keys.length ?? 0)).toBe(1000);
    for (const number of a?.keys ?? []) expect(slotOf(keyOf(number))).toBeLessThan(8192);
  });

  it.each([null, ['x'], [[0, 20000, ['h', 1]]], [[0, 5, ['h']]]])('%j is no list of slots', (answer) => {
    expect(() => readSlots(answer as never, 'h', 10)).toThrow(/CLUSTER SLOTS/);
  });

  it('are shared among the clients by size, none of the masters left out', () => {
    const master = (slots: number) => ({ host: 'h', port: slots, slots, keys: Uint32Array.of(1) });
    const masters = [master(12000), master(384), master(4000)];
    const chosen = share(masters, 16);
    const count = (i: number) => chosen.filter((one) => one === i).length;
    expect([count(0), count(1), count(2)]).toEqual([11, 1, 4]);
    expect(share([{ ...master(5), keys: new Uint32Array(0) }], 4)).toEqual([]);
  });
});

describe('an ack level', () => {
  it('is machines in memory and on disk', () => {
    expect(parseAck('2m1d')).toEqual({ text: '2m1d', memory: '2', disk: '1' });
    expect(parseAck('qmalld')?.disk).toBe('all');
    for (const text of ['', '1m', 'm1d', '0m1d', '1m1d ', '-1m0d', '1m2d', '1000m0d'])
      expect(parseAck(text)).toBeNull();
  });
});
