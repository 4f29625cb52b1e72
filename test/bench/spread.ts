/**
 * How long a change takes to be everywhere, and what that costs: `npm run bench -- spread [--sizes 5,32,64] [--events 40]
 * [--systems serf,shoal-multicast,shoal-tree] [--settle 45] [--idle 60]` (seconds).
 *
 * Every node is a real process on loopback; each group has a network namespace of its own, whose loopback counters are
 * its traffic with all headers. All nodes are watched by this one process (one clock), over connections that are not
 * counted: shoal's event stream on the Unix socket, serf's RPC stream on an interface of its own. A change is a PUT of a
 * range (journalled to disk before it is answered) against a user event. "Accepted" is when the call was answered,
 * "sent" when it was made; "missed" counts (change, node) pairs not seen within `--deadline` seconds. Changes come one
 * at a time, at random moments, from random nodes. Bytes per change: all traffic from the first change to five seconds
 * after the last, less what idling that long costs.
 */
import { Args, BenchError } from './args.ts';
import { type Group, SYSTEMS, type System, startGroup } from './groups.ts';
import { loopbackOf } from './netns.ts';
import { Busy, cpuMs, memoryOf, sleep } from './proc.ts';
import { aim, mean, median, percentile, round, table } from './stats.ts';

export const what =
  'shoal beside serf at 5, 32 and 64 processes: time to the last node, misses, bytes, memory';
export const quick = false;

const AIM_RATIO = 20;
const AIM_IDLE = 1.5;
const TAIL_SECONDS = 5;

interface Plan {
  readonly events: number;
  readonly settleSeconds: number;
  readonly idleSeconds: number;
  readonly deadlineSeconds: number;
}

interface Result {
  readonly system: System;
  readonly size: number;
  readonly acceptedMs: readonly number[];
  readonly sentMs: readonly number[];
  readonly missed: number;
  readonly bytesPerChange: number;
  readonly idleBytesPerSecond: number;
  readonly rssMb: number;
  readonly pssMb: number;
  readonly cpuPercent: number;
  /** Processors of the machine in use while the changes were measured. */
  readonly busy: number;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['sizes', 'events', 'systems', 'settle', 'idle', 'deadline']);
  const systems = given.texts('systems', SYSTEMS);
  for (const name of systems) {
    if (!(SYSTEMS as readonly string[]).includes(name)) {
      throw new BenchError(`there is no system '${name}': there are ${SYSTEMS.join(', ')}`);
    }
  }
  const plan: Plan = {
    events: given.number('events', 40),
    settleSeconds: given.number('settle', 45),
    idleSeconds: given.number('idle', 60),
    deadlineSeconds: given.number('deadline', 10),
  };
  const results: Result[] = [];
  for (const size of given.numbers('sizes', [5, 32, 64])) {
    for (const system of systems as System[]) {
      const result = await measure(system, size, plan);
      results.push(result);
      console.log(
        `${system} ${size}: median ${round(median(result.acceptedMs))} ms, p99 ${round(percentile(result.acceptedMs, 99))}, missed ${result.missed}, machine ${round(result.busy * 100, 0)} % busy`,
      );
    }
  }
  console.log(`\n${report(results)}\n`);
  return judge(results);
}

async function measure(system: System, size: number, plan: Plan): Promise<Result> {
  const group = await startGroup(system, size);
  try {
    await sleep(plan.settleSeconds * 1000);
    const idle = await idling(group, plan.idleSeconds);
    const busy = new Busy();
    const spread = await changes(group, plan, idle.bytesPerSecond * size);
    return { system, size, ...idle, idleBytesPerSecond: idle.bytesPerSecond, ...spread, busy: busy.since() };
  } finally {
    await group.stop();
  }
}

async function idling(group: Group, seconds: number) {
  const cpu = (): number => group.pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const before = { bytes: bytesOf(group), cpuMs: cpu(), atMs: performance.now() };
  await sleep(seconds * 1000);
  const elapsedMs = performance.now() - before.atMs;
  const each = group.pids.length * (elapsedMs / 1000);
  const memory = group.pids.map(memoryOf);
  return {
    bytesPerSecond: (bytesOf(group) - before.bytes) / each,
    cpuPercent: (100 * (cpu() - before.cpuMs)) / group.pids.length / elapsedMs,
    rssMb: mean(memory.map(({ rssMb }) => rssMb)),
    pssMb: mean(memory.map(({ pssMb }) => pssMb)),
  };
}

