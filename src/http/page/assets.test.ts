/** The parts of the page that need no browser. The rest is in test/e2e/page.test.ts. */
import { describe, expect, it } from 'vitest';
import { type NodeId, SeededRng } from '../../base/index.ts';
import type { SegmentView } from '../../node/contract.ts';
import { assignColours } from './assets/colour.js';
import { bytes, duration, percent, percentile, slots } from './assets/format.js';
import { binned, indexAt, KEY_SPACE, runs, summarize, tickStep } from './assets/keyspace.js';
import { matcher } from './assets/ranges.js';
import { merged } from './assets/store.js';
import { pageFiles } from './index.ts';

const LAST = KEY_SPACE - 1;

/** A random table: sorted, without holes, with up to three owners a segment. */
function randomTable(seed: number): SegmentView[] {
  const rng = new SeededRng(seed);
  const starts = [...new Set([0, ...Array.from({ length: rng.below(60) }, () => rng.u32())])].sort(
    (a, b) => a - b,
  );
  return starts.map((start, i) => ({
    start,
    end: (starts[i + 1] ?? KEY_SPACE) - 1,
    owners: Array.from({ length: rng.below(4) }, (_, k) => {
      const name = `n${(rng.below(3) + k * 3) % 9}`;
      return { node: name as NodeId, name, priority: 3 - k };
    }),
  }));
}

describe('the segment table on the page', () => {
  it('adds up to the whole key space, whatever the table', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const table = randomTable(seed);
      const { depth, first, gaps } = summarize(table);
      const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + (b ?? 0), 0);
      expect(sum(depth), `seed ${seed}`).toBe(KEY_SPACE);
      expect(sum(first.values()) + (depth[0] ?? 0), `seed ${seed}`).toBe(KEY_SPACE);
      expect(sum(gaps.map((gap) => gap.end - gap.start + 1)), `seed ${seed}`).toBe(depth[0] ?? 0);
    }
  });

  it('joins gaps that touch, and has no opinion on an empty table', () => {
    const segment = (start: number, end: number): SegmentView => ({ start, end, owners: [] });
    expect(summarize([segment(0, 9), segment(10, LAST)]).gaps).toEqual([{ start: 0, end: LAST }]);
    expect(summarize([])).toMatchObject({ gaps: [], minOwners: 0, maxOwners: 0 });
    expect(indexAt([], 5)).toBe(-1);
  });

  it('finds the segment of a position', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const table = randomTable(seed);
      const rng = new SeededRng(seed + 1000);
      for (const position of [0, LAST, rng.u32(), rng.u32(), table.at(-1)?.start ?? 0]) {
        const plain = table.findIndex(({ start, end }) => start <= position && position <= end);
        expect(indexAt(table, position), `seed ${seed}, position ${position}`).toBe(plain);
      }
    }
  });

  it('gives each bin the shares that the runs have there', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const table = randomTable(seed);
      const [from, to] = [KEY_SPACE / 8, KEY_SPACE / 2];
      for (const rank of [0, 1]) {
        const inRuns = new Map<string, number>();
        for (const run of runs(table, rank, from, to))
          if (run.node !== null) inRuns.set(run.node, (inRuns.get(run.node) ?? 0) + run.to - run.from);
        const inBins = new Map<string, number>();
        for (const bin of binned(table, rank, from, to, 37))
          for (const [id, share] of bin) inBins.set(id, (inBins.get(id) ?? 0) + (share * (to - from)) / 37);
        expect([...inBins.keys()].sort()).toEqual([...inRuns.keys()].sort());
        for (const [id, positions] of inRuns) expect(inBins.get(id)).toBeCloseTo(positions, 2);
      }
    }
  });

  it('puts ticks on powers of two, not more than there is room for', () => {
    expect(tickStep(KEY_SPACE, 8)).toBe(2 ** 29);
    expect(tickStep(KEY_SPACE, 7)).toBe(2 ** 30);
    expect(tickStep(64, 10)).toBe(8);
  });
});

