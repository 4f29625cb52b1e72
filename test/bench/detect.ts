/**
 * How soon a group knows that a member died or left, and what watching over each other costs:
 * `npm run bench -- detect [--sizes 5,32,64] [--kills 10] [--serf-kills 5] [--leaves 4]
 * [--systems serf,shoal-multicast,shoal-tree] [--settle 10] [--idle 15]` (seconds).
 *
 * Processes, namespaces, traffic and streams as in `spread`. A node is killed (SIGKILL) at a random moment; each other node
 * knows when its stream shows the event, by this one process's clock. "All" is the last of them. A leave is timed from the
 * call that asks for it. In a small group the node then starts again with its state, and when all list it as alive it is the
 * next one's turn; a large one shrinks, for what 64 processes on one machine do when one joins would be measured along. Nothing
 * is measured before all nodes trust themselves (health 0), which takes a while where many start at once.
 * Watching is by event streams alone, which cost nothing while nothing happens. "missed": (kill or leave, node) pairs not
 * seen within `--deadline` seconds.
 */
import { Args, BenchError } from './args.ts';
import { type Group, SYSTEMS, type System, startGroup } from './groups.ts';
import { loopbackOf } from './netns.ts';
import { Busy, sleep, until } from './proc.ts';
import { aim, median, percentile, round, table } from './stats.ts';

export const what =
  'shoal beside serf at 5, 32 and 64 processes: from kill -9, and from a leave, until every node knows; idle bytes';
export const quick = false;

const AIM_DOWN_MS = { median: 2500, p99: 5000 } as const;
const AIM_LEAVE_MS = 100;
const AIM_IDLE = 1.5;
/** Health of nodes that have just started recovers within this, where the machine is not overloaded. */
const REST_MS = 60_000;

interface Plan {
  readonly kills: number;
  readonly serfKills: number;
  readonly leaves: number;
  readonly settleSeconds: number;
  readonly idleSeconds: number;
  readonly deadlineSeconds: number;
}

/** Times until nodes knew: the last of each occasion, and all. */
interface Times {
  readonly last: number[];
  readonly each: number[];
  missed: number;
}

interface Result {
  readonly system: System;
  readonly size: number;
  readonly down: Times;
  readonly leave: Times;
  readonly idleBytesPerSecond: number;
  readonly busy: number;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, [
    'sizes',
    'kills',
    'serf-kills',
    'leaves',
    'systems',
    'settle',
    'idle',
    'deadline',
  ]);
  const systems = given.texts('systems', SYSTEMS);
  for (const name of systems) {
    if (!(SYSTEMS as readonly string[]).includes(name)) {
      throw new BenchError(`there is no system '${name}': there are ${SYSTEMS.join(', ')}`);
    }
  }
  const plan: Plan = {
    kills: given.number('kills', 10),
    serfKills: given.number('serf-kills', 5),
    leaves: given.number('leaves', 4),
    settleSeconds: given.number('settle', 10),
    idleSeconds: given.number('idle', 15),
    deadlineSeconds: given.number('deadline', 60),
  };
  const results: Result[] = [];
  const fromMs = performance.now();
  for (const size of given.numbers('sizes', [5, 32, 64])) {
    for (const system of systems as System[]) {
      const result = await measure(system, size, plan);
      results.push(result);
      const { down, leave, busy } = result;
      console.log(
        `${system} ${size}: down ${text(down.last)}, leave ${text(leave.last)}, missed ${down.missed + leave.missed}, machine ${round(busy * 100, 0)} % busy`,
      );
    }
  }
  console.log(`\n${report(results)}\n\n${round((performance.now() - fromMs) / 60_000)} minutes`);
  return judge(results);
}

const text = (ms: readonly number[]): string =>
  `${round(median(ms), 0)} ms (worst ${round(Math.max(...ms), 0)})`;

async function measure(system: System, size: number, plan: Plan): Promise<Result> {
  const group = await startGroup(system, size, 'members');
  try {
    await sleep(plan.settleSeconds * 1000);
    await until('no node finds itself in trouble', () => group.atRest(), REST_MS, 2000).catch(
      (error: Error) => console.log(`${system} ${size}: ${error.message}: the times will be longer`),
    );
    const idleBytesPerSecond = await idling(group, plan.idleSeconds);
    const busy = new Busy();
    const kills = system === 'serf' ? plan.serfKills : plan.kills;
    const gone = new Set<number>();
    const restart = size <= 2 * (kills + plan.leaves);
    const down = await again(group, gone, restart, kills, plan.deadlineSeconds, async (node) => {
      const atMs = performance.now();
      group.kill(node);
      return atMs;
    });
    const leave = await again(group, gone, restart, plan.leaves, plan.deadlineSeconds, async (node) => {
      const go = await group.prepareLeave(node);
      const atMs = performance.now();
      // Answered when it has left: the others know before.
      void go().catch(() => {});
      return atMs;
    });
    return { system, size, down, leave, idleBytesPerSecond, busy: busy.since() };
  } finally {
    await group.stop();
  }
}

