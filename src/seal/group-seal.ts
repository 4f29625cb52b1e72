import { randomBytes } from 'node:crypto';
import { type Address, LIMITS, ShoalError, utf8 } from '../base/index.ts';
import { ClockWatch } from './clock-watch.ts';
import { Datagrams } from './datagrams.ts';
import { keyIdOf, parseKey } from './key.ts';
import { type KeyInfo, KeyUses } from './keys.ts';
import { KeyRing } from './ring.ts';
import { DROPS, type Drop, type Shared } from './shared.ts';
import { Strangers, UNSEALED } from './strangers.ts';
import { Streams } from './streams.ts';

/** What the machine's outputs become, and what the network does with them. */
export interface Transport {
  send(to: Address, bytes: Uint8Array): void;
  multicast(bytes: Uint8Array): void;
  connect(stream: number, to: Address): void;
  write(stream: number, frame: Uint8Array): void;
  close(stream: number): void;
}

/** What comes from the network, and goes into the machine. */
export interface Receiver {
  datagram(bytes: Uint8Array, from: Address, viaMulticast: boolean): void;
  accepted(stream: number, from: Address): void;
  opened(stream: number): void;
  frame(stream: number, bytes: Uint8Array): void;
  closed(stream: number, reason: string): void;
  frameLimit?(stream: number): number;
  /** Whether the peer of a stream has shown that it holds a key. */
  proven?(stream: number): boolean;
}

export interface SealParts {
  readonly cluster: string;
  /** This node's id: decides between changes of the ring made at once. */
  readonly node: string;
  /** From the key file, the first one being the primary of a new ring. */
  readonly keys: readonly Uint8Array[];
  /** The key file again, for the warning when it is out of date; may throw. */
  readonly reread?: () => readonly Uint8Array[];
  /** The ring as an earlier process saved it. */
  readonly saved: Uint8Array | null;
  readonly below: Transport;
  readonly above: Receiver;
  /** Monotonic, as the machine's; fractions are wanted. */
  readonly nowMs: () => number;
  /** The wall clock, to notice that this machine was asleep or copied; absent: the monotonic one. */
  readonly wallMs?: () => number;
  readonly save: (ring: Uint8Array) => void;
  /** Where members are reached that did not leave, for the news of a changed ring. */
  readonly peers: () => readonly Address[];
  /** Those that live or are suspected: who is counted as holding a key. Absent: all. */
  readonly alive?: () => readonly Address[];
  readonly log: (level: 'info' | 'warn', message: string) => void;
  /** The ring changed; its ids, the primary first. */
  readonly ringChanged?: (ids: readonly string[]) => void;
  /** For tests; default: node:crypto. */
  readonly random?: (bytes: number) => Uint8Array;
}

/** The key file is read again at most so often, and only while it is out of date. */
const REREAD_MS = 2000;

export type KeyOperation = 'install' | 'use' | 'remove';

/** Between the machine and the network: see the room's header. */
export class GroupSeal implements Shared {
  readonly ring: KeyRing;
  readonly uses = new KeyUses();
  readonly cluster: string;
  readonly clusterBytes: Uint8Array;
  readonly datagrams: Datagrams;
  readonly streams: Streams;
  readonly drops = Object.fromEntries(DROPS.map((reason) => [reason, 0])) as Record<Drop, number>;
  readonly counters = { ringChanges: 0 };
  /** To be called by the machine in the network's place. */
  readonly outgoing: Transport;
  /** To be called by the network in the machine's place. */
  readonly incoming: Receiver;
  readonly #parts: SealParts;
  readonly #strangers = new Strangers();
  readonly #clocks = new ClockWatch(() => this.wallMs());
  #fileKeys: readonly string[];
  #rereadMs = -Infinity;
  /** Keys that had no room where rings were joined. */
  #evicted: readonly string[] = [];

