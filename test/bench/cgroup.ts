/**
 * An agent on a small board, as far as a control group makes one: `npm run bench -- cgroup [--memory 128] [--cpu 10]
 * [--starts 5] [--idle 30] [--changes 500]` (MB, percent of a core, seconds). Root; version 1 or 2 of control groups.
 * Four agents run freely, the fifth in the group with a copy of the node program of its own, made inside, so that the
 * program's pages count there too, as they do on a board. Its start, its memory idle and after changes made on it and
 * on the others, how often it had to wait for the processor, and whether anybody took it for dead meanwhile.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { type Agent, Agents, agree } from './agents.ts';
import { Args, BenchError } from './args.ts';
import { onEnd } from './cleanup.ts';
import { change } from './load.ts';
import { Busy, cpuMs, memoryOf, sleep, until } from './proc.ts';
import { aim, median, round, table } from './stats.ts';

export const what =
  'an agent within 128 MB and a tenth of a core: start, memory, and whether it is taken for dead';
export const quick = false;

const FREE_AGENTS = 4;
const RANGES = 50;
const CONNECTIONS = 2;
const MOUNT = '/sys/fs/cgroup';
/** What keeps what was not said within reason: a start under a tenth of a core takes seconds. */
const READY_LIMIT_MS = 120_000;

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['memory', 'cpu', 'starts', 'idle', 'changes']);
  const [memoryMb, percent] = [given.number('memory', 128), given.number('cpu', 10)];
  const group = ControlGroup.make(memoryMb, percent);
  const agents = new Agents();
  const multicast = agents.multicast();
  const free = Array.from({ length: FREE_AGENTS }, (_, i) => agents.spawn({ name: `free${i}`, multicast }));
  await Promise.all(free.map(({ ready }) => ready));
  const node = join(agents.dir, 'node');
  const board = (): Agent =>
    agents.spawn({ name: 'board', multicast, launcher: [...group.launcher(node), node] });
  const starts: number[] = [];
  const busy = new Busy();
  let agent = board();
  let stopped = 0;
  for (let i = 0; ; i++) {
    await until('the board is ready', () => !Number.isNaN(agent.readyMs), READY_LIMIT_MS);
    starts.push(agent.readyMs);
    if (i + 1 >= given.number('starts', 5)) break;
    await until('the group agrees', () => agree([...free, agent]), 60_000, 250);
    agent.kill('SIGTERM');
    await agent.ended;
    // Said by a board that has a tenth of a core for saying so.
    const left = async (): Promise<boolean> => agree(free);
    await until('the others know that it is gone', left, 60_000, 50);
    stopped = await countDowns(free);
    agent = board();
  }
  const all = [...free, agent];
  await until('the group agrees', () => agree(all), 60_000, 250);
  const rows = [await idle('idle', agent, group, given.number('idle', 30))];
  const changes = given.number('changes', 500);
  for (const [where, socket] of [
    ['on another node', free[0]?.socket ?? ''],
    ['on the board', agent.socket],
  ] as const) {
    const { seconds, refused } = await change(socket, changes, CONNECTIONS, RANGES);
    console.log(`${changes} changes ${where}: ${round(changes / seconds)} a second, ${refused} refused`);
    await until('the group agrees', () => agree(all), 60_000, 250);
    rows.push(await idle(`after ${changes} ${where}`, agent, group, given.number('idle', 30)));
  }
  const downs = (await countDowns(free)) - stopped;
  console.log(`\n${table([HEAD, ...rows.map(({ cells }) => cells)])}`);
  const [first = Number.NaN, ...later] = starts.map((ms) => round(ms / 1000));
  console.log(`start to the ready line: the first, its pages cold, ${first} s; then ${later.join(', ')} s`);
  console.log(`machine busy meanwhile: ${round(busy.since() * 100, 0)} %; ${group.describe()}\n`);
  await agents.stopAll();
  group.remove();
  return [
    aim(
      `RSS stays under the group's ${memoryMb} MB (${rows.map((row) => round(row.rssMb)).join(', ')})`,
      rows.every((row) => row.rssMb < memoryMb),
    ),
    aim(`nothing was killed for memory (${group.killed})`, group.killed === 0),
    aim(
      `nobody called it down while it ran (${downs}), nor when it was stopped (${stopped})`,
      downs + stopped === 0,
    ),
    aim(
      `ready within 15 s once its pages are warm (median ${round(median(starts.slice(1)) / 1000)})`,
      median(starts.slice(1)) < 15_000,
    ),
  ].every(Boolean);
}

const HEAD = ['', 'RSS MB', 'own memory MB', 'charged to the group MB', 'CPU %', 'of the time throttled'];

