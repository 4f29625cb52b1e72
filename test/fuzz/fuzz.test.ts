import { describe, expect, it } from 'vitest';
import { KIND } from '../../src/wire/index.ts';
import { readCorpus } from './corpus.ts';
import { fuzz } from './engine.ts';
import { TARGETS } from './targets/index.ts';

const INPUTS = 3000;
/** Of targets that are slow. */
const FEWER: Readonly<Record<string, number>> = { http: 100, conversation: 500 };

describe('fuzzing', () => {
  for (const [name, make] of Object.entries(TARGETS)) {
    it(`finds no fault at '${name}' in its seeds, its corpus, and changes of both`, async () => {
      const corpus = readCorpus(name);
      expect(corpus.length, 'npm run fuzz -- --grow').toBeGreaterThan(0);
      const most = (FEWER[name] ?? INPUTS) + corpus.length;
      const result = await fuzz(make(), { seed: 20_261_121, corpus, most });
      const input = Buffer.from(result.input ?? []).toString('hex');
      expect(result.failure, input).toBeNull();
      expect(result.inputs).toBe(most);
      expect(result.words).toBeGreaterThan(1);
    });
  }

  it.each(['codec', 'node'])("has messages of every kind that '%s' takes, to make changes of", (name) => {
    const target = TARGETS[name]?.();
    const taken = new Set<string>();
    for (const seed of target?.seeds() ?? []) {
      const word = target?.feed(seed) as string;
      if (word.startsWith('+')) taken.add(word.slice(1).split(' ')[0] ?? '');
    }
    expect(Object.entries(KIND).filter(([, number]) => !taken.has(String(number)))).toEqual([]);
  });

  it('finds a planted fault, saves what did it, and gives the same inputs for the same seed', async () => {
    const planted = () => {
      const fed: string[] = [];
      return {
        fed,
        shape: { kind: 'bytes' as const },
        seeds: () => [Uint8Array.of(1, 2, 3, 4, 5, 6)],
        feed: (input: Uint8Array) => {
          fed.push(Buffer.from(input).toString('hex'));
          // Only a step at a time leads there: each has an outcome of its own.
          if (input[0] === 0x7f && input[1] === 0x80 && input[2] === 0xdd) throw new Error('planted');
          return `${input[0] === 0x7f} ${input[0] === 0x7f && input[1] === 0x80}`;
        },
      };
    };
    const [one, two] = [planted(), planted()];
    const results = [
      await fuzz(one, { seed: 3, corpus: [], most: 2_000_000 }),
      await fuzz(two, { seed: 3, corpus: [], most: 2_000_000 }),
    ];
    expect(results[0]?.failure).toContain('planted');
    expect(Buffer.from(results[0]?.input ?? []).toString('hex')).toMatch(/^7f80dd/);
    expect(one.fed).toEqual(two.fed);
  });
});