  /** @throws ShoalError `bad-key-file` when there is no key at all, `state-newer` when a later version saved the ring. */
  constructor(parts: SealParts) {
    if (parts.saved !== null && KeyRing.isNewer(parts.saved)) {
      throw new ShoalError(
        'state-newer',
        'the keyring in the state directory was written by a newer version of shoal: install that version again, or remove the file keyring there to begin again from the key file',
        'data-dir',
      );
    }
    this.#parts = parts;
    this.cluster = parts.cluster;
    this.clusterBytes = utf8(parts.cluster);
    this.ring = KeyRing.begin(parts.cluster, parts.keys);
    this.#fileKeys = this.#idsOf(parts.keys);
    const saved = parts.saved === null ? null : KeyRing.decode(parts.saved, parts.cluster);
    if (saved !== null) this.ring.join(saved);
    else if (parts.saved !== null) {
      parts.log('warn', 'the saved keyring is damaged or of another cluster: begun again from the key file');
    }
    if (this.ring.primary === '') {
      throw new ShoalError(
        'bad-key-file',
        'key_file: there is no key: make one with shoal keygen',
        'key_file',
      );
    }
    this.datagrams = new Datagrams(this, {
      send: (to, bytes) => parts.below.send(to, bytes),
      multicast: (bytes) => parts.below.multicast(bytes),
      deliver: (message, from, via) => parts.above.datagram(message, from, via),
    });
    this.streams = new Streams(this, {
      write: (stream, frame) => parts.below.write(stream, frame),
      close: (stream) => parts.below.close(stream),
      accepted: (stream, from) => parts.above.accepted(stream, from),
      opened: (stream) => parts.above.opened(stream),
      frame: (stream, bytes) => parts.above.frame(stream, bytes),
      closed: (stream, reason) => parts.above.closed(stream, reason),
      vouched: (boot, counter, stamp) => this.datagrams.vouched(boot, counter, stamp),
      ownBoot: () => ({ salt: this.datagrams.own.salt, counter: this.datagrams.own.counter }),
    });
    this.outgoing = this.#makeOutgoing();
    this.incoming = this.#makeIncoming();
    if (saved === null || saved.digest !== this.ring.digest) parts.save(this.ring.encode());
  }

  /** What may be told of the keys, the primary first. */
  list(): (KeyInfo & { readonly holders: number; readonly lacking: number })[] {
    const { alive, peers } = this.#parts;
    const others = (alive ?? peers)();
    return this.uses.list(this.ring, this.nowMs()).map((key) => {
      const have = others.filter((peer) => this.datagrams.holds(peer, key.id)).length;
      return { ...key, holders: 1 + have, lacking: others.length - have };
    });
  }

  /**
   * An operator's change; told to all living members at once, the others learn it from them. `text`: a key, or for
   * `use` and `remove` its id.
   * @throws ShoalError `bad-key`, `unknown-key`, `key-in-use`, `too-many-keys`
   */
  change(operation: KeyOperation, text: string): void {
    const { node } = this.#parts;
    this.#lookAtClocks();
    const primary = this.ring.primary;
    const before = this.ring.digest;
    if (operation === 'install') this.ring.install(parseKey(text), node);
    else {
      const id = /^[0-9a-f]{8}$/.test(text) ? text : keyIdOf(parseKey(text), this.cluster);
      if (operation === 'use') this.ring.use(id, node);
      else this.ring.remove(id, node);
    }
    if (this.ring.digest === before) return;
    this.#changed(`${operation} here`);
    // With the key that was the primary until now: who lacks the new one can still open this.
    for (const to of this.#parts.peers()) this.datagrams.sendRing(to, primary);
  }

  /** Somebody talks who cannot be understood; whoever he is, and anybody can make it look so. */
  get keysFail(): boolean {
    return this.#strangers.warnings(this.nowMs()).length > 0;
  }

  warnings(): string[] {
    const out = this.#strangers.warnings(this.nowMs());
    const held = this.ring.ids().length;
    if (held > LIMITS.keys) {
      out.push(
        `the ring holds ${held} keys, for rings were joined that had changed apart; no more than ${LIMITS.keys} are wanted: remove those not used any more ('shoal keys list')`,
      );
    }
    const evicted = this.#evicted.filter((id) => this.ring.get(id) === null);
    if (evicted.length > 0) out.push(droppedKeys(evicted));
    this.#rereadFile();
    for (const id of this.#fileKeys) {
      if (this.ring.isRemoved(id)) {
        out.push(
          `key ${id} of the key file was removed from the ring: put the primary key in its place (no restart is needed)`,
        );
      }
    }
    return out;
  }

  /** While the file names a key that was removed, it is looked at again: the warning is to go when its advice is followed. */
  #rereadFile(): void {
    const nowMs = this.nowMs();
    if (nowMs - this.#rereadMs < REREAD_MS || !this.#fileKeys.some((id) => this.ring.isRemoved(id))) return;
    this.#rereadMs = nowMs;
    try {
      const keys = this.#parts.reread?.();
      if (keys !== undefined) this.#fileKeys = this.#idsOf(keys);
    } catch {
      // It is being written, or gone: the warning stays.
    }
  }

  #idsOf(keys: readonly Uint8Array[]): string[] {
    return keys.map((key) => keyIdOf(key, this.cluster));
  }

