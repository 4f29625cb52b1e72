import type { Address, NodeId } from '../base/index.ts';
import type { KeyOperation, KeyView } from '../node/contract.ts';
import type { MetricFamily } from '../node/index.ts';
import type { Network, NetworkSink } from './network.ts';

export type Transport = Pick<Network, 'send' | 'multicast' | 'connect' | 'write' | 'close'>;

/** What stands between the machine and the sockets when the group has a key: the door of the room `seal`, as io sees it. */
export interface Seal {
  /** In the network's place, for the machine. */
  readonly outgoing: Transport;
  /** In the machine's place, for the network. */
  readonly incoming: NetworkSink;
  keys(): readonly KeyView[];
  /** @throws ShoalError `bad-key`, `unknown-key`, `key-in-use`, `too-many-keys` */
  change(operation: KeyOperation, key: string): void;
  warnings(): string[];
  metrics(): MetricFamily[];
}

export interface SealSurroundings {
  readonly cluster: string;
  readonly node: NodeId;
  /** The keyring file, or null. */
  readonly saved: Uint8Array | null;
  readonly below: Transport;
  readonly above: NetworkSink;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly save: (ring: Uint8Array) => void;
  readonly peers: () => readonly Address[];
  readonly log: (level: 'info' | 'warn', message: string) => void;
  readonly ringChanged: (ids: readonly string[]) => void;
}

export type SealFactory = (surroundings: SealSurroundings) => Seal;

/** The network before it is open: the seal needs both ends, and the sockets need the seal. */
export function laterTransport(network: () => Network | null): Transport {
  return {
    send: (to, bytes) => network()?.send(to, bytes),
    multicast: (bytes) => network()?.multicast(bytes),
    connect: (stream, to) => network()?.connect(stream, to),
    write: (stream, frame) => network()?.write(stream, frame),
    close: (stream) => network()?.close(stream),
  };
}
