import { type Address, type NodeId, ShoalError, splitAddress } from '../base/index.ts';
import type { Boot, MetricFamily, NodeFactory, NodeOptions } from '../node/index.ts';
import { randomU32 } from './entropy.ts';
import { isLoopback } from './interfaces.ts';
import type { Log } from './log.ts';
import type { Network } from './network.ts';
import type { SealFactory } from './sealing.ts';
import type { StateBoot, StateOptions } from './state/directory.ts';

export interface DriverOptions {
  readonly factory: NodeFactory;
  /** How much of a snapshot the machine can read back; default: it can read all. */
  readonly soundness?: StateOptions['soundness'];
  readonly stateDirectory: string;
  readonly bind: Address;
  /** Default: the bound address; for a wildcard this machine's first one that others can reach. */
  readonly advertise: Address | null;
  readonly multicast: {
    readonly group: Address;
    readonly interface: string | null;
    readonly ttl?: number;
  } | null;
  readonly name: string;
  readonly cluster: string;
  readonly join: readonly Address[];
  readonly ranges: NodeOptions['ranges'];
  /** As NodeOptions. */
  readonly detection?: NodeOptions['detection'];
  readonly forgetAfterMs?: number | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly capacity?: Readonly<Record<string, number>>;
  readonly resp?: Address | null;
  readonly version: string;
  /** Seals all traffic; null or absent: nothing is sealed. */
  readonly seal?: SealFactory | null;
  readonly log: Log;
  /** Seeds the machine's randomness; default: random. */
  readonly seed?: number;
  /** What to do when the machine contradicts itself; default: throw it where nobody catches. */
  readonly crash?: (error: unknown) => void;
}

/** What runs beside the node and has something to say. */
export interface Attached {
  warnings(): string[];
  metrics(): MetricFamily[];
}

/** What the machine is told of its surroundings. */
export function nodeOptionsOf(
  options: DriverOptions,
  network: Network,
  rest: Pick<NodeOptions, 'advertise' | 'resp' | 'join'> & {
    readonly alternates: readonly Address[];
    readonly sealed: boolean;
  },
): NodeOptions {
  const { sealed, ...own } = rest;
  return {
    ...own,
    name: options.name,
    cluster: options.cluster,
    tags: options.tags,
    capacity: options.capacity ?? {},
    version: options.version,
    multicast: network.multicasts,
    ranges: options.ranges,
    ...(options.detection === undefined ? {} : { detection: options.detection }),
    forgetAfterMs: options.forgetAfterMs ?? null,
    unsealed: !sealed,
    insecure: !sealed && !isLoopback(splitAddress(network.address)?.host ?? ''),
  };
}

export function idInUse(id: NodeId, other: Address, path: string): ShoalError {
  return new ShoalError(
    'id-in-use',
    `another process, at ${other}, has this node's id ${id} and started earlier: ${path} is a copy of its state directory. It holds registrations, so no new id is taken: move ${path} away to start as a new node, or stop the other and start this one again`,
    'data-dir',
  );
}

/** What a life of the machine begins with. */
export function bootOf(state: StateBoot): Boot {
  const { id, incarnation, leaseFrom, leaseTo, unleasedFrom, snapshot, journal } = state;
  return { id, incarnation, bootNonce: randomU32(), leaseFrom, leaseTo, unleasedFrom, snapshot, journal };
}
