/**
 * What threads could bring: `npm run bench -- store-threads [--pipeline 64] [--requests 3000000] [--keys 1000000] [--rounds 3]`. One server
 * for all keys beside two servers of one half each, on the same machine under the same load: 50 clients of redis-benchmark, or twice
 * 25. Two processes share nothing and pass nothing on, so no division of the store among threads does better; what it costs in memory
 * is shown with it.
 */
import { Args } from './args.ts';
import { Busy, cpuMs, memoryOf } from './proc.ts';
import { type Load, redisBenchmark } from './redis-benchmark.ts';
import { median, round, table } from './stats.ts';
import { fill } from './store-fill.ts';
import { needRedis, StoreLab, type StoreServer } from './store-systems.ts';

export const what =
  'one server of the store beside two that share its keys: what threads could bring on this machine';
export const quick = false;

const CLIENTS = 50;
const SIZE_BYTES = 100;

interface Run {
  readonly perSecond: number;
  readonly cpuUs: number;
  /** Share of the machine in use. */
  readonly busy: number;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['pipeline', 'requests', 'keys', 'rounds']);
  const pipeline = given.number('pipeline', 64);
  const requests = given.number('requests', 3_000_000);
  const keys = given.number('keys', 1_000_000);
  const rounds = given.number('rounds', 3);
  needRedis();
  const lab = new StoreLab();
  const sets: StoreServer[][] = [];
  for (const count of [1, 2]) {
    const servers: StoreServer[] = [];
    for (let i = 0; i < count; i++) {
      const server = await lab.start('shoal-bare', `${count}-${i}`);
      await fill(server, 0, keys / count, SIZE_BYTES);
      servers.push(server);
    }
    sets.push(servers);
  }
  const rows = [['', 'servers', 'a second', 'by one', 'CPU us', 'machine busy', 'RSS MB']];
  for (const test of ['set', 'get']) {
    const runs = sets.map((): Run[] => []);
    for (let turn = 0; turn < rounds; turn++)
      for (const [i, servers] of sets.entries())
        runs[i]?.push(
          await loaded(servers, { test, clients: CLIENTS, requests, pipeline, sizeBytes: SIZE_BYTES, keys }),
        );
    const of = (i: number, pick: (run: Run) => number): number => median((runs[i] ?? []).map(pick));
    for (const [i, servers] of sets.entries()) {
      const perSecond = of(i, (one) => one.perSecond);
      const rssMb = servers.reduce((sum, { pid }) => sum + memoryOf(pid).rssMb, 0);
      rows.push([
        ...[test.toUpperCase(), String(servers.length), round(perSecond, 0)],
        ...[
          round(perSecond / of(0, (one) => one.perSecond), 2),
          round(
            of(i, (one) => one.cpuUs),
            2,
          ),
        ],
        ...[`${round(of(i, (one) => one.busy) * 100, 0)} %`, round(rssMb)],
      ]);
    }
  }
  lab.remove();
  console.log(`\n${table(rows)}\n`);
  return true;
}

/** All servers at once, the load shared out among them. */
async function loaded(servers: readonly StoreServer[], load: Load): Promise<Run> {
  const { length } = servers;
  const share = {
    ...load,
    clients: load.clients / length,
    requests: load.requests / length,
    keys: load.keys / length,
  };
  const used = (): number => servers.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
  const from = used();
  const busy = new Busy();
  const fromMs = performance.now();
  await Promise.all(servers.map(({ port }) => redisBenchmark(port, share)));
  const tookMs = performance.now() - fromMs;
  return {
    perSecond: (load.requests * 1000) / tookMs,
    cpuUs: ((used() - from) * 1000) / load.requests,
    busy: busy.since(),
  };
}