describe('words and colours on the page', () => {
  it('never rounds a share to nothing or to all', () => {
    expect([0, 1e-9, 0.5, 1 - 1e-9, 1].map(percent)).toEqual([
      '0 %',
      '< 0.1 %',
      '50.0 %',
      '> 99.9 %',
      '100 %',
    ]);
  });

  it('names whole and partial slots', () => {
    expect(slots(0, LAST)).toBe('slots 0–16383');
    expect(slots(0xfffc0000, LAST)).toBe('slot 16383');
    expect(slots(1, 2)).toBe('part of slot 0');
  });

  it('tells a span by its two largest units', () => {
    expect([0, 59, 61, 3600, 187_432].map(duration)).toEqual(['0 s', '59 s', '1 min 1 s', '1 h', '2 d 4 h']);
  });

  it('tells bytes in units of 1024', () => {
    expect([0, 1023, 1024, 1_600_000, 150 * 2 ** 20, 2 ** 45].map(bytes)).toEqual([
      '0 B',
      '1023 B',
      '1 kB',
      '1.5 MB',
      '150 MB',
      '32 TB',
    ]);
  });

  it('takes the percentile by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile([7], 0.99)]).toEqual([50, 99, 7]);
  });

  it('keeps a colour once given, and gives no two of thirty nodes the same', () => {
    const ids = Array.from({ length: 30 }, (_, i) => `${i * 7919}`);
    const few = new Map(assignColours(ids.slice(10, 15)));
    const all = assignColours(ids);
    for (const [id, colour] of few) expect(all.get(id)).toBe(colour);
    expect(new Set(ids.map((id) => all.get(id))).size).toBe(30);
  });

  it('filters registrations by name, id, position and slot', () => {
    const range = {
      node: '00ff00ff00ff00ff' as NodeId,
      name: 'Perch',
      start: 2 ** 18,
      end: 2 ** 19,
      priority: 1,
    };
    const matching = ['', ' perch', '00FF', '0x40001', '262144', 'slot:1'].filter((text) =>
      matcher(text)(range),
    );
    expect(matching).toHaveLength(6);
    expect(['cod', '0x3ffff', 'slot:9', '5'].filter((text) => matcher(text)(range))).toEqual([]);
  });
});

describe('figures over time on the page', () => {
  const nothing = { usedBytes: [], heldBytes: [], diskBytes: [], clients: [], busyPercent: [], lagMs: [] };
  const history = (...atMs: number[]) => ({
    ...nothing,
    everyMs: 2000,
    atMs,
    commandsPerSecond: atMs.map((at) => at / 1000),
    keys: atMs,
  });
  const shown = (samples: readonly { atMs: number; commandsPerSecond?: number }[]) =>
    samples.map(({ atMs, commandsPerSecond }) => [atMs / 1000, commandsPerSecond]);

  it('go on where they were, with a break where time is missing', () => {
    const known = merged([], history(2000, 4000));
    expect(shown(merged(known, history()))).toEqual([
      [2, 2],
      [4, 4],
    ]);
    expect(shown(merged(known, history(6000)))).toEqual([
      [2, 2],
      [4, 4],
      [6, 6],
    ]);
    expect(shown(merged(known, history(60_000)))).toEqual([
      [2, 2],
      [4, 4],
      [6, undefined],
      [60, 60],
    ]);
  });

  it('begin anew where the clock was set back, and are the last ten minutes at most', () => {
    const known = merged([], history(2000, 4000, 6000));
    expect(shown(merged(known, history(3000, 5000)))).toEqual([
      [2, 2],
      [3, 3],
      [5, 5],
    ]);
    const long = merged(known, history(...Array.from({ length: 300 }, (_, i) => 8000 + 2000 * i)));
    expect([long.length, long[0]?.atMs]).toEqual([300, 8000]);
  });
});

it('every file of the page has content, and the page asks for none that is not there', () => {
  for (const [path, { body, contentType }] of pageFiles) {
    if (!contentType.startsWith('text/css')) expect(body.length, path).toBeGreaterThan(100);
    for (const [, wanted] of body.matchAll(/(?:src|href)="(\/[\w./]*)"/g))
      if (wanted !== undefined && !/^\/(v1\/|metrics)/.test(wanted))
        expect(pageFiles.has(wanted), wanted).toBe(true);
    for (const [, wanted] of body.matchAll(/from '\.(\/\w+\.js)'/g))
      expect(pageFiles.has(`${wanted}`), wanted).toBe(true);
  }
  expect(pageFiles.get('/vendor/uplot.js')?.body).toContain('The MIT License');
});
