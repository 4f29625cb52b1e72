import { LIMITS } from '../../src/base/index.ts';
import type { MetricFamily, OwnerView, RangeView } from '../../src/node/contract.ts';
import type { Machine } from '../../src/node/machine.ts';
import type { SimHost } from './host.ts';
import type { World } from './world.ts';

/**
 * How long a node may take to have nothing waiting and to call itself ready, once all agree: a hop to a node that is gone is given
 * up when that is known, else, at the longest timeout (members/rtt.ts), after nine seconds.
 */
const REST_WITHIN_MS = 15_000;

/** What waits in a machine, by its own account. */
function pending(machine: Machine, nowMs: number): { hops: number; changes: number } {
  const found: Record<string, number> = {};
  const family: MetricFamily | undefined = machine
    .metrics(nowMs)
    .find(({ name }) => name === 'shoal_pending');
  for (const sample of family?.samples ?? []) {
    if ('value' in sample) found[sample.labels?.what ?? ''] = sample.value;
  }
  return { hops: found.hops ?? 0, changes: found.changes ?? 0 };
}

/** Queues stay within their limits: asked now and then. */
export function checkQueues(world: World): void {
  for (const host of world.running()) {
    if (host.machine === null) continue;
    const { hops, changes } = pending(host.machine, host.localMs());
    if (hops > LIMITS.pendingHops || changes > LIMITS.pendingDeltas + LIMITS.members) {
      world.violate('queues', `${host.address} holds ${hops} hops and ${changes} changes`);
    }
    if (host.streamCount > LIMITS.streams) {
      world.violate('queues', `${host.address} holds ${host.streamCount} streams`);
    }
  }
}

/** In the end nothing waits for ever and everybody calls itself ready. */
export function checkRest(world: World): void {
  const restless = (): string | null => {
    for (const host of world.running()) {
      if (host.machine === null) continue;
      const { hops, changes } = pending(host.machine, host.localMs());
      if (hops + changes > 0) return `${host.address} still holds ${hops} hops and ${changes} changes`;
      const { ready, reason } = host.machine.ready();
      if (!ready) return `${host.address} is not ready: ${reason}`;
    }
    return null;
  };
  world.runUntilTrue(() => restless() === null, world.nowMs + REST_WITHIN_MS, 200);
  const reason = restless();
  if (reason !== null) world.violate('rest', reason);
}

/** The owners of positions at and around every border are what a scan of the ranges gives. */
export function checkOwners(world: World, host: SimHost): void {
  const machine = host.machine;
  if (machine === null) return;
  const ranges = machine.ranges();
  const live = new Set<string>();
  for (const member of machine.members(host.localMs())) {
    if (member.status === 'alive' || member.status === 'suspect') live.add(member.id);
  }
  const positions = new Set<number>([0, 0xffffffff]);
  for (const { start, end } of ranges) {
    for (const at of [start - 1, start, end, end + 1]) if (at >= 0 && at <= 0xffffffff) positions.add(at);
  }
  for (const position of positions) {
    const wanted = naiveOwners(ranges, live, position);
    const { owners } = machine.ownersAt(position);
    const got = new Map(owners.map((owner) => [owner.node as string, owner.priority]));
    const same =
      got.size === wanted.size && [...wanted].every(([node, priority]) => got.get(node) === priority);
    if (!same || !descending(owners)) {
      world.violate(
        'owners',
        `${host.address}: the owners of ${position} are ${JSON.stringify(owners)}, not ${JSON.stringify([...wanted])}`,
      );
      return;
    }
  }
}

function naiveOwners(
  ranges: readonly RangeView[],
  live: ReadonlySet<string>,
  position: number,
): Map<string, number> {
  const owners = new Map<string, number>();
  for (const { node, start, end, priority } of ranges) {
    if (position < start || position > end || !live.has(node)) continue;
    owners.set(node, Math.max(priority, owners.get(node) ?? 0));
  }
  return owners;
}

function descending(owners: readonly OwnerView[]): boolean {
  return owners.every((owner, i) => i === 0 || owner.priority <= (owners[i - 1] as OwnerView).priority);
}
