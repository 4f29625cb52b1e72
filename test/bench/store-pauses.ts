/**
 * How long the store holds its clients up while it does something large: `npm run bench -- store-pauses [--systems shoal,redis]
 * [--keys 4000000] [--rate 100000] [--expire 1000000] [--dir /tmp]`. A million-fold growth of the table, all values replaced by larger ones (so
 * that memory and log are compacted), a snapshot, a million keys that expire in one millisecond; each under a steady load of so many commands a
 * second, so that it is the work that is measured and not a machine that has too little of everything.
 *
 * Inside: how late a timer of a millisecond came in the server's event loop, and the longest run of the garbage collector (store-monitor.ts). Outside:
 * a client in a process of its own asks for a key every millisecond (store-probe.ts), before all others where that is allowed.
 * "Its own" is the longest without what the server's main thread waited for a processor in it; "kept waiting", that waiting in all: with much
 * of it, pauses are the machine's.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Load } from '../../src/cli/bench/load.ts';
import type { Plan } from '../../src/cli/bench/plan.ts';
import { Args, BenchError } from './args.ts';
import { Busy, sleep, until } from './proc.ts';
import { aim, round, table } from './stats.ts';
import { fill, fillExpiring } from './store-fill.ts';
import { PauseMonitor, type Pauses } from './store-monitor.ts';
import { type Probed, startProbe } from './store-probe.ts';
import {
  fileSystemOf,
  needRedis,
  parseSystems,
  StoreLab,
  type StoreServer,
  type System,
} from './store-systems.ts';

export const what =
  'the longest pauses while the table grows, is compacted, is saved, and a million keys expire';
export const quick = false;

const AIM_MS = 5;
const SIZE_BYTES = 100;
const LARGER_BYTES = 300;
const CLIENTS = 8;
const PIPELINE = 16;
const WARM_SECONDS = 5;
const STEADY_SECONDS = 5;
/** After the phase's work is done: what was put off comes then. */
const AFTER_MS = 2000;
const SNAPSHOT_LIMIT_MS = 600_000;
const EXPIRY_LIMIT_MS = 120_000;

interface Phase {
  readonly system: System;
  readonly what: string;
  readonly seconds: number;
  readonly probed: Probed;
  /** Null: no event loop of ours. */
  readonly pauses: Pauses | null;
  /** How long the server's main thread could run and was not let, in all. */
  readonly keptMs: number;
  readonly busy: number;
}

interface Sizes {
  readonly keys: number;
  readonly rate: number;
  readonly expire: number;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['systems', 'keys', 'rate', 'expire', 'dir']);
  const systems = parseSystems(given.texts('systems', ['shoal', 'redis']));
  const [dir = tmpdir()] = given.texts('dir', []);
  if (systems.some((system) => system.startsWith('redis'))) needRedis();
  const lab = new StoreLab(dir);
  const sizes = {
    keys: given.number('keys', 4_000_000),
    rate: given.number('rate', 100_000),
    expire: given.number('expire', 1_000_000),
  };
  const first = firstAllowed();
  console.log(
    `on ${fileSystemOf(lab.directory)}; the probe runs ${first.length > 0 ? 'before all others' : 'as any other'}`,
  );
  const phases: Phase[] = [];
  const missing: string[] = [];
  for (const system of systems) {
    const under = new Watched(lab, system, first, (phase) => phases.push(phase));
    missing.push(...(await under.run(sizes)));
  }
  lab.remove();
  report(phases);
  return judge(phases, missing);
}

/** What runs a command ahead of every other process, or nothing. */
function firstAllowed(): string[] {
  const command = ['chrt', '-f', '10'];
  return spawnSync('chrt', [...command.slice(1), 'true']).status === 0 ? command : [];
}

/** One server, phase by phase. */
class Watched {
  readonly #lab: StoreLab;
  readonly #system: System;
  readonly #first: readonly string[];
  readonly #note: (phase: Phase) => void;
  readonly #monitor: PauseMonitor | null;
  readonly #missing: string[] = [];

  constructor(lab: StoreLab, system: System, first: readonly string[], note: (phase: Phase) => void) {
    this.#lab = lab;
    this.#system = system;
    this.#first = first;
    this.#note = note;
    this.#monitor = system.startsWith('redis') ? null : new PauseMonitor(lab.directory, system);
  }

