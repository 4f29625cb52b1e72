import { type Address, BoundedMap, LIMITS, type NodeId } from '../base/index.ts';
import type { KeyOperation, KeyView, StatusView } from '../node/contract.ts';
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
  /** Somebody cannot be understood, for want of a common key: may explain why answers are missing. Anybody can forge that. */
  keysFail(): boolean;
  /** @throws ShoalError `bad-key`, `unknown-key`, `key-in-use`, `too-many-keys` */
  change(operation: KeyOperation, key: string): void;
  warnings(): string[];
  metrics(): MetricFamily[];
  /** Secrets for another purpose, one of each key in use. */
  derive?(label: string): readonly Uint8Array[];
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
  readonly alive: () => readonly Address[];
  readonly log: (level: 'info' | 'warn', message: string) => void;
  readonly nameOf: (address: Address) => string | null;
  readonly ringChanged: (ids: readonly string[]) => void;
}

export type SealFactory = (surroundings: SealSurroundings) => Seal;

/** What status tells of the keyring. */
export function keysInStatus(seal: Seal | null): StatusView['keys'] {
  return (seal?.keys() ?? []).map(({ id, primary, holders, lacking = 0, down = 0 }) => {
    return { id, primary, holders, lacking, down };
  });
}

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

/** First byte of everything that the seal sends; no unsealed message begins with it. */
const SEALED = 0x81;
/** A warning is shown for this long after the last sign, and logged no more often. */
const SHOWN_MS = 60_000;

/** Stands before a machine without a key: what a sealed group says is recognised, and told, instead of taken for garbage. */
export class SealedElsewhere {
  readonly sink: NetworkSink;
  readonly #nowMs: () => number;
  readonly #log: (message: string) => void;
  /** When those who seal were last heard. */
  readonly #seenMs = new BoundedMap<Address, number>(LIMITS.keyStrangers);
  readonly #callers = new BoundedMap<number, Address>(LIMITS.streams);
  #loggedMs = -Infinity;

  constructor(
    above: NetworkSink,
    below: Pick<Transport, 'close'>,
    nowMs: () => number,
    log: (message: string) => void,
  ) {
    this.#nowMs = nowMs;
    this.#log = log;
    this.sink = {
      ...above,
      datagram: (bytes, from, viaMulticast) => {
        if (bytes[0] === SEALED) this.#seen(from);
        above.datagram(bytes, from, viaMulticast);
      },
      accepted: (stream, from) => {
        this.#callers.set(stream, from);
        above.accepted(stream, from);
      },
      frame: (stream, bytes) => {
        above.frame(stream, bytes);
        if (bytes[0] !== SEALED) return;
        const caller = this.#callers.get(stream);
        if (caller !== undefined) this.#seen(caller);
        // A call's reason is the answer to whoever asked for it.
        below.close(stream);
        above.closed(stream, 'that node seals its traffic and this one has no key: start it with --key-file');
      },
      closed: (stream, reason) => {
        this.#callers.delete(stream);
        above.closed(stream, reason);
      },
    };
  }

  warnings(): string[] {
    const nowMs = this.#nowMs();
    const seen = [...this.#seenMs.entries()].filter(([, ms]) => nowMs - ms <= SHOWN_MS).map(([from]) => from);
    if (seen.length === 0) return [];
    const who = seen.length > 3 ? `${seen.slice(0, 3).join(', ')} and others` : seen.join(', ');
    return [
      `${who} seal${seen.length === 1 ? 's its' : ' their'} traffic and this node has no key, so they cannot talk: if that is its group, start it with --key-file and the group's key`,
    ];
  }

  #seen(from: Address): void {
    const nowMs = this.#nowMs();
    this.#seenMs.set(from, nowMs);
    if (nowMs - this.#loggedMs < SHOWN_MS) return;
    this.#loggedMs = nowMs;
    this.#log(this.warnings().join());
  }
}
