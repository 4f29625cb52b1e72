import type { NodeId } from '../../../src/base/index.ts';
import { type MemberRecord, Views } from '../../../src/members/index.ts';
import type { createNode } from '../../../src/node/index.ts';
import type { NodeFactory } from '../../../src/node/machine.ts';
import type { SimHost } from '../host.ts';
import { percentile, type RunResult, result } from '../result.ts';
import { Session } from '../session.ts';
import { Traffic } from '../traffic.ts';

export interface DetectionRun {
  readonly seed: number;
  readonly factory: NodeFactory;
  readonly nodes: number;
  readonly log?: (line: string) => void;
}

export interface KillRun extends DetectionRun {
  readonly kills: number;
  /** Percent. */
  readonly loss: number;
  readonly domains: number;
  /** Makes machines that begin as one group at rest: the way to thousands. Null: they start one after the other. */
  readonly formed: typeof createNode | null;
}

/** What IPv4 and UDP put around each datagram. */
const HEADERS_BYTES = 28;
/** Quiet time in which idle traffic is counted, and the longest that all may take to know of a death. */
const IDLE_MS = 20_000;
const KNOWN_WITHIN_MS = 30_000;

/** Until anti-entropy of a group that has just started is at its longest pause. */
const CALM_MS = 75_000;
/** Views that differ at one moment of a formed group, at most. */
const VIEWS = 16;

/** A group that has been together for long. Only what differs between its machines costs memory. */
function formedGroup(run: KillRun, create: typeof createNode): Session {
  const formed = { records: [] as MemberRecord[], views: new Views(VIEWS) };
  const factory: NodeFactory = (boot, options, outputs, rng) =>
    create(boot, options, outputs, rng, { formed });
  const session = new Session({ ...run, factory, link: { delayMs: 0.5, jitterMs: 1 } });
  for (let i = 0; i < run.nodes; i++) session.world.addHost({});
  formed.records.push(...session.formedRecords());
  session.startAll(1000);
  session.world.runUntil(session.world.nowMs + CALM_MS);
  return session;
}

/** A group of hosts that know each other, at rest. */
function settledGroup(
  run: DetectionRun,
  domains: number,
  link: { delayMs: number; jitterMs: number },
): Session {
  const session = new Session({ ...run, link });
  session.addHosts(run.nodes, (i) => (domains === 0 ? -1 : i % domains));
  session.presetMembership();
  session.startAll(Math.min(5000, run.nodes * 10));
  session.converge(60_000, 'convergence', 200);
  session.world.runUntil(session.world.nowMs + (domains === 0 ? 3000 : 15_000));
  return session;
}

/** Kills one host after another in an idle group, and measures how long it takes until every other lists it as down. */
export function killRun(run: KillRun): RunResult {
  const session =
    run.formed === null
      ? settledGroup(run, run.domains, { delayMs: 0.5, jitterMs: 1 })
      : formedGroup(run, run.formed);
  const { world, members } = session;
  const traffic = new Traffic();
  world.watchers.push(traffic);
  world.network.link = { ...world.network.link, lossP: run.loss / 100 };
  world.runUntil(world.nowMs + IDLE_MS);
  const table = traffic.table();
  const dead = new Set<NodeId>();
  members.mustNotDown = (id) => !dead.has(id);
  // The last of a change to `down`, told by each host once for each death.
  let told = 0;
  let lastMs = 0;
  members.onVerdict = (_, event) => {
    if (event.type !== 'member-down') return;
    told++;
    lastMs = world.nowMs;
  };
  const delays: number[] = [];
  const first: number[] = [];
  for (let i = 0; i < run.kills && world.running().length > 3 && !session.failed; i++) {
    const hosts = world.running();
    const victim = hosts[session.rng.below(hosts.length)] as SimHost;
    if (victim.id !== null) dead.add(victim.id);
    session.model.beforeCrash(victim);
    victim.crash(session.rng.below(2) === 0);
    const killedMs = world.nowMs;
    told = 0;
    const others = hosts.length - 1;
    world.runUntilTrue(() => told > 0, killedMs + KNOWN_WITHIN_MS, 10);
    first.push(world.nowMs - killedMs);
    if (!world.runUntilTrue(() => told >= others, killedMs + KNOWN_WITHIN_MS, 50) && !session.failed)
      world.violate('detection', `${told} of ${others} know of a death after ${KNOWN_WITHIN_MS} ms`);
    delays.push(lastMs - killedMs);
    world.runUntil(world.nowMs + 1000 + 2000 * session.rng.unit());
  }
  delays.sort((a, b) => a - b);
  first.sort((a, b) => a - b);
  const perSecond = (value: number) => Math.round((value * 1000) / IDLE_MS / run.nodes);
  return result(run.seed, session, {
    nodes: run.nodes,
    kills: delays.length,
    allKnowMs: spread(delays),
    firstKnowsMs: spread(first),
    idleBytesPerSecondAndNode: perSecond(
      table.reduce((sum, row) => sum + row.bytes + HEADERS_BYTES * row.messages, 0),
    ),
    idleTraffic: table,
  });
}

/** A daemon that was told to leave ends when that was said, after this long at the latest. */
const FAREWELL_MS = 2000;

