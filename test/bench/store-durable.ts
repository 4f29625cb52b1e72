/**
 * What it costs to have messages on disk, and that they are: `npm run bench -- store-durable [--systems redis-always,redis-everysec,shoal]
 * [--requests 500000] [--rounds 3] [--clients 50] [--kills 1000] [--recover 10000000] [--dir DIR]`; 0 leaves a part out. DIR chooses the disk.
 *
 * SETs of 100 bytes, each answered when it is on disk, -P 64: shoal on connections at level 1m1d, and at its default with WAITAOF after each
 * 64; redis-server with `appendfsync always` answers so too. Beside them what does not wait: `everysec`, and 1m0d. Then kill -9 at random moments
 * (store-kills.ts), and the time from the start of the process to the first answer with so many messages to be read, from the page cache.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Histogram } from '../../src/cli/bench/histogram.ts';
import { Load } from '../../src/cli/bench/load.ts';
import { parseAck } from '../../src/cli/bench/plan.ts';
import { Refused } from '../../src/cli/bench/socket.ts';
import { Args, BenchError } from './args.ts';
import { Busy, cpuMs, memoryOf, until } from './proc.ts';
import { aim, median, percentile, round, table } from './stats.ts';
import { fill, fillWaiting } from './store-fill.ts';
import { Killing, type Kills } from './store-kills.ts';
import {
  fileSystemOf,
  needRedis,
  parseSystems,
  StoreLab,
  type StoreServer,
  type System,
} from './store-systems.ts';

export const what =
  'messages on disk: a second beside redis-server, kill -9 under load, time to recover ten million';
export const quick = false;

const PIPELINE = 64;
const SIZE_BYTES = 100;
const KEYS = 1_000_000;
/** Servers that are killed beside each other: each mostly starts, or waits. */
const LANES = 3;
const RECOVERY_LIMIT_MS = 600_000;

/** How writes are acknowledged. */
interface Mode {
  readonly system: System;
  readonly what: string;
  readonly onDisk: boolean;
  /** A level for the connection, or WAITAOF after each pipeline, or as the server does. */
  readonly by: string | null;
}

const MODES: readonly Mode[] = [
  { system: 'redis-always', what: 'appendfsync always', onDisk: true, by: null },
  { system: 'shoal', what: '1m1d', onDisk: true, by: '1m1d' },
  { system: 'shoal', what: 'WAITAOF after 64', onDisk: true, by: 'WAITAOF' },
  { system: 'redis-everysec', what: 'appendfsync everysec', onDisk: false, by: null },
  { system: 'shoal', what: '1m0d', onDisk: false, by: '1m0d' },
];

interface Run {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
  readonly diskBytes: number;
  readonly busy: number;
}

interface Recovery {
  readonly what: string;
  readonly seconds: number;
  readonly rssMb: number;
  readonly held: number;
}

interface Sizes {
  readonly requests: number;
  readonly rounds: number;
  readonly clients: number;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['systems', 'requests', 'rounds', 'clients', 'kills', 'recover', 'dir']);
  const systems = parseSystems(given.texts('systems', ['redis-always', 'redis-everysec', 'shoal']));
  const [dir = tmpdir()] = given.texts('dir', []);
  if (systems.some((system) => system.startsWith('redis'))) needRedis();
  const lab = new StoreLab(dir);
  console.log(`on ${fileSystemOf(lab.directory)}`);
  const sizes = {
    requests: given.number('requests', 500_000),
    rounds: given.number('rounds', 3),
    clients: given.number('clients', 50),
  };
  const kills = given.number('kills', 1000);
  const recover = given.number('recover', 10_000_000);
  const met: boolean[] = [];
  try {
    if (sizes.requests > 0) met.push(await speed(lab, systems, sizes));
    // `everysec` promises nothing, and keeps writes back for two seconds while a sync takes long.
    const promising = kills > 0 ? systems.filter((system) => system !== 'redis-everysec') : [];
    for (const system of promising) met.push(await killed(lab, system, kills));
    if (recover > 0) met.push(await recovered(lab, systems, recover));
  } catch (error) {
    if (error instanceof Refused) throw new BenchError(error.message);
    throw error;
  }
  lab.remove();
  return met.every(Boolean);
}

