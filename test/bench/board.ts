/**
 * What one agent asks of a board with 128 MB: `npm run bench -- board [--idle 60] [--quiet 60] [--changes 100000]
 * [--rounds 2] [--starts 10]` (seconds). A group of five by multicast on loopback, node with the flags of deploy/shoal.service. Idle
 * memory and processor time, start to ready, then twice 100,000 changes through the admin socket (registers, adjustments,
 * releases of 400 ranges over 8 pipelined connections), each time a quiet time, and the same figures again: what the first
 * adds is warmed code, what the second adds is growth.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Agent, Agents, agree } from './agents.ts';
import { Args } from './args.ts';
import { change } from './load.ts';
import { Pipe } from './pipe.ts';
import { Busy, cpuMs, memoryOf, sleep, until } from './proc.ts';
import { aim, mean, median, round, table } from './stats.ts';

export const what =
  'one idle agent in a group of five: memory, processor, start; the same after 100,000 changes';
export const quick = false;

const NODES = 5;
const RANGES = 400;
const CONNECTIONS = 8;
const AIM = { rssMb: 55, cpuPercent: 0.3, readyMs: 400, growthMb: 1 } as const;
const SETTLE_SECONDS = 20;

interface Idle {
  readonly when: string;
  readonly rssMb: number;
  readonly pssMb: number;
  readonly anonymousMb: number;
  /** Mean of the others in the group, which took the changes in. */
  readonly othersMb: number;
  readonly cpuPercent: number;
  readonly busy: number;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['idle', 'quiet', 'changes', 'rounds', 'starts']);
  const agents = new Agents();
  const environment = Object.entries(agents.environment).map(([name, value]) => `${name}=${value}`);
  console.log(`as in deploy/shoal.service: ${[...environment, 'node', ...agents.nodeFlags].join(' ')}`);
  const multicast = agents.multicast();
  const group = await startGroup(agents, multicast);
  const starts = await measureStarts(agents, multicast, group, given.number('starts', 10));
  await until('the group agrees', () => agree(group), 30_000, 100);
  await sleep(SETTLE_SECONDS * 1000);
  const idleSeconds = given.number('idle', 60);
  const idles = [await idle('idle', group, idleSeconds)];
  const changes = given.number('changes', 100_000);
  const first = group[0] as Agent;
  let refused = 0;
  for (let turn = 1; turn <= given.number('rounds', 2); turn++) {
    const load = await change(first.socket, changes, CONNECTIONS, RANGES);
    refused += load.refused;
    const busiest = memoryOf(first.pid).rssMb;
    await until('the group agrees', () => agree(group), 30_000, 1000);
    console.log(
      `${changes} changes in ${round(load.seconds)} s (${round(changes / load.seconds)} a second, ${load.refused} refused); RSS right after ${round(busiest)} MB; state directory: ${directory(first.dataDir)}`,
    );
    await sleep(given.number('quiet', 60) * 1000);
    idles.push(await idle(`${turn * changes} changes later`, group, idleSeconds));
  }
  report(idles, starts);
  await agents.stopAll();
  return judge(idles, starts, refused);
}

async function startGroup(agents: Agents, multicast: string): Promise<Agent[]> {
  const share = 2 ** 32 / NODES;
  const group: Agent[] = [];
  for (let i = 0; i < NODES; i++) {
    const range = `${Math.floor(i * share)}-${Math.floor((i + 1) * share) - 1}`;
    group.push(agents.spawn({ name: `n${i}`, multicast, flags: ['--range', range] }));
  }
  await Promise.all(group.map(({ ready }) => ready));
  await until('the group agrees', () => agree(group), 30_000, 100);
  return group;
}

/** Restarts the last agent of the group so often; milliseconds to its ready line, and to being in sync. */
async function measureStarts(agents: Agents, multicast: string, group: Agent[], count: number) {
  const ready: number[] = [];
  const inSync: number[] = [];
  for (let i = 0; i < count; i++) {
    const old = group.pop() as Agent;
    old.kill('SIGTERM');
    await old.ended;
    await sleep(200);
    const agent = agents.spawn({ name: old.name, multicast });
    group.push(agent);
    await agent.ready;
    ready.push(agent.readyMs);
    const pipe = new Pipe(agent.socket);
    await until('readyz', async () => (await pipe.call('GET', '/readyz')).status === 200, 5000, 2);
    inSync.push(performance.now() - agent.startedMs);
    pipe.close();
  }
  return { ready, inSync };
}

async function idle(when: string, group: readonly Agent[], seconds: number): Promise<Idle> {
  const pid = (group[0] as Agent).pid;
  const busy = new Busy();
  const from = { cpuMs: cpuMs(pid), atMs: performance.now() };
  await sleep(seconds * 1000);
  const cpuPercent = (100 * (cpuMs(pid) - from.cpuMs)) / (performance.now() - from.atMs);
  const others = group.slice(1).map((agent) => memoryOf(agent.pid).rssMb);
  return { when, ...memoryOf(pid), othersMb: mean(others), cpuPercent, busy: busy.since() };
}

function report(
  idles: readonly Idle[],
  starts: { ready: readonly number[]; inSync: readonly number[] },
): void {
  const rows = idles.map((one) => [
    one.when,
    round(one.rssMb),
    round(one.pssMb),
    round(one.anonymousMb),
    round(one.othersMb),
    round(one.cpuPercent, 2),
    `${round(one.busy * 100, 0)} %`,
  ]);
  const head = ['', 'RSS MB', 'PSS MB', 'own memory MB', "others' RSS MB", 'CPU %', 'machine busy'];
  console.log(`\n${table([head, ...rows])}`);
  const { ready, inSync } = starts;
  console.log(
    `start to the ready line: median ${round(median(ready), 0)} ms of ${ready.map((ms) => round(ms, 0)).join(' ')}; to /readyz in a running group: median ${round(median(inSync), 0)} ms\n`,
  );
}

function judge(idles: readonly Idle[], starts: { ready: readonly number[] }, refused: number): boolean {
  const [fresh, ...later] = idles.map(({ rssMb }) => rssMb) as [number, ...number[]];
  const growthMb = (later.at(-1) ?? fresh) - (later.at(0) ?? fresh);
  const cpuPercent = Math.max(...idles.map((one) => one.cpuPercent));
  const readyMs = median(starts.ready);
  return [
    aim(`RSS at most ${AIM.rssMb} MB (${round(fresh)})`, fresh <= AIM.rssMb),
    aim(
      `RSS after the changes too (${later.map((mb) => round(mb)).join(', ')})`,
      Math.max(...later) <= AIM.rssMb,
    ),
    aim(`the second round adds at most ${AIM.growthMb} MB (${round(growthMb)})`, growthMb <= AIM.growthMb),
    aim(`CPU at most ${AIM.cpuPercent} % (${round(cpuPercent, 2)})`, cpuPercent <= AIM.cpuPercent),
    aim(`ready within ${AIM.readyMs} ms (${round(readyMs, 0)})`, readyMs <= AIM.readyMs),
    aim(`no change refused (${refused})`, refused === 0),
  ].every(Boolean);
}

function directory(path: string): string {
  const files = readdirSync(path).filter((name) => /^(snapshot|journal)/.test(name));
  return files.map((name) => `${name} ${(statSync(join(path, name)).size / 1024).toFixed(0)} KB`).join(', ');
}
