/**
 * A client that asks for one key every millisecond, from the first line on its standard input to its end, then prints the latencies:
 * `bench.cjs store-probe PORT`. A question counts from when it was due.
 */
import type { ChildProcess } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Load } from '../../src/cli/bench/load.ts';
import type { Plan } from '../../src/cli/bench/plan.ts';
import { until } from './proc.ts';

const PER_SECOND = 1000;
/** It says so once it has asked for a while: its start is no part of what is measured. */
export const UP = 'up';
const WARM_SECONDS = 0.3;
const START_MS = 10_000;

export interface Probed {
  readonly asked: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Of the probe itself: what the server cannot be blamed for. */
  readonly ownPauseMs: number;
}

export interface Probe {
  /** It asks already, and what it measures does not count yet. */
  readonly up: Promise<void>;
  begin(): void;
  stop(): Promise<Probed>;
}

/** Starts one, by who starts this program as `store-probe` with these arguments. */
export function startProbe(start: (args: readonly string[]) => ChildProcess, port: number): Probe {
  const child = start([String(port)]);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<Probed> => {
    child.stdin?.end();
    await ended;
    const line = text.split('\n').find((one) => one.startsWith('{'));
    if (line === undefined) throw new Error(`the probe says: ${text.trim()}`);
    return JSON.parse(line) as Probed;
  };
  const up = until('the probe asks', () => text.includes(UP), START_MS);
  return { up, begin: () => void child.stdin?.write('begin\n'), stop };
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
  await new Load({ ...plan, seconds: WARM_SECONDS }).run(stop.signal);
  const begin = new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.on('end', () => stop.abort());
  console.log(UP);
  await begin;
  const own = monitorEventLoopDelay({ resolution: 1 });
  own.enable();
  const { tally, commands } = await new Load(plan).run(stop.signal);
  const probed: Probed = {
    asked: commands,
    errors: tally.errorCount + tally.lost,
    p50Ms: tally.gets.percentile(50) / 1000,
    p99Ms: tally.gets.percentile(99) / 1000,
    p999Ms: tally.gets.percentile(99.9) / 1000,
    maxMs: tally.gets.max / 1000,
    ownPauseMs: Math.max(0, own.max / 1e6 - 1),
  };
  console.log(JSON.stringify(probed));
}