/** Side by side, in turn, in alternating order. */
async function speed(lab: StoreLab, systems: readonly System[], sizes: Sizes): Promise<boolean> {
  const modes = MODES.filter(({ system }) => systems.includes(system));
  const servers = new Map<System, StoreServer>();
  for (const { system } of modes)
    if (!servers.has(system)) servers.set(system, await lab.start(system, `${system}-speed`));
  const runs = new Map<Mode, Run[]>(modes.map((mode) => [mode, []]));
  // The first round warms up.
  for (let turn = 0; turn <= sizes.rounds; turn++) {
    for (const mode of turn % 2 === 0 ? modes : [...modes].reverse()) {
      const one = await acknowledged(servers.get(mode.system) as StoreServer, mode, sizes);
      if (turn > 0) runs.get(mode)?.push(one);
    }
  }
  for (const server of servers.values()) await server.end('SIGKILL');
  const of = (mode: Mode, pick: (run: Run) => number): number => median((runs.get(mode) ?? []).map(pick));
  const head = ['', 'answered', 'a second', 'p50 ms', 'p99 ms', 'CPU us', 'bytes to disk', 'machine busy'];
  const rows = modes.map((mode) => [
    ...[`${mode.system}: ${mode.what}`, mode.onDisk ? 'on disk' : 'in memory'],
    ...[
      round(
        of(mode, (run) => run.perSecond),
        0,
      ),
      round(of(mode, (run) => run.p50Ms)),
    ],
    ...[
      round(of(mode, (run) => run.p99Ms)),
      round(
        of(mode, (run) => run.cpuUs),
        2,
      ),
    ],
    ...[
      round(
        of(mode, (run) => run.diskBytes),
        0,
      ),
      `${round(of(mode, (run) => run.busy) * 100, 0)} %`,
    ],
  ]);
  console.log(`\n${table([head, ...rows])}\n`);
  const met: boolean[] = [];
  for (const mode of modes.filter(({ system }) => system === 'shoal')) {
    const redis = modes.find(({ system, onDisk }) => system.startsWith('redis') && onDisk === mode.onDisk);
    if (redis === undefined) continue;
    const [ours, theirs] = [mode, redis].map((one) => of(one, (run) => run.perSecond)) as [number, number];
    met.push(
      aim(
        `shoal, ${mode.what}: not below redis, ${redis.what} (${round(ours / theirs, 2)} times)`,
        ours >= theirs,
      ),
    );
  }
  return met.every(Boolean);
}

async function acknowledged(server: StoreServer, mode: Mode, sizes: Sizes): Promise<Run> {
  const busy = new Busy();
  const from = { cpu: cpuMs(server.pid), disk: writtenBytes(server.pid), ms: performance.now() };
  const latencies = mode.by === 'WAITAOF' ? await waiting(server, sizes) : await leveled(server, mode, sizes);
  const seconds = (performance.now() - from.ms) / 1000;
  return {
    perSecond: sizes.requests / seconds,
    p50Ms: latencies.percentile(50) / 1000,
    p99Ms: latencies.percentile(99) / 1000,
    cpuUs: ((cpuMs(server.pid) - from.cpu) * 1000) / sizes.requests,
    diskBytes: (writtenBytes(server.pid) - from.disk) / sizes.requests,
    busy: busy.since(),
  };
}

async function leveled({ port, system }: StoreServer, mode: Mode, sizes: Sizes): Promise<Histogram> {
  const load = new Load({
    server: { host: '127.0.0.1', port, user: null, password: null },
    clients: sizes.clients,
    pipeline: PIPELINE,
    sizeBytes: SIZE_BYTES,
    keys: KEYS,
    requests: sizes.requests,
    seconds: null,
    sets: 1,
    gets: 0,
    rate: null,
    cluster: false,
    ack: mode.by === null ? null : parseAck(mode.by),
  });
  const { tally } = await load.run(new AbortController().signal);
  const [error] = tally.errors.keys();
  if (error !== undefined) throw new BenchError(`${system} refuses SETs: ${error}`);
  return tally.sets;
}

/** The latency is that of a pipeline with its WAITAOF. */
async function waiting(server: StoreServer, { clients, requests }: Sizes): Promise<Histogram> {
  const latencies = new Histogram();
  const share = Math.ceil(requests / clients);
  const each = Array.from({ length: clients }, () =>
    fillWaiting(server, share, PIPELINE, SIZE_BYTES, KEYS, (us) => latencies.record(us)),
  );
  await Promise.all(each);
  return latencies;
}

