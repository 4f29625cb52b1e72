import { type Profiler, Session } from 'node:inspector';
import { SeededRng } from '../../src/base/index.ts';
import { Mutator } from './mutate.ts';
import type { Target } from './target.ts';

/** Inputs fed between two looks at what was covered. */
const BATCH = 256;

type Span = readonly [start: number, end: number];

function overlap(a: readonly Span[], b: readonly Span[]): Span[] {
  const out: Span[] = [];
  for (const [start, end] of a) {
    for (const [from, to] of b) {
      if (Math.max(start, from) < Math.min(end, to)) out.push([Math.max(start, from), Math.min(end, to)]);
    }
  }
  return out;
}

/** Of what lies in no other span of the list: blocks nest. */
function length(spans: readonly Span[]): number {
  let sum = 0;
  let at = 0;
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    sum += Math.max(0, end - Math.max(at, start));
    at = Math.max(at, end);
  }
  return sum;
}

/**
 * V8's own block coverage: which blocks of this program's source ran since the last look. Slow to ask and slow to run
 * under, so only growing the corpus does it.
 */
class Coverage {
  readonly #session = new Session();
  readonly #script: string;
  /** By function: what of it never ran. */
  readonly #missing = new Map<number, readonly Span[]>();
  /** Functions, and shares of functions, that were seen to run for the first time. */
  steps = 0;

  constructor(script: string) {
    this.#script = script;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How much ran since the last look that had never run before; remembers it when told to. */
  fresh(remember: boolean): number {
    let fresh = 0;
    for (const { name, missing } of this.#ran()) {
      const before = this.#missing.get(name);
      const now = before === undefined ? missing : overlap(before, missing);
      if (before !== undefined && length(now) === length(before)) continue;
      fresh++;
      if (remember) this.#missing.set(name, now);
    }
    if (remember) this.steps += fresh;
    return fresh;
  }

  stop(): void {
    this.#post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  /** Functions that ran, each by its place. V8 tells of blocks whose count is not that of the block around them. */
  *#ran(): Generator<{ name: number; missing: Span[] }> {
    const { result } = this.#post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    for (const { url, functions } of result) {
      if (!url.endsWith(this.#script)) continue;
      for (const { ranges } of functions) {
        const [whole, ...blocks] = ranges;
        if (whole === undefined || whole.count === 0) continue;
        const missing = blocks.filter(({ count }) => count === 0);
        const spans = missing.map(({ startOffset, endOffset }): Span => [startOffset, endOffset]);
        yield { name: whole.startOffset * 2 ** 26 + whole.endOffset, missing: spans };
      }
    }
  }

  #post(method: string, params: object = {}): unknown {
    let answer: unknown;
    // Within one process the answer comes before the call returns.
    this.#session.post(method, params, (error: Error | null, result?: object) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}

export interface Growth {
  readonly corpus: Uint8Array[];
  readonly inputs: number;
  readonly steps: number;
}

/**
 * Searches for inputs that reach new code: batches of changed ones; where a batch reached something, the inputs that did
 * are found by feeding it again one by one. The old corpus is walked first and keeps only what is still worth its place.
 */
export async function grow(
  make: () => Target,
  old: readonly Uint8Array[],
  script: string,
  seed: number,
  forMs: number,
): Promise<Growth> {
  const target = make();
  const rng = new SeededRng(seed);
  const mutator = new Mutator(target.shape, rng.fork());
  const until = performance.now() + forMs;
  const coverage = new Coverage(script);
  const corpus: Uint8Array[] = [];
  let inputs = 0;
  const feed = async (input: Uint8Array): Promise<void> => {
    inputs++;
    await target.feed(input.slice());
  };
  const keepIfFresh = async (input: Uint8Array): Promise<void> => {
    coverage.fresh(true); // What the loop itself did.
    await feed(input);
    if (coverage.fresh(true) > 0) corpus.push(input);
  };
  const seeds = target.seeds();
  for (const input of seeds) await feed(input);
  coverage.fresh(true);
  const shortestFirst = [...old].sort((a, b) => a.length - b.length);
  for (const input of shortestFirst) await keepIfFresh(input);
  while (performance.now() < until) {
    const from = [...seeds, ...corpus];
    const batch = Array.from({ length: BATCH }, () => mutator.next(from));
    coverage.fresh(true);
    for (const input of batch) await feed(input);
    if (coverage.fresh(false) === 0) continue;
    for (const input of batch) {
      await feed(input);
      if (coverage.fresh(true) > 0) corpus.push(input);
    }
  }
  coverage.stop();
  await target.close?.();
  return { corpus, inputs, steps: coverage.steps };
}
