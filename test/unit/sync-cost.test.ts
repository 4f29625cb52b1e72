import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  comparisonCost,
  differenceCost,
  equalPair,
  History,
  joinCost,
  type Kind,
  type Lab,
} from '../bench/sync-lab.ts';

/** Bounds on bytes, counted on machine objects over a perfect link: every message, both ways. */
const REGISTRATIONS = 20_000;

describe.each([1, 100])('20,000 registrations by %i actors', (actors) => {
  const history = new History(actors, actors, REGISTRATIONS);

  it('come to a node that joins empty in at most 600 KB', () => {
    const bytes = bytesOf(joinCost(history, actors));
    expect(bytes).toBeLessThanOrEqual(600 * 1024);
    // It did carry them: an entry is more than its two positions.
    expect(bytes).toBeGreaterThan(REGISTRATIONS * 8);
  });

  it('are found equal with at most 2 datagrams and 128 bytes, and no stream', () => {
    const sent = comparisonCost(equalPair(history, actors));
    expect(sent.datagrams).toBeLessThanOrEqual(2);
    expect(bytesOf(sent)).toBeLessThanOrEqual(128);
    expect(sent.frames).toBe(0);
  });

  it('with d differences cost at most 2 KB and 100 bytes times d to bring together', () => {
    const lab: Lab = equalPair(history, actors);
    for (const kind of ['adds', 'releases', 'both'] satisfies Kind[]) {
      for (const count of [1, 10, 100, 1000]) {
        const bytes = bytesOf(differenceCost(lab, history, count, kind));
        expect(bytes, `${count} ${kind}`).toBeLessThanOrEqual(2048 + 100 * count);
        expect(lab.nodes.map((node) => node.rangeCounts().registrations)).toEqual([
          history.map.size,
          history.map.size,
        ]);
      }
    }
  });
});