/** One host after the other leaves a quiet group, and comes back: how long until every other knows that it left. */
export function leaveRun(run: KillRun): RunResult {
  const session = settledGroup(run, run.domains, { delayMs: 0.5, jitterMs: 1 });
  const { world, members } = session;
  world.network.link = { ...world.network.link, lossP: run.loss / 100 };
  members.mustNotDown = () => true;
  let told = 0;
  let lastMs = 0;
  members.onLeave = () => {
    told++;
    lastMs = world.nowMs;
  };
  const delays: number[] = [];
  for (let i = 0; i < run.kills && world.running().length > 3 && !session.failed; i++) {
    const hosts = world.running();
    const leaver = hosts[session.rng.below(hosts.length)] as SimHost;
    session.beforeLeave(leaver);
    told = 0;
    const fromMs = world.nowMs;
    leaver.command({ kind: 'leave', release: false });
    world.runUntilTrue(() => leaver.machine?.left() === true, fromMs + FAREWELL_MS, 1);
    leaver.stopCleanly();
    // Itself too.
    if (!world.runUntilTrue(() => told >= hosts.length, fromMs + KNOWN_WITHIN_MS, 10) && !session.failed)
      world.violate('detection', `${told} of ${hosts.length} know of a leave after ${KNOWN_WITHIN_MS} ms`);
    delays.push(lastMs - fromMs);
    leaver.start();
    world.runUntil(world.nowMs + 300 + 800 * session.rng.unit());
  }
  delays.sort((a, b) => a - b);
  return result(run.seed, session, { nodes: run.nodes, leaves: delays.length, allKnowMs: spread(delays) });
}

export interface AlarmRun extends DetectionRun {
  readonly seconds: number;
  /** Percent. */
  readonly loss: number;
}

/** Everybody lives, the network is bad: nobody may be called down. */
export function alarmRun(run: AlarmRun): RunResult {
  const session = settledGroup(run, 0, { delayMs: 0.5, jitterMs: 1 });
  const { world, members } = session;
  const traffic = new Traffic();
  world.watchers.push(traffic);
  members.mustNotDown = () => true;
  world.network.link = { ...world.network.link, lossP: run.loss / 100 };
  world.runUntil(world.nowMs + run.seconds * 1000);
  const bytes = traffic.table().reduce((sum, row) => sum + row.bytes + HEADERS_BYTES * row.messages, 0);
  return result(run.seed, session, {
    nodes: run.nodes,
    downs: members.downs,
    suspicionsSeen: members.suspicions,
    scores: scores(world.running()),
    bytesPerSecondAndNode: Math.round(bytes / run.seconds / run.nodes),
  });
}

export interface StallRun extends DetectionRun {
  readonly seconds: number;
}

const STALL_MS = 5000;
const STALL_EVERY_MS = 60_000;
/** An accusation made before the accused ran again may be told so much later. */
const JUST_NOW_MS = 500;

/** Between two that stall, one after the other. */
const STALL_GAP_MS = { min: 300, max: 1700 } as const;

/**
 * A tenth of the nodes stands still for 5 s every minute: only they may be suspected, and they may accuse nobody. They are
 * neighbours in the ring, and each begins shortly after the one it watches: so it stops while it asks that one again and
 * again without an answer, and when it runs again its timers are due before it has read that the other is back.
 */
export function stallRun(run: StallRun): RunResult {
  const session = settledGroup(run, 0, { delayMs: 0.5, jitterMs: 1 });
  const { world, members } = session;
  const stallers = [...world.hosts]
    .sort((a, b) => ((a.id as NodeId) < (b.id as NodeId) ? 1 : -1))
    .slice(0, Math.ceil(run.nodes / 10));
  const ids = new Set(stallers.map((host) => host.id as NodeId));
  members.mustNotSuspect = (id) => !ids.has(id);
  members.mustNotDown = (id) => !ids.has(id);
  const ranAgainMs = new Map<NodeId, number>();
  let accusations = 0;
  members.onVerdict = (by, event) => {
    if (by.id !== event.origin) return;
    accusations++;
    // One that stalls is accused with good reason, by whomever; hardly has it run again, it must not be.
    if (world.nowMs > (ranAgainMs.get(event.subject) ?? 0) + JUST_NOW_MS)
      world.violate(
        'accuses',
        `${by.name}, which ${by.id !== null && ids.has(by.id) ? 'stalls' : 'is well'}, calls ${event.name} ${event.type.slice(7)}`,
      );
  };
  const endMs = world.nowMs + run.seconds * 1000;
  const stall = (host: SimHost): void => {
    if (host.id !== null) ranAgainMs.set(host.id, world.nowMs + STALL_MS);
    host.stall(world.nowMs + STALL_MS, true);
  };
  const lastMs = endMs - STALL_EVERY_MS / 2;
  for (let minuteMs = world.nowMs; minuteMs < lastMs; minuteMs += STALL_EVERY_MS) {
    let atMs = minuteMs;
    for (const host of stallers) {
      atMs += STALL_GAP_MS.min + session.rng.unit() * (STALL_GAP_MS.max - STALL_GAP_MS.min);
      world.events.at(atMs, () => stall(host));
    }
  }
  world.runUntil(endMs);
  const healedMs = Math.round(session.converge(15_000));
  session.checkEnd();
  return result(run.seed, session, {
    nodes: run.nodes,
    downs: members.downs,
    suspicionsSeen: members.suspicions,
    accusations,
    healedMs,
  });
}

function scores(hosts: readonly SimHost[]): Record<string, number> {
  const all = hosts.map((host) => host.machine?.healthScore() ?? 0).sort((a, b) => a - b);
  return { p50: percentile(all, 0.5), max: all.at(-1) ?? 0 };
}

function spread(sorted: readonly number[]): Record<string, number> {
  const round = (ms: number) => Math.round(ms);
  return {
    p50: round(percentile(sorted, 0.5)),
    p99: round(percentile(sorted, 0.99)),
    max: round(sorted.at(-1) ?? Number.NaN),
  };
}
