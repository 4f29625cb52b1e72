/**
 * What greedy, slow and broken clients do to the store: `npm run bench -- store-hostile [--mb 512] [--idle 1000] [--slow 100] [--pour 1024]
 * [--keys 1000000] [--witnesses 4] [--memory 2048] [--only WORD] [--dir /tmp]`. One agent with its log serves; others of the group watch it (store-witness.ts); a
 * client in a process of its own asks for a key every millisecond (store-probe.ts). Shown of each attack: the longest pause of the event loop
 * inside, the probe's latencies, memory, and whether any other node took it for dead.
 *
 * Memory has a budget: what messages may have, half as much for clients (daemon/store-budget.ts), a tenth over each for what comes between two looks,
 * and the process itself.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientBudgetMb } from '../../src/daemon/store-budget.ts';
import { Args } from './args.ts';
import { Pipe } from './pipe.ts';
import { cpuMs, sleep } from './proc.ts';
import { aim, round, table } from './stats.ts';
import { encoded, Hostile } from './store-attacks.ts';
import { PauseMonitor, type Pauses } from './store-monitor.ts';
import { type Probed, startProbe } from './store-probe.ts';
import { StoreLab, type StoreServer, serves } from './store-systems.ts';
import { Witnesses } from './store-witness.ts';

export const what =
  'idle, slow, greedy and broken clients: pauses, memory, what others wait, whether it is suspected';
export const quick = false;

const MB = 2 ** 20;
const NAME = 'shoal';
const PROCESS_MB = 160;
const OVER = 1.1;
const HOLD_MS = 5000;
const FEW_FILES = 256;
const PROBE_KEY = 'bench:0';
const AIM_PAUSE_MS = 5;
const AIM_P99_MS = 100;
const SLOW_VALUE = 'slow:value';

interface Row {
  readonly what: string;
  readonly seconds: number;
  readonly pauses: Pauses;
  readonly probed: Probed;
  readonly peakMb: number;
  readonly seen: readonly string[];
  readonly note: string;
  readonly wholly: boolean;
}

interface Sizes {
  readonly bytes: number;
  readonly idle: number;
  readonly slow: number;
  readonly pourBytes: number;
  readonly keys: number;
}

interface Attack {
  readonly what: string;
  /** It must look at all bytes or keys at once: its pause is shown, not judged. */
  readonly wholly?: boolean;
  /** What came of it, in a few words. */
  run(): Promise<string>;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['mb', 'idle', 'slow', 'pour', 'keys', 'witnesses', 'memory', 'only', 'dir']);
  const [dir = tmpdir()] = given.texts('dir', []);
  const [only = ''] = given.texts('only', []);
  const memoryMb = given.number('memory', 2048);
  const budgetMb = PROCESS_MB + OVER * (memoryMb + clientBudgetMb(memoryMb));
  const sizes: Sizes = {
    bytes: given.number('mb', 512) * MB,
    idle: given.number('idle', 1000),
    slow: given.number('slow', 100),
    pourBytes: given.number('pour', 1024) * MB,
    keys: given.number('keys', 1_000_000),
  };
  const lab = new StoreLab(dir);
  const monitor = new PauseMonitor(lab.directory, NAME);
  const server = await lab.start('shoal', NAME, {
    nodeFlags: monitor.nodeFlags,
    shoalFlags: ['--store-memory', String(memoryMb)],
  });
  const witnesses = await Witnesses.start(
    lab.agents,
    given.number('witnesses', 4),
    await gossipOf(lab),
    NAME,
  );
  await server.ask('SET', PROBE_KEY, 'x');
  const rows: Row[] = [];
  const arena = new Arena(lab, server, monitor, witnesses);
  for (const attack of attacksOn(server, sizes)) {
    if (!attack.what.includes(only)) continue;
    rows.push(await arena.under(attack));
  }
  const spared = 'descriptors'.includes(only) ? await withoutDescriptors(lab) : true;
  await witnesses.stop();
  await server.end('SIGKILL');
  lab.remove();
  report(rows, budgetMb);
  return judge(rows, budgetMb, witnesses.asked) && spared;
}