async function changes(group: Group, plan: Plan, idleBytesPerSecond: number) {
  const acceptedMs: number[] = [];
  const sentMs: number[] = [];
  let missed = 0;
  const before = { bytes: bytesOf(group), atMs: performance.now() };
  for (let serial = 1; serial <= plan.events; serial++) {
    await sleep(300 + Math.random() * 700);
    const one = await change(group, serial, plan.deadlineSeconds);
    missed += one.missed;
    acceptedMs.push(one.acceptedMs);
    sentMs.push(one.sentMs);
  }
  await sleep(TAIL_SECONDS * 1000);
  const seconds = (performance.now() - before.atMs) / 1000;
  const bytes = bytesOf(group) - before.bytes - idleBytesPerSecond * seconds;
  return { acceptedMs, sentMs, missed, bytesPerChange: bytes / plan.events };
}

/** Times to the last of those that saw it. */
async function change(group: Group, serial: number, deadlineSeconds: number) {
  const origin = Math.floor(Math.random() * group.pids.length);
  await group.prepare(origin);
  const others = group.taps.filter((_, i) => i !== origin);
  let open = others.length;
  let allSeen = (): void => {};
  const all = new Promise<void>((resolve) => {
    allSeen = resolve;
  });
  const sightings = others.map((tap) =>
    tap.await(group.textOf(serial), () => {
      if (--open === 0) allSeen();
    }),
  );
  const fromMs = performance.now();
  await group.change(origin, serial);
  const acceptedAtMs = performance.now();
  await Promise.race([all, sleep(deadlineSeconds * 1000)]);
  const seen = sightings.map(({ atMs }) => atMs).filter((atMs) => !Number.isNaN(atMs));
  const lastMs = Math.max(...seen);
  return { acceptedMs: lastMs - acceptedAtMs, sentMs: lastMs - fromMs, missed: open };
}

function bytesOf(group: Group): number {
  return group.namespace === null ? Number.NaN : loopbackOf(group.pids[0] as number).bytes;
}

function report(results: readonly Result[]): string {
  const head = ['nodes', 'system', 'median ms', 'p99', 'from sent', 'p99', 'missed'];
  const rows = results.map((r) => [
    `${r.size}`,
    r.system,
    round(median(r.acceptedMs)),
    round(percentile(r.acceptedMs, 99)),
    round(median(r.sentMs)),
    round(percentile(r.sentMs, 99)),
    `${r.missed} of ${r.acceptedMs.length * (r.size - 1)}`,
    round(r.bytesPerChange, 0),
    round(r.idleBytesPerSecond, 0),
    round(r.rssMb),
    round(r.pssMb),
    round(r.cpuPercent, 2),
  ]);
  return table([[...head, 'bytes/change', 'idle B/s/node', 'RSS MB', 'PSS MB', 'idle CPU %'], ...rows]);
}

function judge(results: readonly Result[]): boolean {
  let met = true;
  for (const ours of results) {
    if (ours.system === 'serf') continue;
    const where = `${ours.system}, ${ours.size} nodes`;
    met = aim(`${where}: nothing missed (${ours.missed})`, ours.missed === 0) && met;
    const serf = results.find(({ system, size }) => system === 'serf' && size === ours.size);
    if (serf === undefined) continue;
    if (ours.size >= 32) {
      // Spreading does not wait for the disk: the last node often has it before the caller is answered.
      const [theirs, own] = [median(serf.acceptedMs), Math.max(1, median(ours.acceptedMs))];
      const text = `${where}: median from accepted at least ${AIM_RATIO} times shorter than serf's (${round(theirs)} ms against ${round(median(ours.acceptedMs))})`;
      met = aim(text, theirs / own >= AIM_RATIO) && met;
      const sent = median(serf.sentMs) / median(ours.sentMs);
      console.log(`        from sent: ${round(sent)} times shorter`);
    }
    const idle = ours.idleBytesPerSecond / serf.idleBytesPerSecond;
    if (Number.isNaN(idle)) console.log('        traffic was not counted: that needs root and ip netns');
    else
      met =
        aim(
          `${where}: idle traffic at most ${AIM_IDLE} times serf's (${round(idle, 2)})`,
          idle <= AIM_IDLE,
        ) && met;
  }
  return met;
}
