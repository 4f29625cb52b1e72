import type { NodeFactory } from '../../../src/node/machine.ts';
import { percentile, type RunResult, result } from '../result.ts';
import { Session } from '../session.ts';
import { Traffic } from '../traffic.ts';

export interface SpreadRun {
  readonly seed: number;
  readonly factory: NodeFactory;
  readonly nodes: number;
  /** Percent. */
  readonly loss: number;
  /** One way, milliseconds. */
  readonly delay: number;
  readonly jitter: number;
  /** Multicast domains; 0 for no multicast. */
  readonly domains: number;
  readonly changes: number;
  /** Over how long the changes are spread. */
  readonly seconds: number;
  /** Half of the nodes are cut off from the other half for this long, during the changes and after. */
  readonly partitionSeconds: number;
  readonly trace?: boolean;
  readonly log?: (line: string) => void;
}

/** How long every change may take to be everywhere: what the issue promises at 30 % and 50 % loss. */
export function boundMs(lossPercent: number): number {
  return lossPercent <= 30 ? 10_000 : 20_000;
}
/** How long two halves that meet again may take to agree. */
const MEET_WITHIN_MS = 15_000;
/** Groups from this size on start from disks that know each other: as many joins would take most of the run. */
const PRESET_NODES = 64;
const FORM_WITHIN_MS = 120_000;

/**
 * A group forms on clean wires; then, with the loss asked for, changes are made at random nodes, each to an entry of its
 * own, and followed to every node. With a partition, the halves are let together again at the end.
 */
export function spreadRun(run: SpreadRun): RunResult {
  const session = new Session({ ...run, link: { delayMs: run.delay, jitterMs: run.jitter } });
  const { world } = session;
  const traffic = new Traffic();
  world.watchers.push(traffic);
  session.addHosts(run.nodes, (i) => (run.domains === 0 ? -1 : i % run.domains));
  if (run.nodes >= PRESET_NODES) session.presetMembership();
  session.startAll(Math.min(10_000, run.nodes * 20));
  const formedMs = Math.round(session.converge(FORM_WITHIN_MS));
  // Multicast reach is learnt and published within this.
  world.runUntil(world.nowMs + (run.domains === 0 ? 1000 : 12_000));
  traffic.clear();
  world.network.link = { ...world.network.link, lossP: run.loss / 100 };
  if (run.partitionSeconds > 0) world.network.partition(world.hosts.map((host) => host.index % 2));
  const changesFromMs = world.nowMs;
  session.workload.scheduleUnique(run.changes, changesFromMs, changesFromMs + run.seconds * 1000);
  world.runUntil(changesFromMs + run.seconds * 1000);
  if (run.partitionSeconds > 0) {
    world.runUntil(Math.max(world.nowMs, changesFromMs + run.partitionSeconds * 1000));
    world.network.partition([]);
  }
  const withinMs = run.partitionSeconds > 0 ? MEET_WITHIN_MS : boundMs(run.loss);
  const healedMs = Math.round(session.converge(withinMs, 'convergence', 20));
  const spanSeconds = (world.nowMs - changesFromMs) / 1000;
  const table = traffic.table();
  checkReached(session, run);
  session.checkEnd();
  const delays = session.sightings.delaysMs.slice().sort((a, b) => a - b);
  const bytes = table.reduce((sum, row) => sum + row.bytes, 0);
  return result(run.seed, session, {
    nodes: run.nodes,
    formedMs,
    healedMs,
    propagationMs: {
      p50: round(percentile(delays, 0.5)),
      p99: round(percentile(delays, 0.99)),
      max: round(delays.at(-1) ?? Number.NaN),
    },
    bytesPerSecondAndNode: Math.round(bytes / spanSeconds / run.nodes),
    traffic: table,
  });
}

/** Every change was seen on every node, and without a partition within the bound. */
function checkReached(session: Session, run: SpreadRun): void {
  if (session.failed) return;
  const { world, sightings } = session;
  for (const [change, count] of sightings.reached) {
    if (count !== run.nodes)
      world.violate('convergence', `${change} was seen on ${count} of ${run.nodes} nodes`);
  }
  if (sightings.reached.size !== session.workload.issued) {
    world.violate('convergence', `${session.workload.issued} changes, ${sightings.reached.size} seen`);
  }
  const slowest = sightings.delaysMs.reduce((a, b) => Math.max(a, b), 0);
  if (run.partitionSeconds === 0 && slowest > boundMs(run.loss)) {
    world.violate('propagation', `a change took ${Math.round(slowest)} ms: at most ${boundMs(run.loss)} ms`);
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
