import type { Address } from '../base/index.ts';
import type { Machine, StatusView } from '../node/index.ts';
import { keysInStatus, type Seal } from './sealing.ts';

/** What is told of a node besides what its machine knows. */
export interface Told {
  readonly name: string;
  readonly version: string;
  readonly cluster: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly uptimeMs: number;
  readonly addresses: {
    readonly gossip: Address;
    readonly http: Address | null;
    readonly resp: Address | null;
  };
  readonly eventLoopLagMs: number;
  readonly multicasts: boolean;
  readonly seal: Seal | null;
  readonly warnings: readonly string[];
}

export function statusOf(node: Machine, told: Told, nowMs: number): StatusView {
  const { name, version, cluster, startedAt, addresses, eventLoopLagMs, seal, warnings } = told;
  const uptimeSeconds = Math.round(told.uptimeMs) / 1000;
  return {
    node: { id: node.id, name, incarnation: node.incarnation, version, startedAt, uptimeSeconds, addresses },
    cluster,
    digest: node.digest(),
    members: node.memberCounts(),
    ranges: node.rangeCounts(),
    health: { score: node.healthScore(), eventLoopLagMs },
    multicast: { enabled: told.multicasts, ...node.reach(nowMs) },
    encrypted: seal !== null,
    keys: keysInStatus(seal),
    warnings,
  };
}
