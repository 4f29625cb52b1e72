import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNodeId } from '../base/index.ts';
import { Entry } from './entry.ts';
import { RangeTable } from './table.ts';

const node = parseNodeId('00000000000000aa');
/** Few enough that they are added and deleted again and again; ends above 2^31 are stored as negative numbers. */
const ranges = Array.from({ length: 60 }, (_, i) => [i * 0x3ffffff, 0xffffffff - (i % 7)] as const);

describe('the table of one node', () => {
  it('holds what a plain Map holds, through any additions and deletions', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(ranges.length - 1), { maxLength: 300 }), (toggles) => {
        const table = new RangeTable();
        const model = new Map<number, Entry>();
        for (const i of toggles) {
          const [start, end] = ranges[i] as (typeof ranges)[number];
          const there = model.get(i);
          if (there === undefined) {
            const entry = new Entry(node, start, end);
            table.add(entry);
            model.set(i, entry);
          } else {
            table.delete(there);
            model.delete(i);
          }
          expect(table.size).toBe(model.size);
        }
        ranges.forEach(([start, end], i) => {
          expect(table.get(start, end)).toBe(model.get(i));
        });
        expect(new Set(table.values())).toEqual(new Set(model.values()));
      }),
    );
  });
});