async function idle(when: string, agent: Agent, group: ControlGroup, seconds: number) {
  const from = { cpu: cpuMs(agent.pid), throttled: group.throttledMs, atMs: performance.now() };
  await sleep(seconds * 1000);
  const passedMs = performance.now() - from.atMs;
  const { rssMb, anonymousMb } = memoryOf(agent.pid);
  const percent = (part: number): string => `${round((100 * part) / passedMs, 2)} %`;
  const cells = [
    ...[when, round(rssMb), round(anonymousMb), round(group.chargedMb)],
    ...[percent(cpuMs(agent.pid) - from.cpu), percent(group.throttledMs - from.throttled)],
  ];
  return { rssMb, cells };
}

/** How often the free agents called a member down, by their own count. */
export async function countDowns(free: readonly Agent[]): Promise<number> {
  let downs = 0;
  for (const { socket } of free) {
    const found = /^shoal_detection_total\{what="downs"\} (\d+)$/m.exec(await metricsOf(socket));
    if (found === null) throw new BenchError('/metrics has no count of members called down');
    downs += Number(found[1]);
  }
  return downs;
}

function metricsOf(socketPath: string): Promise<string> {
  return new Promise((done, fail) => {
    const call = get({ socketPath, path: '/metrics', agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      done(text);
    });
    call.on('error', fail);
  });
}

/** One control group with a limit on memory and on the processor. */
export class ControlGroup {
  readonly #memory: string;
  readonly #cpu: string;
  readonly #v2: boolean;
  readonly remove: () => void;
  /** Processes killed for want of memory, read when it is removed. */
  killed = 0;

  private constructor(v2: boolean, memory: string, cpu: string) {
    this.#v2 = v2;
    this.#memory = memory;
    this.#cpu = cpu;
    this.remove = onEnd(() => {
      this.killed = this.#number(v2 ? 'memory.events' : 'memory.oom_control', memory, /oom_kill (\d+)/);
      for (const directory of new Set([memory, cpu])) if (existsSync(directory)) rmdirSync(directory);
    });
  }

  static make(memoryMb: number, percent: number): ControlGroup {
    if (process.getuid?.() !== 0)
      throw new BenchError('control groups need root: sudo npm run bench -- cgroup');
    const name = `shoal-bench-${process.pid}`;
    const v2 = existsSync(`${MOUNT}/cgroup.controllers`);
    const [memory, cpu] = v2
      ? [`${MOUNT}/${name}`, `${MOUNT}/${name}`]
      : [`${MOUNT}/memory/${name}`, `${MOUNT}/cpu/${name}`];
    const set = (file: string, value: string): void => writeFileSync(file, value);
    try {
      if (v2) set(`${MOUNT}/cgroup.subtree_control`, '+memory +cpu');
      for (const directory of new Set([memory, cpu])) mkdirSync(directory);
      const group = new ControlGroup(v2, memory, cpu);
      set(`${memory}/${v2 ? 'memory.max' : 'memory.limit_in_bytes'}`, String(memoryMb * 2 ** 20));
      if (v2) set(`${cpu}/cpu.max`, `${percent * 1000} 100000`);
      else {
        set(`${cpu}/cpu.cfs_period_us`, '100000');
        set(`${cpu}/cpu.cfs_quota_us`, String(percent * 1000));
      }
      return group;
    } catch (error) {
      throw new BenchError(`no control group can be made here: ${(error as Error).message}`);
    }
  }

  /** Runs the command behind it inside; the first time it makes the copy of the node program, inside too. */
  launcher(copy: string): string[] {
    const enter = [...new Set([this.#memory, this.#cpu])]
      .map((group) => `echo $$ >${group}/cgroup.procs`)
      .join(' && ');
    return [
      'sh',
      '-c',
      `${enter} && { [ -e ${copy} ] || cp ${process.execPath} ${copy}; } && exec "$@"`,
      'sh',
    ];
  }

  get chargedMb(): number {
    return (
      this.#number(this.#v2 ? 'memory.current' : 'memory.usage_in_bytes', this.#memory, /(\d+)/) / 2 ** 20
    );
  }

  get throttledMs(): number {
    return this.#v2
      ? this.#number('cpu.stat', this.#cpu, /throttled_usec (\d+)/) / 1e3
      : this.#number('cpu.stat', this.#cpu, /throttled_time (\d+)/) / 1e6;
  }

  describe(): string {
    const peak =
      this.#number(this.#v2 ? 'memory.peak' : 'memory.max_usage_in_bytes', this.#memory, /(\d+)/) / 2 ** 20;
    return `control groups ${this.#v2 ? 2 : 1}, at most ${round(peak)} MB were charged`;
  }

  #number(file: string, directory: string, pattern: RegExp): number {
    if (!existsSync(join(directory, file))) return Number.NaN;
    return Number(pattern.exec(readFileSync(join(directory, file), 'utf8'))?.[1] ?? 0);
  }
}
