import type { NodeFactory } from '../../../src/node/machine.ts';
import { type RunResult, result } from '../result.ts';
import { Session } from '../session.ts';

export interface PartitionRun {
  readonly seed: number;
  readonly factory: NodeFactory;
  readonly nodes: number;
  /** How long the halves are apart. */
  readonly seconds: number;
  readonly changes: number;
  readonly log?: (line: string) => void;
}

const MEET_WITHIN_MS = 15_000;

/**
 * Two halves with multicast in each are cut apart, change what they like on both sides (the same entries too), and meet
 * again: within 15 s all agree, no add is lost, no release undone, and nobody typed a command.
 */
export function partitionRun(run: PartitionRun): RunResult {
  const session = new Session({
    ...run,
    link: { delayMs: 1, jitterMs: 1 },
    shape: { ranges: 4, foreignP: 0.6, weights: [2, 3, 2, 2] },
  });
  const { world } = session;
  session.addHosts(run.nodes, (i) => i % 2);
  session.startAll(500);
  session.converge(30_000);
  session.workload.schedule(run.changes, world.nowMs, world.nowMs + 5000);
  world.runUntil(world.nowMs + 8000);
  world.network.partition(world.hosts.map((host) => host.index % 2));
  const untilMs = world.nowMs + run.seconds * 1000;
  session.workload.schedule(run.changes, world.nowMs, Math.min(untilMs, world.nowMs + 600_000));
  world.runUntil(untilMs);
  world.network.partition([]);
  const healedMs = Math.round(session.converge(MEET_WITHIN_MS, 'convergence', 50));
  session.checkEnd();
  return result(run.seed, session, { nodes: run.nodes, apartSeconds: run.seconds, healedMs });
}