/** An agent that may open few files, and more clients than that. */
async function withoutDescriptors(lab: StoreLab): Promise<boolean> {
  const agent = lab.agents.spawn({
    name: 'few',
    multicast: null,
    launcher: ['prlimit', `--nofile=${FEW_FILES}`, process.execPath],
    flags: ['--store', 'memory', '--range', '0-0xffffffff'],
  });
  const { resp } = (await agent.ready) as unknown as { resp: string };
  const port = Number(resp.slice(resp.lastIndexOf(':') + 1));
  await serves(port, () => agent.dead);
  const all = await Hostile.many(port, 2 * FEW_FILES);
  await sleep(1000);
  const cpu = cpuMs(agent.pid);
  await sleep(HOLD_MS);
  const used = (cpuMs(agent.pid) - cpu) / HOLD_MS;
  const open = all.filter(({ closed }) => !closed).length;
  for (const one of all) one.close();
  await serves(port, () => agent.dead);
  agent.kill('SIGKILL');
  await agent.ended;
  return aim(
    `without descriptors: ${open} of ${all.length} clients are open, the others were closed; ${round(used, 3)} of a processor (at most 0.1), and it serves again`,
    open < all.length && used < 0.1,
  );
}

async function gossipOf(lab: StoreLab): Promise<string> {
  const pipe = new Pipe(join(lab.agents.dir, NAME, 'shoal.sock'));
  const { members } = await pipe.get<{ members: { address: string }[] }>('/v1/members');
  pipe.close();
  return members[0]?.address ?? '';
}

/** Where attacks are run and watched. */
class Arena {
  readonly #lab: StoreLab;
  readonly #server: StoreServer;
  readonly #monitor: PauseMonitor;
  readonly #witnesses: Witnesses;

  constructor(lab: StoreLab, server: StoreServer, monitor: PauseMonitor, witnesses: Witnesses) {
    this.#lab = lab;
    this.#server = server;
    this.#monitor = monitor;
    this.#witnesses = witnesses;
  }

