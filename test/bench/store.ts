/**
 * The store's speed beside redis-server: `npm run bench -- store [--systems redis,redis-everysec,shoal] [--pipelines 1,16,64,256]
 * [--sizes 100,16] [--requests 3000000] [--rounds 3] [--keys 1000000] [--many-keys 10000000]`. redis-benchmark with 50 clients, SET and GET of
 * random ones of so many keys, all of which are there; then GET only, of many keys (0 leaves it out; fewer where memory is short).
 * At -P 1 a tenth of the requests. The systems run side by side and are asked in turn, in alternating order; the figures are medians of the rounds.
 *
 * Processor time is the server's, all its threads, by /proc; "others busy" is what neither the servers nor the clients used
 * of the machine.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Args } from './args.ts';
import { Busy, cpuMs, memoryOf } from './proc.ts';
import { redisBenchmark } from './redis-benchmark.ts';
import { aim, median, round, table } from './stats.ts';
import { fill } from './store-fill.ts';
import { needRedis, parseSystems, StoreLab, type StoreServer, type System } from './store-systems.ts';

export const what = 'the store beside redis-server: SETs and GETs a second, latency, processor time, memory';
export const quick = false;

const CLIENTS = 50;
const AIM = { perSecond: 1_000_000, times: 2, from: 64, small: [1, 0.9], middle: [16, 1] } as const;
/** A key with a value of 100 bytes in either, with room. */
const BYTES_PER_KEY = 300;

interface Run {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Microseconds of the server's processor time a command. */
  readonly cpuUs: number;
  /** Share of the machine that nobody of us used. */
  readonly others: number;
}

/** One line of the table: the runs of one system in one case. */
interface Case {
  readonly what: string;
  readonly pipeline: number;
  readonly runs: Map<System, Run[]>;
}

interface Held {
  readonly what: string;
  readonly rssMb: Map<System, number>;
}

export async function run(args: string[]): Promise<boolean> {
  const known = ['systems', 'pipelines', 'sizes', 'requests', 'rounds', 'keys', 'many-keys'];
  const given = new Args(args, known);
  const systems = parseSystems(given.texts('systems', ['redis', 'redis-everysec', 'shoal']));
  needRedis();
  const lab = new StoreLab();
  const pipelines = given.numbers('pipelines', [1, 16, 64, 256]);
  const rounds = given.number('rounds', 3);
  const requests = given.number('requests', 3_000_000);
  const keys = given.number('keys', 1_000_000);
  const many = roomFor(given.number('many-keys', 10_000_000), systems.length);
  const bench = new StoreBench(lab, systems, pipelines, rounds, requests);
  const environment = Object.entries(lab.agents.environment).map(([name, value]) => `${name}=${value}`);
  console.log(
    `shoal as in deploy/shoal.service with store.conf: ${[...environment, 'node', ...lab.agents.nodeFlags].join(' ')}`,
  );
  for (const sizeBytes of given.numbers('sizes', [100, 16]))
    await bench.measure(keys, sizeBytes, ['set', 'get']);
  if (many > 0) await bench.measure(many, 100, ['get']);
  lab.remove();
  bench.report();
  return bench.judge();
}

function roomFor(keys: number, systems: number): number {
  const availableKb = Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
  const fit = Math.floor((availableKb * 1024 * 0.8) / (systems * BYTES_PER_KEY));
  if (keys <= fit) return keys;
  console.log(`memory for ${fit} keys in each of ${systems} servers only: --many-keys ${fit}`);
  return fit;
}

class StoreBench {
  readonly #lab: StoreLab;
  readonly #systems: readonly System[];
  readonly #pipelines: readonly number[];
  readonly #rounds: number;
  readonly #requests: number;
  readonly #cases: Case[] = [];
  readonly #held: Held[] = [];

  constructor(
    lab: StoreLab,
    systems: readonly System[],
    pipelines: readonly number[],
    rounds: number,
    requests: number,
  ) {
    this.#lab = lab;
    this.#systems = systems;
    this.#pipelines = pipelines;
    this.#rounds = rounds;
    this.#requests = requests;
  }

