import { SeededRng } from '../../src/base/index.ts';
import { Mutator } from './mutate.ts';
import type { Target } from './target.ts';

export interface FuzzResult {
  readonly inputs: number;
  readonly accepted: number;
  /** Kinds of outcome that were seen. */
  readonly words: number;
  readonly failure: string | null;
  /** The input that failed. */
  readonly input: Uint8Array | null;
}

export interface FuzzRun {
  readonly seed: number;
  /** Checked-in inputs, besides the target's own seeds. */
  readonly corpus: readonly Uint8Array[];
  readonly forMs?: number;
  readonly most?: number;
  readonly progress?: (inputs: number) => void;
}

/** Inputs kept because their outcome was new, per run; older ones make room. */
const KEPT = 2000;
/** One of so many outcomes of a known kind is kept too: the way there may be another. */
const KEEP_ONE_IN = 50_000;

/** Runs a target: all seeds and the corpus, then changed ones. The same seed and count give the same inputs. */
export async function fuzz(target: Target, run: FuzzRun): Promise<FuzzResult> {
  const rng = new SeededRng(run.seed);
  const mutator = new Mutator(target.shape, rng.fork());
  const base = [...target.seeds(), ...run.corpus];
  const live = base.slice();
  const words = new Set<string>();
  const most = run.most ?? Infinity;
  const until = performance.now() + (run.forMs ?? Infinity);
  let inputs = 0;
  let accepted = 0;
  let input: Uint8Array = new Uint8Array();
  const note = (word: string): void => {
    if (word.startsWith('+')) accepted++;
    const isNew = !words.has(word);
    if (isNew) words.add(word);
    else if (rng.below(KEEP_ONE_IN) !== 0) return;
    if (inputs <= base.length) return;
    if (live.length < base.length + KEPT) live.push(input);
    else live[base.length + rng.below(KEPT)] = input;
  };
  // A trace of every refusal would be most of the work.
  const traces = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    for (const whole of base) {
      input = whole.slice();
      inputs++;
      const word = target.feed(input);
      note(typeof word === 'string' ? word : await word);
    }
    while (inputs < most) {
      if (inputs % 256 === 0) {
        if (performance.now() > until) break;
        run.progress?.(inputs);
      }
      input = mutator.next(live);
      inputs++;
      const word = target.feed(input);
      note(typeof word === 'string' ? word : await word);
    }
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { inputs, accepted, words: words.size, failure, input };
  } finally {
    Error.stackTraceLimit = traces;
    await target.close?.();
  }
  return { inputs, accepted, words: words.size, failure: null, input: null };
}