  async under({ what, wholly = false, run }: Attack): Promise<Row> {
    const probe = startProbe((args) => this.#lab.program('store-probe', args), this.#server.port);
    await probe.up;
    let peakMb = 0;
    const sample = setInterval(() => {
      peakMb = Math.max(peakMb, rssMb(this.#server.pid));
    }, 20);
    await this.#monitor.read();
    this.#witnesses.take();
    probe.begin();
    const fromMs = performance.now();
    const note = await run();
    const seconds = (performance.now() - fromMs) / 1000;
    await sleep(500);
    clearInterval(sample);
    const pauses = await this.#monitor.read();
    const probed = await probe.stop();
    const seen = this.#witnesses.take();
    console.log(
      `${what}: ${round(seconds)} s, longest pause ${round(pauses.longestMs)} ms, RSS up to ${round(peakMb, 0)} MB, ${note}`,
    );
    return { what, seconds, pauses, probed, peakMb, seen, note, wholly };
  }
}

function rssMb(pid: number): number {
  return (Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * 4096) / MB;
}

function attacksOn(server: StoreServer, sizes: Sizes): Attack[] {
  return [
    ...crowds(server, sizes),
    ...pourings(server, sizes),
    ...large(server, sizes),
    ...many(server, sizes),
  ];
}

function crowds({ port, pid }: StoreServer, { idle, slow, bytes }: Sizes): Attack[] {
  return [
    {
      what: `${idle} idle connections`,
      run: async () => {
        const all = await Hostile.many(port, idle);
        const cpu = cpuMs(pid);
        await sleep(HOLD_MS);
        const open = all.filter(({ closed }) => !closed).length;
        for (const one of all) one.close();
        return `${open} open; ${round((cpuMs(pid) - cpu) / HOLD_MS, 3)} of a processor, the probe's included`;
      },
    },
    {
      what: `${slow} slow readers, each of 1000 values of 1 MB`,
      run: async () => {
        const [first] = await Hostile.many(port, 1);
        await first?.ask('SET', SLOW_VALUE, MB);
        first?.close();
        const all = await Hostile.many(port, slow);
        const gets = Buffer.concat(Array.from({ length: 1000 }, () => encoded(['GET', SLOW_VALUE])));
        await Promise.all(
          all.map(async (one) => {
            one.socket.pause();
            await one.write(gets);
            await one.sip(HOLD_MS);
          }),
        );
        return left(all);
      },
    },
    {
      what: `${idle} half commands that announce ${bytes / MB} MB`,
      run: async () => {
        const all = await Hostile.many(port, idle);
        const half = `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${bytes}\r\n${'x'.repeat(100_000)}`;
        await Promise.all(all.map((one) => one.write(half)));
        await sleep(HOLD_MS);
        return left(all);
      },
    },
  ];
}

function left(all: readonly Hostile[]): string {
  const cut = all.filter(({ closed }) => closed).length;
  for (const one of all) one.close();
  return `${cut} were cut`;
}

function pourings({ port }: StoreServer, { pourBytes }: Sizes): Attack[] {
  const part = (words: readonly string[]): Buffer =>
    Buffer.concat(Array.from({ length: 10_000 }, () => encoded(words)));
  const pour = async (words: readonly string[], reads: boolean): Promise<string> => {
    const one = await Hostile.open(port);
    if (!reads) one.socket.pause();
    const taken = await one.pour(part(words), pourBytes);
    const note = `${round(taken / MB, 0)} MB were taken${one.closed ? ', then it was cut' : ''}`;
    one.close();
    return note;
  };
  const size = `${pourBytes / MB} MB`;
  return [
    { what: `${size} of GETs, nothing read`, run: () => pour(['GET', SLOW_VALUE], false) },
    { what: `${size} of SETs, nothing read`, run: () => pour(['SET', 'pour:k', 'x'.repeat(100)], false) },
    { what: `${size} of SETs`, run: () => pour(['SET', 'pour:k', 'x'.repeat(100)], true) },
  ];
}

function large({ port }: StoreServer, { bytes }: Sizes): Attack[] {
  const ask =
    (...words: (string | number)[]) =>
    async (): Promise<string> => {
      const one = await Hostile.open(port);
      const note = await one.ask(...words);
      one.close();
      return note;
    };
  const of = `of ${bytes / MB} MB`;
  const value = (what: string, ...words: (string | number)[]): Attack => ({
    what: `${what} ${of}`,
    run: ask(...words),
  });
  const whole = (what: string, ...words: (string | number)[]): Attack => ({
    ...value(what, ...words),
    wholly: true,
  });
  const half = String(Math.floor(bytes / 2));
  return [
    value('SET', 'SET', '{big}', bytes),
    value('GET', 'GET', '{big}'),
    value('SET again', 'SET', '{big}', bytes - MB),
    value('STRLEN', 'STRLEN', '{big}'),
    value('APPEND to one', 'APPEND', '{big}', 'tail'),
    value('SETRANGE in one', 'SETRANGE', '{big}', half, 'middle'),
    value('SETBIT in one', 'SETBIT', '{big}', half, '1'),
    value('GETRANGE of half', 'GETRANGE', '{big}', '0', half),
    value('COPY', 'COPY', '{big}', '{big}2'),
    value('RENAME', 'RENAME', '{big}2', '{big}3'),
    value('BITCOUNT', 'BITCOUNT', '{big}3'),
    value('BITPOS', 'BITPOS', '{big}3', '0', half),
    whole('BITOP NOT', 'BITOP', 'NOT', '{big}4', '{big}3'),
    value('DEL of three values', 'DEL', '{big}', '{big}3', '{big}4'),
    whole('PUBLISH', 'PUBLISH', 'channel', bytes),
    whole('a key, SET', 'SET', bytes, 'v'),
    whole('a key, GET', 'GET', bytes),
    whole('a key, DEL', 'DEL', bytes),
  ];
}

function many(server: StoreServer, { keys }: Sizes): Attack[] {
  const { port } = server;
  const each = (command: string, step: number) => async (): Promise<string> => {
    const one = await Hostile.open(port);
    const heads = [`*${1 + keys}\r\n$${command.length}\r\n${command}\r\n`];
    for (let i = 0; i < keys / step; i++) {
      const key = `{many}${i}`;
      heads.push(`$${key.length}\r\n${key}\r\n${step === 2 ? '$5\r\nvalue\r\n' : ''}`);
      if (heads.length > 10_000) await one.write(heads.splice(0).join(''));
    }
    const answered = one.reply();
    await one.write(heads.join(''));
    const note = await answered;
    one.close();
    return note;
  };
  const ask =
    (...words: string[]) =>
    async (): Promise<string> => {
      const one = await Hostile.open(port);
      const note = await one.ask(...words);
      one.close();
      return note;
    };
  return [
    { what: `MSET of ${keys / 2} keys`, wholly: true, run: each('MSET', 2) },
    { what: `MGET of ${keys} keys`, wholly: true, run: each('MGET', 1) },
    { what: `${keys} keys are written`, run: () => filled(server, keys) },
    { what: 'KEYS *', run: ask('KEYS', '*') },
    { what: 'KEYS without a match', run: ask('KEYS', 'nothing*') },
    { what: 'SCAN with a huge COUNT', run: ask('SCAN', '0', 'COUNT', '1000000000') },
    { what: 'RANDOMKEY', run: ask('RANDOMKEY') },
    { what: `DEL of ${keys} keys`, wholly: true, run: each('DEL', 1) },
    { what: 'FLUSHALL', run: ask('FLUSHALL') },
  ];
}

async function filled({ port }: StoreServer, keys: number): Promise<string> {
  const one = await Hostile.open(port);
  for (let i = 0; i < keys; i += 1000)
    await one.write(
      Buffer.concat(
        Array.from({ length: 1000 }, (_, k) => encoded(['SET', `many:${i + k}`, 'x'.repeat(100)])),
      ),
    );
  const note = await one.ask('DBSIZE').then(() => 'written');
  one.close();
  return note;
}

function report(rows: readonly Row[], budgetMb: number): void {
  const head = [
    'attack',
    's',
    'longest pause ms',
    'GC',
    'probe: p50 ms',
    'p99',
    'p99.9',
    'longest',
    `RSS MB (budget ${round(budgetMb, 0)})`,
    'seen suspected',
    '',
  ];
  const lines = rows.map(({ what, seconds, pauses, probed, peakMb, seen, note }) => [
    what,
    round(seconds),
    round(pauses.longestMs),
    round(pauses.longestGcMs),
    round(probed.p50Ms, 2),
    round(probed.p99Ms, 2),
    round(probed.p999Ms, 1),
    round(probed.maxMs, 1),
    round(peakMb, 0),
    seen.length === 0 ? 'no' : `${seen.length} times`,
    note,
  ]);
  console.log(`\n${table([head, ...lines])}\n`);
}

function judge(rows: readonly Row[], budgetMb: number, asked: number): boolean {
  const met = rows.flatMap(({ what, wholly, pauses, probed, peakMb, seen }) => [
    ...(wholly
      ? []
      : [
          aim(
            `${what}: no pause over ${AIM_PAUSE_MS} ms (${round(pauses.longestMs)})`,
            pauses.longestMs <= AIM_PAUSE_MS,
          ),
        ]),
    ...(wholly
      ? []
      : [
          aim(
            `${what}: p99 of the probe at most ${AIM_P99_MS} ms (${round(probed.p99Ms, 2)})`,
            probed.p99Ms <= AIM_P99_MS,
          ),
        ]),
    aim(`${what}: memory within its budget (${round(peakMb, 0)} MB)`, peakMb <= budgetMb),
    aim(`${what}: never suspected${seen.length > 0 ? ` (${seen[0]})` : ''}`, seen.length === 0),
    aim(`${what}: every question of the probe answered`, probed.errors === 0),
  ]);
  return [...met, aim(`the group was asked (${asked} times)`, asked > 0)].every(Boolean);
}
