import { SeededRng } from '../../../src/base/index.ts';
import type { NodeFactory } from '../../../src/node/machine.ts';
import { drawLink, Faults } from '../faults.ts';
import { checkQueues } from '../rest.ts';
import { type RunResult, result } from '../result.ts';
import { Session } from '../session.ts';
import { drawShape } from '../workload.ts';
import { addressOf } from '../world.ts';

export interface FaultRun {
  readonly seed: number;
  readonly factory: NodeFactory;
  /** Drawn from 2 to 7 when absent. */
  readonly nodes?: number;
  readonly seconds?: number;
  readonly trace?: boolean;
  /** Absent: every tenth seed's traffic is sealed. */
  readonly sealed?: boolean;
  /** Copied and restored disks; absent: in every fifth seed. */
  readonly identities?: boolean;
  readonly log?: (line: string) => void;
}

/** How long everything may take to agree after the last fault. */
export const HEAL_WITHIN_MS = 20_000;

/** Random everything: first a safety phase with faults and changes, then all heals and agreement is demanded in time. */
export function faultRun(run: FaultRun): RunResult {
  const rng = new SeededRng(run.seed ^ 0xfa17);
  const nodes = run.nodes ?? 2 + rng.below(6);
  const safetyMs = 1000 * (run.seconds ?? 4 + rng.below(16));
  const sealed = run.sealed ?? run.seed % 10 === 0;
  const session = new Session({ ...run, sealed, link: drawLink(rng), shape: drawShape(rng) });
  const { world } = session;
  const domains = rng.below(3);
  const drifts = rng.below(2) === 0;
  for (let i = 0; i < nodes; i++) {
    // The first two are everybody's contacts: where lists differ at random, groups form that never hear of each other.
    const contacts =
      i < 2 ? [addressOf(1 - i)] : [addressOf(0), addressOf(1)].slice(rng.below(2), 1 + rng.below(2));
    if (contacts.length === 0) contacts.push(addressOf(0), addressOf(1));
    world.addHost({
      domain: domains === 0 ? -1 : rng.below(domains + 1) - (rng.below(6) === 0 ? 1 : 0),
      join: contacts,
      clockRate: drifts ? 0.9 + 0.2 * rng.unit() : 1,
      // Far from the workload's own ranges: nobody else touches these.
      ranges: rng.below(3) === 0 ? [{ start: i, end: i, priority: 1 + i }] : [],
      syncMs: rng.below(3) === 0 ? 20 * rng.unit() : 1,
    });
  }
  // Not in all: what a copied disk makes possible would hide what is impossible without.
  const identities = run.identities ?? run.seed % 5 === 2;
  const faults = new Faults(world, rng.fork(), session, { identities });
  world.say(
    `${nodes} nodes, ${safetyMs} ms, faults: ${faults.kinds.join(' ')}; link ${JSON.stringify(world.network.link)}`,
  );
  for (const host of world.hosts)
    world.events.after(rng.below(3) === 0 ? safetyMs * rng.unit() : 500 * rng.unit(), () => host.start());
  faults.schedule(rng.below(3 + nodes * 2), 500, safetyMs);
  world.sealing?.schedule(2, 500, safetyMs);
  session.workload.schedule(rng.below(60), 100, safetyMs);
  session.workload.scheduleQuestions(rng.below(4), 100, safetyMs);
  for (let at = 2000; at < safetyMs; at += 5000) world.events.at(at, () => checkQueues(world));
  world.runUntil(safetyMs);
  faults.heal();
  world.runUntilTrue(() => faults.stopping === 0, world.nowMs + 3000);
  const healedMs = session.failed ? 0 : session.converge(HEAL_WITHIN_MS, 'convergence', 250);
  // What still flies must not change anything.
  if (!session.failed) {
    world.runUntil(world.nowMs + 500);
    session.converge(10_000);
  }
  session.checkEnd();
  if (world.violations.length === 0) checkGivenRanges(session);
  const struck: Record<string, number> = Object.fromEntries(faults.counts);
  if (world.sealing !== null) struck.rotate = world.sealing.rotations;
  return result(run.seed, session, { nodes, healedMs, faults: struck, domains });
}

/** What a node was configured to register is there, once it has started on a disk that was never full. */
function checkGivenRanges({ world }: Session): void {
  for (const host of world.running()) {
    for (const { start, end, priority } of host.spec.ranges ?? []) {
      const found = host.machine
        ?.ranges(host.id ?? '')
        .find((range) => range.start === start && range.end === end);
      if (found?.priority !== priority && !host.disk.wasFull) {
        world.violate(
          'lost',
          `${host.address} was given ${start}-${end}:${priority} and shows ${found?.priority ?? 0}`,
        );
      }
    }
  }
}