async function idling(group: Group, seconds: number): Promise<number> {
  if (group.namespace === null) return Number.NaN;
  const bytes = (): number => loopbackOf(group.pids[0] as number).bytes;
  const before = { bytes: bytes(), atMs: performance.now() };
  await sleep(seconds * 1000);
  return ((bytes() - before.bytes) * 1000) / (performance.now() - before.atMs) / group.pids.length;
}

/** Ends one node after the other, in a random order; with `restart` each is back before the next goes. */
async function again(
  group: Group,
  gone: Set<number>,
  restart: boolean,
  times: number,
  deadlineSeconds: number,
  end: (node: number) => Promise<number>,
): Promise<Times> {
  const known: Times = { last: [], each: [], missed: 0 };
  for (let i = 0; i < times; i++) {
    await sleep(300 + Math.random() * 800);
    // The first stays: it is the others' contact.
    const there = group.taps.map((_, index) => index).filter((index) => index > 0 && !gone.has(index));
    const node = there[Math.floor(Math.random() * there.length)] as number;
    gone.add(node);
    const told = awaitAll(group, gone, node);
    const fromMs = await end(node);
    const news = await told(deadlineSeconds);
    known.missed += news.missed;
    known.each.push(...news.seenMs.map((atMs) => atMs - fromMs));
    known.last.push(Math.max(...news.seenMs) - fromMs);
    if (!restart) continue;
    const back = awaitAll(group, gone, node);
    gone.delete(node);
    await group.restart(node);
    const { missed } = await back(deadlineSeconds);
    if (missed > 0) throw new Error(`${missed} nodes did not see node ${node} come back`);
  }
  return known;
}

/** The streams of all that are there: when each shows the next event about a node that is not. */
function awaitAll(group: Group, gone: ReadonlySet<number>, node: number) {
  const others = group.taps.filter((_, i) => !gone.has(i));
  let open = others.length;
  let allSeen = (): void => {};
  const all = new Promise<void>((resolve) => {
    allSeen = resolve;
  });
  const sightings = others.map((tap) =>
    tap.await(group.subjectOf(node), () => {
      if (--open === 0) allSeen();
    }),
  );
  return async (deadlineSeconds: number) => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineSeconds * 1000);
    });
    await Promise.race([all, timeout]);
    clearTimeout(timer);
    return {
      seenMs: sightings.map(({ atMs }) => atMs).filter((atMs) => !Number.isNaN(atMs)),
      missed: open,
    };
  };
}

function report(results: readonly Result[]): string {
  const head = [
    'nodes',
    'system',
    'down: all know, median s',
    'worst',
    'each: p50',
    'p99',
    'leave: median ms',
    'worst',
  ];
  const rows = results.map((r) => [
    `${r.size}`,
    r.system,
    round(median(r.down.last) / 1000, 2),
    round(Math.max(...r.down.last) / 1000, 2),
    round(percentile(r.down.each, 50) / 1000, 2),
    round(percentile(r.down.each, 99) / 1000, 2),
    round(median(r.leave.last), 0),
    round(Math.max(...r.leave.last), 0),
    `${r.down.missed + r.leave.missed}`,
    round(r.idleBytesPerSecond, 0),
    `${round(r.busy * 100, 0)} %`,
  ]);
  return table([[...head, 'missed', 'idle B/s/node', 'machine busy'], ...rows]);
}

function judge(results: readonly Result[]): boolean {
  let met = true;
  for (const ours of results) {
    if (ours.system === 'serf') continue;
    const where = `${ours.system}, ${ours.size} nodes`;
    const [middle, p99] = [median(ours.down.last), percentile(ours.down.last, 99)];
    const times = `median ${round(middle / 1000, 2)} s, p99 ${round(p99 / 1000, 2)} s`;
    const limits = `${AIM_DOWN_MS.median / 1000} and ${AIM_DOWN_MS.p99 / 1000} s`;
    const quickly = middle < AIM_DOWN_MS.median && p99 < AIM_DOWN_MS.p99;
    met = aim(`${where}: all know of a death within ${limits} (${times})`, quickly) && met;
    const leave = median(ours.leave.last);
    met =
      aim(
        `${where}: all know of a leave within ${AIM_LEAVE_MS} ms (${round(leave, 0)})`,
        leave < AIM_LEAVE_MS,
      ) && met;
    met = aim(`${where}: nothing missed`, ours.down.missed + ours.leave.missed === 0) && met;
    const serf = results.find(({ system, size }) => system === 'serf' && size === ours.size);
    if (serf === undefined) continue;
    console.log(
      `        serf: ${round(median(serf.down.last) / 1000, 2)} s, leave ${round(median(serf.leave.last), 0)} ms`,
    );
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