  /** Returns what could not be measured. */
  async run({ keys, rate, expire }: Sizes): Promise<readonly string[]> {
    const server = await this.#lab.start(this.#system, this.#system, {
      nodeFlags: this.#monitor?.nodeFlags ?? [],
    });
    await fill(server, 0, 1000, SIZE_BYTES);
    const steady = (seconds: number): Promise<unknown> => load(server, { keys, rate, seconds });
    // The code is new to the engine: what that costs is no pause of the work's.
    await steady(WARM_SECONDS);
    // What this machine does to a server with nothing but its load.
    await this.#phase(server, 'steady', () => steady(STEADY_SECONDS));
    await this.#phase(server, `growth to ${keys} keys`, () => fill(server, 0, keys, SIZE_BYTES, rate));
    await this.#phase(server, 'values replaced by larger ones', () =>
      load(server, { keys, rate, requests: 2 * keys, sizeBytes: LARGER_BYTES }),
    );
    await this.#phase(server, 'snapshot', () => this.#snapshot(server, steady));
    await this.#phase(server, `${expire} keys expire at once`, () => this.#expiry(server, expire, rate));
    await server.end('SIGKILL');
    return this.#missing;
  }

  async #phase(server: StoreServer, what: string, work: () => Promise<unknown>): Promise<void> {
    const launch = (args: readonly string[]) => this.#lab.program('store-probe', args, [], this.#first);
    const probe = startProbe(launch, server.port);
    await probe.up;
    const busy = new Busy();
    await this.#monitor?.read();
    probe.begin();
    const waitedMs = keptWaitingMs(server.pid);
    const fromMs = performance.now();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof NotThere)) throw error;
      this.#missing.push(`${server.system}, ${what}: ${error.message}`);
      await probe.stop();
      return;
    }
    const seconds = (performance.now() - fromMs) / 1000;
    await sleep(AFTER_MS);
    const pauses = (await this.#monitor?.read()) ?? null;
    const probed = await probe.stop();
    console.log(`${server.system}: ${what}: ${round(seconds)} s`);
    const keptMs = keptWaitingMs(server.pid) - waitedMs;
    this.#note({ system: server.system, what, seconds, probed, pauses, keptMs, busy: busy.since() });
  }

  async #snapshot(server: StoreServer, steady: (seconds: number) => Promise<unknown>): Promise<void> {
    await asked(server, 'BGSAVE');
    const saving = async (): Promise<boolean> =>
      /^(rdb_bgsave_in_progress|aof_rewrite_in_progress):1/m.test(
        String(await server.ask('INFO', 'persistence')),
      );
    const done = until('the snapshot is written', async () => !(await saving()), SNAPSHOT_LIMIT_MS, 100);
    let running = true;
    void done.finally(() => {
      running = false;
    });
    while (running) await steady(1);
    await done;
  }

  async #expiry(server: StoreServer, count: number, rate: number): Promise<void> {
    const size = async (): Promise<number> => Number(await asked(server, 'DBSIZE'));
    const before = await size();
    const atMs = Date.now() + 2000 + Math.ceil((count / rate) * 1000 * 1.5);
    await fillExpiring(server, count, SIZE_BYTES, atMs, rate);
    const full = await size();
    if (full < before + count) {
      const what =
        Date.now() < atMs
          ? 'SET with PXAT does not keep its keys'
          : 'writing them took too long: give a lower --expire';
      throw new NotThere(what);
    }
    await sleep(Math.max(0, atMs - Date.now()));
    const gone = async (): Promise<boolean> => (await size()) <= before;
    const over = until('all have expired', gone, EXPIRY_LIMIT_MS, 20);
    await over.catch(() => {
      throw new NotThere('they are still there two minutes later');
    });
    console.log(`${server.system}: ${count} keys were gone ${Date.now() - atMs} ms after their time`);
  }
}

/** Ready to run, and not running: what the kernel counts of the main thread. */
function keptWaitingMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}

/** Something the server does not do, or not yet. */
class NotThere extends Error {}

async function asked(server: StoreServer, ...words: string[]): Promise<unknown> {
  try {
    return await server.ask(...words);
  } catch (error) {
    throw new NotThere(`${words.join(' ')}: ${(error as Error).message}`);
  }
}

async function load(
  { port, system }: StoreServer,
  of: Pick<Plan, 'keys' | 'rate'> & Partial<Plan>,
): Promise<void> {
  const plan: Plan = {
    server: { host: '127.0.0.1', port, user: null, password: null },
    clients: CLIENTS,
    pipeline: PIPELINE,
    sizeBytes: SIZE_BYTES,
    requests: null,
    seconds: null,
    sets: 1,
    gets: of.requests === undefined ? 1 : 0,
    cluster: false,
    ack: null,
    ...of,
  };
  const { tally } = await new Load(plan).run(new AbortController().signal);
  const [error] = tally.errors.keys();
  if (error !== undefined) throw new BenchError(`${system} refuses commands of the load: ${error}`);
}

function report(phases: readonly Phase[]): void {
  const head = [
    'system',
    'while',
    's',
    'inside: longest ms',
    'its own',
    'p99.9',
    'GC',
    'outside: p50 ms',
    'p99.9',
    'longest',
    'probe itself',
    'kept waiting ms',
    'machine busy',
  ];
  const rows = phases.map(({ system, what, seconds, probed, pauses, keptMs, busy }) => [
    ...[system, what, round(seconds)],
    ...[pauses?.longestMs, pauses?.longestOwnMs, pauses?.p999Ms, pauses?.longestGcMs].map((ms) =>
      round(ms ?? Number.NaN),
    ),
    ...[round(probed.p50Ms, 2), round(probed.p999Ms), round(probed.maxMs), round(probed.ownPauseMs)],
    round(keptMs, 0),
    `${round(busy * 100, 0)} %`,
  ]);
  console.log(`\n${table([head, ...rows])}\n`);
}

function judge(phases: readonly Phase[], missing: readonly string[]): boolean {
  const met = phases.flatMap(({ system, what, probed, pauses }) => {
    if (pauses === null) return [];
    const { longestMs, longestOwnMs } = pauses;
    const where = `${system}, ${what}:`;
    const own = `${where} no pause over ${AIM_MS} ms but for waiting for a processor (${round(longestOwnMs)})`;
    return [
      aim(`${where} no pause over ${AIM_MS} ms (${round(longestMs)})`, longestMs <= AIM_MS),
      aim(own, longestOwnMs <= AIM_MS),
      aim(`${where} p99.9 at most ${AIM_MS} ms (${round(probed.p999Ms)})`, probed.p999Ms <= AIM_MS),
      aim(`${where} every question answered (${probed.errors} were not)`, probed.errors === 0),
    ];
  });
  return [...met, ...missing.map((line) => aim(`measured: ${line}`, false))].every(Boolean);
}