  // --- What datagrams and streams share. ---

  random(bytes: number): Uint8Array {
    return this.#parts.random?.(bytes) ?? Uint8Array.from(randomBytes(bytes));
  }

  nowMs(): number {
    return this.#parts.nowMs();
  }

  wallMs(): number {
    return this.#parts.wallMs?.() ?? this.#parts.nowMs();
  }

  drop(reason: Drop): void {
    this.drops[reason]++;
  }

  stranger(from: Address, ids: readonly string[], how: string, trying = false): void {
    const line = this.#strangers.note(from, ids, how, this.nowMs(), trying);
    if (line !== null) this.#parts.log('warn', line);
  }

  unsealed(from: Address): void {
    this.stranger(from, [], UNSEALED);
  }

  understood(from: Address): void {
    this.#strangers.understood(from);
  }

  ringCame(bytes: Uint8Array): void {
    const theirs = KeyRing.decode(bytes, this.cluster);
    if (theirs === null) this.drop(KeyRing.isNewer(bytes) ? 'other-version' : 'malformed');
    else if (this.ring.join(theirs)) this.#changed('learnt from a member');
  }

  /** Before anything that came is judged by our clock. */
  #lookAtClocks(): void {
    if (!this.#clocks.jumped(this.nowMs())) return;
    this.datagrams.clockJumped();
    this.streams.clockJumped();
  }

  #changed(how: string): void {
    this.counters.ringChanges++;
    const evicted = this.ring.takeEvicted();
    if (evicted.length > 0) {
      this.#evicted = [...new Set([...evicted, ...this.#evicted])].slice(0, LIMITS.mergedKeys);
      this.#parts.log('warn', droppedKeys(evicted));
    }
    this.datagrams.ringChanged();
    this.streams.ringChanged();
    this.uses.forget(this.ring);
    this.#strangers.forget((id) => this.ring.get(id) !== null);
    this.#parts.save(this.ring.encode());
    const others = this.ring.ids().slice(1).join(' ');
    const also = others === '' ? 'no other key' : `also ${others}`;
    this.#parts.ringChanged?.(this.ring.ids());
    this.#parts.log('info', `keyring changed (${how}): primary ${this.ring.primary}, ${also}`);
    this.datagrams.openWaiting();
  }

  #makeOutgoing(): Transport {
    const { below } = this.#parts;
    return {
      send: (to, bytes) => this.datagrams.send(to, bytes),
      multicast: (bytes) => this.datagrams.multicast(bytes),
      connect: (stream, to) => {
        below.connect(stream, to);
        this.streams.connect(stream, to);
      },
      write: (stream, frame) => this.streams.write(stream, frame),
      close: (stream) => this.streams.close(stream),
    };
  }

  #makeIncoming(): Receiver {
    return {
      datagram: (bytes, from, via) => {
        this.#lookAtClocks();
        this.datagrams.received(bytes, from, via);
      },
      accepted: (stream, from) => this.streams.acceptedBelow(stream, from),
      // The machine is told when the keys are agreed on.
      opened: (stream) => {
        this.#lookAtClocks();
        this.streams.openedBelow(stream);
      },
      frame: (stream, bytes) => {
        this.#lookAtClocks();
        this.streams.frameBelow(stream, bytes);
      },
      closed: (stream, reason) => this.streams.closedBelow(stream, reason),
      frameLimit: (stream) => this.streams.frameLimit(stream),
      proven: (stream) => this.streams.proven(stream),
    };
  }
}

function droppedKeys(ids: readonly string[]): string {
  return `keys dropped, for the joined ring had more than ${LIMITS.mergedKeys}: ${ids.join(' ')}; those installed or made the primary last were kept`;
}
