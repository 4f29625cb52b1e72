import { createNode } from '../../../src/node/index.ts';
import type { NodeFactory } from '../../../src/node/machine.ts';
import { type RunResult, result } from '../result.ts';
import { Session } from '../session.ts';
import { type BroadcastTrace, TreeWatch } from '../tree-watch.ts';

/** The machine with the tree's width fixed at halving: what the number of rounds is counted with. */
export const halving: NodeFactory = (boot, options, outputs, rng) =>
  createNode(boot, options, outputs, rng, { broadcast: { width: 2 } });

export interface MinimalRun {
  readonly seed: number;
  readonly factory: NodeFactory;
  /** Sizes of the group at which one broadcast is looked at; ascending. */
  readonly sizes: readonly number[];
  readonly log?: (line: string) => void;
  readonly progress?: (nodes: number) => void;
}

/** Quiet before and after the change that is looked at. */
const QUIET_MS = 4000;
const WATCH_MS = 500;

/** Without multicast and loss, a change takes exactly n-1 payload messages and at most ceil(log2 n) rounds. */
export function minimalRun(run: MinimalRun): RunResult {
  const session = new Session({ ...run, link: { delayMs: 0.2 } });
  const { world } = session;
  const watch = new TreeWatch(world);
  world.watchers.push(watch);
  let greatestHeader = 0;
  let checked = 0;
  for (const size of run.sizes) {
    session.addHosts(size - world.hosts.length, () => -1);
    session.startAll(size < 100 ? 200 : 1000);
    session.converge(60_000, 'convergence', 200);
    const trace = oneChange(session, watch);
    if (session.failed || trace === null) break;
    greatestHeader = Math.max(greatestHeader, trace.headerBytes);
    const rounds = Math.ceil(Math.log2(size));
    if (trace.multicasts !== 0 || trace.directed !== size - 1 || trace.rounds > rounds) {
      world.violate(
        'minimal',
        `${size} nodes: ${trace.directed} messages (${trace.again} again) and ${trace.rounds} rounds, not ${size - 1} and at most ${rounds}`,
      );
    }
    checked++;
    run.progress?.(size);
  }
  return result(run.seed, session, {
    nodes: world.hosts.length,
    sizesChecked: checked,
    headerBytes: greatestHeader,
  });
}

/** Makes one change in a quiet group and gives back how it spread. */
function oneChange(session: Session, watch: TreeWatch): BroadcastTrace | null {
  const { world } = session;
  world.runUntil(world.nowMs + QUIET_MS);
  watch.clear();
  const hosts = world.running();
  session.workload.unique(hosts[session.rng.below(hosts.length)] as (typeof hosts)[number]);
  world.runUntil(world.nowMs + WATCH_MS);
  // A broadcast that was only pushed again had its tree before.
  const traces = watch.traces().filter((each) => each.directed + each.multicasts > 0);
  const [trace] = traces;
  if (trace === undefined || traces.length !== 1) {
    world.violate('minimal', `${hosts.length} nodes: ${traces.length} broadcasts for one change`);
    return null;
  }
  return trace;
}

export interface LanRun {
  readonly seed: number;
  readonly factory: NodeFactory;
  readonly lans: number;
  readonly perLan: number;
  readonly log?: (line: string) => void;
}

/** Until all have learnt who hears whom, have published it, and no beacon names strangers any more. */
const LEARN_MS = 40_000;

/** With multicast: one on each LAN, and a tree message to each other LAN; on one LAN, one directed message. */
export function lanRun(run: LanRun): RunResult {
  const session = new Session({ ...run, link: { delayMs: 0.2 } });
  const { world } = session;
  const watch = new TreeWatch(world);
  session.addHosts(run.lans * run.perLan, (i) => i % run.lans);
  session.startAll(500);
  session.converge(60_000);
  world.runUntil(world.nowMs + LEARN_MS);
  world.watchers.push(watch);
  const directed: number[] = [];
  const multicasts: number[] = [];
  let greatestHeader = 0;
  for (let i = 0; i < 10 && !session.failed; i++) {
    const trace = oneChange(session, watch);
    if (trace === null) break;
    directed.push(trace.directed);
    multicasts.push(trace.multicasts);
    greatestHeader = Math.max(greatestHeader, trace.headerBytes);
    const wanted = run.lans === 1 ? 1 : run.lans - 1;
    if (trace.multicasts !== run.lans || trace.directed !== wanted) {
      world.violate(
        'minimal',
        `${run.lans} LANs: ${trace.multicasts} multicasts and ${trace.directed} directed messages, not ${run.lans} and ${wanted}`,
      );
    }
  }
  session.checkEnd();
  return result(run.seed, session, {
    nodes: world.hosts.length,
    directed,
    multicasts,
    headerBytes: greatestHeader,
  });
}
