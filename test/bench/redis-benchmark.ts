import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BenchError } from './args.ts';

export interface Load {
  readonly test: string;
  readonly clients: number;
  readonly requests: number;
  readonly pipeline: number;
  readonly sizeBytes: number;
  /** Random ones of so many. */
  readonly keys: number;
}

export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Runs Debian's redis-benchmark with one test. */
export async function redisBenchmark(port: number, load: Load): Promise<Figures> {
  const flags = {
    p: port,
    c: load.clients,
    n: load.requests,
    P: load.pipeline,
    d: load.sizeBytes,
    r: load.keys,
    t: load.test,
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`-${name}`, String(value)]);
  const { stdout } = await promisify(execFile)('redis-benchmark', [...words, '--csv']);
  return readCsv(stdout);
}

/** Of `redis-benchmark --csv`: names, then the one test's figures. */
function readCsv(text: string): Figures {
  const [names = [], values = []] = text
    .trim()
    .split('\n')
    .slice(-2)
    .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')));
  const of = (name: string): number => Number(values[names.indexOf(name)]);
  const row = { perSecond: of('rps'), p50Ms: of('p50_latency_ms'), p99Ms: of('p99_latency_ms') };
  if (!(row.perSecond > 0)) throw new BenchError(`redis-benchmark says: ${text.trim().slice(0, 200)}`);
  return row;
}