/** What the kernel was given to put on the disk. */
function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0);
}

async function killed(lab: StoreLab, system: System, kills: number): Promise<boolean> {
  const fromMs = performance.now();
  const each = Array.from({ length: LANES }, (_, lane) =>
    new Killing(lab, system, `${system}-kills${lane}`).run(Math.ceil(kills / LANES), (line) =>
      console.log(line),
    ),
  );
  const lanes = await Promise.all(each);
  const sum = (pick: (lane: Kills) => number): number => lanes.reduce((total, lane) => total + pick(lane), 0);
  const [wrong, refused] = [lanes.flatMap((lane) => lane.wrong), lanes.flatMap((lane) => lane.refused)];
  const servingMs = lanes.flatMap((lane) => lane.servingMs);
  const minutes = round((performance.now() - fromMs) / 60_000);
  console.log(
    `${system}: ${sum((lane) => lane.kills)} kills of ${LANES} servers in ${minutes} minutes, ${sum((lane) => lane.killedStarts)} of them while starting, ${sum((lane) => lane.tampered)} times with more behind the end of the log; ${sum((lane) => lane.acknowledged)} writes acknowledged as on disk, ${sum((lane) => lane.checked)} values read; serving again after ${round(median(servingMs), 0)} ms, p99 ${round(percentile(servingMs, 99), 0)}`,
  );
  for (const line of new Set(refused)) console.log(`refused: ${line}`);
  const known = `${system}, kill -9: every acknowledged write is there, and nothing that was not written`;
  return [
    aim(`${known} (${wrong.length} values wrong)`, wrong.length === 0),
    aim(`${system}, kill -9: no write refused (${refused.length})`, refused.length === 0),
  ].every(Boolean);
}

/** One after the other: twice from the log alone, then from a snapshot. */
async function recovered(lab: StoreLab, systems: readonly System[], keys: number): Promise<boolean> {
  const found: Recovery[] = [];
  for (const system of ['redis-everysec', 'shoal'] as const) {
    if (!systems.includes(system)) continue;
    const redisFlags = ['--auto-aof-rewrite-percentage', '0'];
    const start = (): Promise<StoreServer> =>
      lab.start(system, `${system}-recovery`, { redisFlags, withinMs: RECOVERY_LIMIT_MS });
    let server = await start();
    await fill(server, 0, keys, SIZE_BYTES);
    await server.end('SIGTERM');
    server = await start();
    found.push(await recovery(`${system}, log`, server));
    await saved(server);
    await server.end('SIGKILL');
    server = await start();
    found.push(await recovery(`${system}, snapshot`, server));
    await server.end('SIGKILL');
  }
  const rows = found.map(({ what, seconds, rssMb, held }) => [
    what,
    round(seconds),
    round(rssMb),
    String(held),
  ]);
  console.log(`\n${table([['recovery', 's', 'RSS MB', 'keys'], ...rows])}\n`);
  const met = found.map(({ what, held }) =>
    aim(`${what}: all ${keys} keys are there (${held})`, held === keys),
  );
  for (const kind of ['log', 'snapshot']) {
    const [redis, ours] = ['redis-everysec', 'shoal'].map((system) =>
      found.find((one) => one.what === `${system}, ${kind}`),
    );
    if (redis === undefined || ours === undefined) continue;
    const both = `(${round(ours.seconds)} and ${round(redis.seconds)} s)`;
    met.push(aim(`recovery from the ${kind}: not slower than redis ${both}`, ours.seconds <= redis.seconds));
  }
  return met.every(Boolean);
}

async function recovery(what: string, server: StoreServer): Promise<Recovery> {
  const held = Number(await server.ask('DBSIZE'));
  return { what, seconds: server.servingMs / 1000, rssMb: memoryOf(server.pid).rssMb, held };
}

/** Everything in a snapshot; for Redis the base of its log, in the format of its snapshots. */
async function saved(server: StoreServer): Promise<void> {
  await server.ask(server.system.startsWith('redis') ? 'BGREWRITEAOF' : 'BGSAVE');
  const busy = /^(rdb_bgsave_in_progress|aof_rewrite_in_progress|aof_rewrite_scheduled):1/m;
  const done = async (): Promise<boolean> => !busy.test(String(await server.ask('INFO', 'persistence')));
  await until('the snapshot is written', done, RECOVERY_LIMIT_MS, 100);
}