  async measure(keys: number, sizeBytes: number, tests: readonly string[]): Promise<void> {
    const what = `${keys} keys, ${sizeBytes} bytes`;
    const servers: StoreServer[] = [];
    for (const system of this.#systems) {
      const server = await this.#lab.start(system, `${system}-${keys}-${sizeBytes}`);
      await fill(server, 0, keys, sizeBytes);
      servers.push(server);
    }
    console.log(
      `${what}: filled, ${servers.map(({ pid }) => `${round(memoryOf(pid).rssMb)} MB`).join(', ')}`,
    );
    const cases = tests.flatMap((test) =>
      this.#pipelines.map((pipeline) => {
        const made = { what: `${test.toUpperCase()}, ${what}`, pipeline, runs: new Map<System, Run[]>() };
        return { test, made };
      }),
    );
    for (let turn = 0; turn < this.#rounds; turn++) {
      for (const { test, made } of cases) {
        for (const server of turn % 2 === 0 ? servers : [...servers].reverse()) {
          const one = await this.#one(server, test, made.pipeline, keys, sizeBytes);
          made.runs.set(server.system, [...(made.runs.get(server.system) ?? []), one]);
        }
      }
      console.log(`${what}: round ${turn + 1} of ${this.#rounds} done`);
    }
    this.#cases.push(...cases.map(({ made }) => made));
    const rssMb = new Map(servers.map(({ system, pid }) => [system, memoryOf(pid).rssMb]));
    this.#held.push({ what, rssMb });
    for (const server of servers) {
      const size = await server.ask('DBSIZE').catch(() => null);
      if (size !== null && Math.abs(Number(size) - keys) > 1)
        console.log(`${server.system} holds ${size} keys where ${keys} were written`);
      await server.end('SIGKILL');
    }
  }

  async #one(
    server: StoreServer,
    test: string,
    pipeline: number,
    keys: number,
    sizeBytes: number,
  ): Promise<Run> {
    const requests = Math.max(CLIENTS, Math.round(pipeline < 16 ? this.#requests / 10 : this.#requests));
    const busy = new Busy();
    const from = { cpu: cpuMs(server.pid), client: childrenMs(), own: cpuMs(process.pid) };
    const fromMs = performance.now();
    const load = { test, clients: CLIENTS, requests, pipeline, sizeBytes, keys };
    const figures = await redisBenchmark(server.port, load);
    const machineMs = (performance.now() - fromMs) * cpus().length;
    const cpu = cpuMs(server.pid) - from.cpu;
    const ours = cpu + childrenMs() - from.client + cpuMs(process.pid) - from.own;
    return {
      ...figures,
      cpuUs: (cpu * 1000) / requests,
      others: Math.max(0, busy.since() - ours / machineMs),
    };
  }

  report(): void {
    const head = [
      '',
      '-P',
      'system',
      'a second',
      'by redis',
      'p50 ms',
      'p99 ms',
      'CPU us',
      'by redis',
      'others busy',
    ];
    const rows = this.#cases.flatMap((one) =>
      this.#systems.map((system) => {
        const of = summary(one, system);
        const redis = summary(one, 'redis');
        return [
          ...[
            one.what,
            String(one.pipeline),
            system,
            round(of.perSecond, 0),
            times(of.perSecond, redis.perSecond),
          ],
          ...[round(of.p50Ms, 3), round(of.p99Ms, 3), round(of.cpuUs, 2), times(of.cpuUs, redis.cpuUs)],
          `${round(of.others * 100, 0)} %`,
        ];
      }),
    );
    console.log(`\n${table([head, ...rows])}`);
    const held = this.#held.map(({ what, rssMb }) => [
      what,
      ...this.#systems.map((system) => round(rssMb.get(system) ?? Number.NaN)),
    ]);
    console.log(`\n${table([['RSS MB', ...this.#systems], ...held])}\n`);
  }

  /** Of `shoal`, or what was measured in its place. */
  judge(): boolean {
    const system = this.#systems.find((one) => one.startsWith('shoal'));
    if (system === undefined || !this.#systems.includes('redis')) {
      console.log('aims compare shoal with redis: --systems redis,shoal');
      return true;
    }
    const met: boolean[] = [];
    for (const one of this.#cases) {
      const [ours, redis] = [summary(one, system), summary(one, 'redis')];
      const ratio = ours.perSecond / redis.perSecond;
      const where = `${system}, ${one.what}, -P ${one.pipeline}`;
      const at = `(${times(ours.perSecond, redis.perSecond)})`;
      if (one.pipeline >= AIM.from) {
        const rate = round(ours.perSecond, 0);
        met.push(aim(`${where}: ${AIM.perSecond} a second (${rate})`, ours.perSecond >= AIM.perSecond));
        met.push(aim(`${where}: ${AIM.times} times redis ${at}`, ratio >= AIM.times));
      } else if (one.pipeline >= AIM.middle[0]) {
        met.push(aim(`${where}: not below redis ${at}`, ratio >= AIM.middle[1]));
      } else met.push(aim(`${where}: at least ${AIM.small[1]} of redis ${at}`, ratio >= AIM.small[1]));
    }
    for (const { what, rssMb } of this.#held) {
      const [ours, redis] = [rssMb.get(system) ?? Number.NaN, rssMb.get('redis') ?? Number.NaN];
      met.push(
        aim(`${system}, ${what}: RSS not above redis (${round(ours)} and ${round(redis)} MB)`, ours <= redis),
      );
    }
    return met.every(Boolean);
  }
}

function summary(one: Case, system: System): Run {
  const runs = one.runs.get(system) ?? [];
  const of = (pick: (run: Run) => number): number => median(runs.map(pick));
  return {
    perSecond: of((run) => run.perSecond),
    p50Ms: of((run) => run.p50Ms),
    p99Ms: of((run) => run.p99Ms),
    cpuUs: of((run) => run.cpuUs),
    others: of((run) => run.others),
  };
}

function times(one: number, other: number): string {
  return round(one / other, 2);
}

/** Processor time of the processes that this one waited for, milliseconds. */
function childrenMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}
