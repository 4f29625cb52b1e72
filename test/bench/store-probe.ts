/**
 * A client that asks for one key every millisecond until its standard input ends, then prints the latencies: `bench.cjs
 * store-probe PORT`. A question counts from when it was due.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Load } from '../../src/cli/bench/load.ts';
import type { Plan } from '../../src/cli/bench/plan.ts';
import { sleep } from './proc.ts';

const PER_SECOND = 1000;
/** It says so once its first question was answered: its start is no part of what is measured. */
export const UP = 'up';

export interface Probed {
  readonly asked: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Of the probe itself: what the server cannot be blamed for. */
  readonly ownPauseMs: number;
}

export async function run(args: string[]): Promise<void> {
  const plan: Plan = {
    server: { host: '127.0.0.1', port: Number(args[0]), user: null, password: null },
    clients: 1,
    // Nothing is held back while the server does not answer.
    pipeline: 10_000,
    sizeBytes: 0,
    keys: 1000,
    requests: null,
    seconds: null,
    sets: 0,
    gets: 1,
    rate: PER_SECOND,
    cluster: false,
    ack: null,
  };
  const stop = new AbortController();
  process.stdin.on('end', () => stop.abort()).resume();
  const own = monitorEventLoopDelay({ resolution: 1 });
  own.enable();
  const load = new Load(plan);
  const running = load.run(stop.signal);
  while (load.result().commands === 0 && !stop.signal.aborted) await sleep(10);
  console.log(UP);
  const { tally, commands } = await running;
  const probed: Probed = {
    asked: commands,
    errors: tally.errorCount + tally.lost,
    p50Ms: tally.gets.percentile(50) / 1000,
    p999Ms: tally.gets.percentile(99.9) / 1000,
    maxMs: tally.gets.max / 1000,
    ownPauseMs: Math.max(0, own.max / 1e6 - 1),
  };
  console.log(JSON.stringify(probed));
}
