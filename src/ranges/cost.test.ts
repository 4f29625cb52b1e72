import { describe, expect, it } from 'vitest';
import { OwnershipView } from './index.ts';
import { nodeId } from './naive.testkit.ts';

function viewOf(registrations: number): OwnershipView {
  const view = new OwnershipView();
  const width = Math.floor(2 ** 32 / registrations);
  for (let n = 0; n < 10; n++) view.setLive(nodeId(n), true);
  for (let i = 0; i < registrations; i++)
    view.setRegistration(nodeId(i % 10), i * width, (i + 1) * width - 1, 1);
  return view;
}

/** What one register, priority change and release of a small range cost, with a snapshot taken before each. */
function costOf(view: OwnershipView): { cellsTouched: number; entriesCopied: number }[] {
  return [1, 2, 0].map((priority) => {
    view.snapshot().ownersAt(0);
    const before = view.work;
    view.setRegistration(nodeId(3), 1000, 1010, priority);
    const after = view.work;
    return {
      cellsTouched: after.cellsTouched - before.cellsTouched,
      entriesCopied: after.entriesCopied - before.entriesCopied,
    };
  });
}

describe('the cost of a change', () => {
  it('of a small range is the same at 100 and at 100,000 registrations, but for a log', () => {
    const small = costOf(viewOf(100));
    const large = costOf(viewOf(100_000));
    small.forEach((cost, i) => {
      expect(cost.cellsTouched).toBeGreaterThan(0);
      expect(large[i]?.cellsTouched).toBe(cost.cellsTouched);
      // Whole nodes of at most 64 entries are copied, one a level; 100,000 registrations have two levels more.
      expect(large[i]?.entriesCopied).toBeLessThanOrEqual(cost.entriesCopied + 2 * 64);
    });
  });

  it('grows with the cells overlapped and not with those elsewhere', () => {
    const view = viewOf(10_000);
    const width = Math.floor(2 ** 32 / 10_000);
    view.snapshot();
    const before = view.work.cellsTouched;
    view.setRegistration(nodeId(11), 0, 500 * width - 1, 1);
    view.setLive(nodeId(11), true);
    expect(view.work.cellsTouched - before).toBe(500);
  });

  it('leaves nothing behind after 20,000 registers and releases of other ranges', () => {
    const view = viewOf(100);
    const before = view.snapshot().segments();
    for (let i = 0; i < 20_000; i++) {
      view.setRegistration(nodeId(1), i * 1000, i * 1000 + 2_000_000, 5);
      if (i % 100 === 0) view.snapshot();
      view.setRegistration(nodeId(1), i * 1000, i * 1000 + 2_000_000, 0);
    }
    expect(view.snapshot().segments()).toEqual(before);
    view.snapshot();
    const { cellsTouched } = view.work;
    view.setRegistration(nodeId(1), 0, 2 ** 32 - 1, 5);
    // 100 ranges and the rest at the end of the key space: no border of a released range is left.
    expect(view.work.cellsTouched - cellsTouched).toBe(101);
  });
});
