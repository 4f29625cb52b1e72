import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitTargets, treeWidth } from './tree.ts';

/** Serial rounds until all of `length` targets have it, where a holder sends once a round; counts messages. */
function run(length: number, parts: number): { rounds: number; messages: number; reached: Set<number> } {
  const reached = new Set<number>();
  let messages = 0;
  const hold = (from: number, count: number, round: number): number => {
    let last = round;
    splitTargets(from, count, parts).forEach((part, i) => {
      messages++;
      if (reached.has(part.head)) throw new Error(`target ${part.head} was handed to twice`);
      reached.add(part.head);
      last = Math.max(last, hold(part.from, part.length, round + i + 1));
    });
    return last;
  };
  return { rounds: hold(0, length, 0), messages, reached };
}

describe('the broadcast tree', () => {
  it('with halving takes n-1 messages and at most ceil(log2 n) serial rounds, for n from 2 to 1000', () => {
    for (let n = 2; n <= 1000; n++) {
      const { rounds, messages, reached } = run(n - 1, 2);
      expect(messages).toBe(n - 1);
      expect(reached.size).toBe(n - 1);
      expect(rounds).toBeLessThanOrEqual(Math.ceil(Math.log2(n)));
    }
  });

  it('with any width reaches every target exactly once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 2, max: 16 }), (length, parts) => {
        const { messages, reached } = run(length, parts);
        expect(messages).toBe(length);
        expect(reached.size).toBe(length);
      }),
      { numRuns: 100 },
    );
  });

  it('is split in two where sending is as dear as a hop, wider where the network is slow', () => {
    expect(treeWidth(63, 1, 1)).toBe(2);
    expect(treeWidth(63, 50, 0.05)).toBeGreaterThan(4);
    expect(treeWidth(1, 1, 1)).toBe(2);
    for (let n = 1; n < 5000; n += 97) {
      for (const hop of [0.01, 0.1, 1, 100]) {
        expect(treeWidth(n, hop, 0.05)).toBeGreaterThanOrEqual(2);
        expect(treeWidth(n, hop, 0.05)).toBeLessThanOrEqual(16);
      }
    }
  });
});
