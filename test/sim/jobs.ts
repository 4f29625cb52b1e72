import { type ChildProcess, fork } from 'node:child_process';
import type { RunResult } from './result.ts';

/** Seeds given to a worker at once. */
const BATCH = 100;

/** What a worker is asked for, and what it sends back. */
export interface Batch {
  readonly fromSeed: number;
  readonly count: number;
}
export interface BatchResult {
  readonly done: number;
  readonly failed: readonly RunResult[];
  /** Sums over the runs. */
  readonly changes: number;
  readonly acknowledged: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly slowestHealMs: number;
  readonly faults: Readonly<Record<string, number>>;
}

export const EMPTY: BatchResult = {
  done: 0,
  failed: [],
  changes: 0,
  acknowledged: 0,
  events: 0,
  virtualMs: 0,
  slowestHealMs: 0,
  faults: {},
};

/** Runs a batch here. */
export function runBatch(batch: Batch, one: (seed: number) => RunResult): BatchResult {
  let sum = EMPTY;
  for (let seed = batch.fromSeed; seed < batch.fromSeed + batch.count; seed++)
    sum = add(sum, ofRun(one(seed)));
  return sum;
}

function ofRun(run: RunResult): BatchResult {
  const figures = run.figures as Record<string, number> & { faults?: Record<string, number> };
  return {
    done: 1,
    failed: run.violations.length > 0 ? [run] : [],
    changes: figures.changes ?? 0,
    acknowledged: figures.acknowledged ?? 0,
    events: run.events,
    virtualMs: run.virtualMs,
    slowestHealMs: figures.healedMs ?? 0,
    faults: figures.faults ?? {},
  };
}

export function add(a: BatchResult, b: BatchResult): BatchResult {
  const faults: Record<string, number> = { ...a.faults };
  for (const [kind, count] of Object.entries(b.faults)) faults[kind] = (faults[kind] ?? 0) + count;
  return {
    done: a.done + b.done,
    failed: [...a.failed, ...b.failed].slice(0, 20),
    changes: a.changes + b.changes,
    acknowledged: a.acknowledged + b.acknowledged,
    events: a.events + b.events,
    virtualMs: a.virtualMs + b.virtualMs,
    slowestHealMs: Math.max(a.slowestHealMs, b.slowestHealMs),
    faults,
  };
}

/** Spreads seeds over `jobs` child processes running this same program; stops early when several have failed. */
export async function runMany(
  all: Batch,
  jobs: number,
  program: { readonly path: string; readonly args: readonly string[] },
  progress: (sum: BatchResult) => void,
): Promise<BatchResult> {
  let sum = EMPTY;
  let next = all.fromSeed;
  const end = all.fromSeed + all.count;
  const take = (): Batch | null => {
    if (next >= end || sum.failed.length >= 10) return null;
    const count = Math.min(BATCH, end - next);
    const batch = { fromSeed: next, count };
    next += count;
    return batch;
  };
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child: ChildProcess = fork(program.path, [...program.args, '--worker'], { stdio: 'inherit' });
      const give = (): void => {
        const batch = take();
        if (batch === null) child.disconnect();
        else child.send(batch);
      };
      child.on('message', (done: BatchResult) => {
        sum = add(sum, done);
        progress(sum);
        give();
      });
      child.on('error', reject);
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
      give();
    });
  await Promise.all(Array.from({ length: jobs }, work));
  return sum;
}
