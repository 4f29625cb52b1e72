import { randomBytes } from 'node:crypto';
import { type Address, LIMITS, ShoalError, utf8 } from '../base/index.ts';
import { ClockWatch } from './clock-watch.ts';
import { Datagrams } from './datagrams.ts';
import { Door } from './door.ts';
import { FileKeys } from './file-keys.ts';
import { deriveKey, keyIdOf, parseKey } from './key.ts';
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
  /** From the key file, the first one being the primary of a new ring: they begin one, and are not added to a saved one. */
  readonly keys: readonly Uint8Array[];
  /** The key file's name, for warnings. */
  readonly keyFile?: string;
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
  /** What a member is called; null: unknown. */
  readonly nameOf?: (address: Address) => string | null;
  /** The ring changed; its ids, the primary first. */
  readonly ringChanged?: (ids: readonly string[]) => void;
  /** For tests; default: node:crypto. */
  readonly random?: (bytes: number) => Uint8Array;
}

const NO_SALT = new Uint8Array(0);

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
  readonly #strangers: Strangers;
  readonly #clocks = new ClockWatch(() => this.wallMs());
  readonly #fileKeys: FileKeys;
  /** For the keys of the file that the saved ring lacks. */
  readonly #door: Door | null;
  /** Those who seal with them have a ring that is no kin to ours. */
  #foreign = false;
  /** Keys that had no room where rings were joined. */
  #evicted: readonly string[] = [];
  /** Why the saved keyring is not in use. */
  #begunAgain: string | null = null;

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
    this.#strangers = new Strangers(parts.cluster);
    const saved = parts.saved === null ? null : KeyRing.decode(parts.saved, parts.cluster);
    this.ring = saved ?? KeyRing.begin(parts.cluster, parts.keys);
    const { keys, keyFile: path, reread } = parts;
    const file = { keys, ...(path !== undefined && { path }), ...(reread && { reread }) };
    this.#fileKeys = new FileKeys(file, this.ring, this.cluster);
    if (saved === null && parts.saved !== null) {
      this.#begunAgain = begunAgain(KeyRing.isIntact(parts.saved, parts.cluster), parts.cluster);
      parts.log('warn', this.#begunAgain);
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
    this.#door = this.#makeDoor();
    this.outgoing = this.#makeOutgoing();
    this.incoming = this.#makeIncoming();
    if (saved === null) parts.save(this.ring.encode());
    for (const line of this.#fileKeys.warnings(this.nowMs(), true, false)) parts.log('warn', line);
  }

  /** What may be told of the keys, the primary first. */
  list(): (KeyInfo & { readonly holders: number; readonly lacking: number; readonly down: number })[] {
    const { alive, peers } = this.#parts;
    const others = (alive ?? peers)();
    const gone = peers().filter((peer) => !others.includes(peer));
    const older = this.ring.byAge().slice(0, -1);
    return this.uses.list(this.ring, this.nowMs()).map((key) => {
      const have = others.filter((peer) => this.datagrams.holds(peer, key.id)).length;
      const hasAnother = (peer: Address): boolean =>
        this.ring.ids().some((id) => id !== key.id && this.datagrams.holds(peer, id));
      // Whoever is down since before the last change has none but older keys.
      const down = older.includes(key.id) ? gone.filter((peer) => !hasAnother(peer)).length : 0;
      return { ...key, holders: 1 + have, lacking: others.length - have, down };
    });
  }

  /** Secrets for another purpose, one of each key in use, the primary's first: they tell nothing of the keys. */
  derive(label: string): Uint8Array[] {
    const keys = this.ring.ids().map((id) => this.ring.get(id));
    return keys.flatMap((key) => (key === null ? [] : [deriveKey(key, label, NO_SALT, this.clusterBytes)]));
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
    const held = this.ring.ids();
    if (operation === 'install') this.ring.install(parseKey(text), node);
    else {
      const id = /^[0-9a-f]{8}$/i.test(text) ? text.toLowerCase() : keyIdOf(parseKey(text), this.cluster);
      if (operation === 'use') this.ring.use(id, node);
      else this.ring.remove(id, node);
    }
    if (this.ring.digest === before) return;
    this.#changed(`${operation} here`, held);
    // With the key that was the primary until now: who lacks the new one can still open this.
    for (const to of this.#parts.peers()) this.datagrams.sendRing(to, primary);
  }

  /** Somebody talks who cannot be understood; whoever he is, and anybody can make it look so. */
  get keysFail(): boolean {
    return this.#strangers.warnings(this.nowMs()).length > 0;
  }

  warnings(): string[] {
    const out = this.#strangers.warnings(this.nowMs());
    if (this.#begunAgain !== null) out.push(this.#begunAgain);
    const held = this.ring.ids().length;
    if (held > LIMITS.keys) {
      out.push(
        `the ring holds ${held} keys, for rings were joined that had changed apart; no more than ${LIMITS.keys} are wanted: remove those not used any more ('shoal keys list')`,
      );
    }
    const evicted = this.#evicted.filter((id) => this.ring.get(id) === null);
    if (evicted.length > 0) out.push(droppedKeys(evicted));
    const opened = this.uses.list(this.ring, this.nowMs()).some((key) => key.openedMessages > 0);
    out.push(...this.#fileKeys.warnings(this.nowMs(), opened, this.#foreign));
    return out;
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

  ringCame(bytes: Uint8Array, from?: Address): void {
    const theirs = KeyRing.decode(bytes, this.cluster);
    const held = this.ring.ids();
    if (theirs === null) this.drop(KeyRing.isNewer(bytes) ? 'other-version' : 'malformed');
    else if (this.ring.join(theirs)) this.#changed(`learnt from ${this.#whoIs(from)}`, held);
  }

  /** A ring of somebody who seals with a key of our file that our ring lacks: another group's is not joined to ours. */
  #ringAtDoor(bytes: Uint8Array, from?: Address): void {
    const theirs = KeyRing.decode(bytes, this.cluster);
    this.#foreign = theirs !== null && !this.ring.isKinTo(theirs);
    if (!this.#foreign) this.ringCame(bytes, from);
  }

  #whoIs(from: Address | undefined): string {
    if (from === undefined) return 'a member';
    const name = this.#parts.nameOf?.(from) ?? null;
    return name === null ? from : `${name}, ${from}`;
  }

  /** Before anything that came is judged by our clock. */
  #lookAtClocks(): void {
    if (!this.#clocks.jumped(this.nowMs())) return;
    this.datagrams.clockJumped();
    this.#door?.clockJumped();
    this.streams.clockJumped();
  }

  #changed(how: string, held: readonly string[]): void {
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
    const ids = this.ring.ids();
    this.#parts.ringChanged?.(ids);
    this.#parts.log('info', `keyring changed (${how}): ${changes(held, ids)}`);
    this.datagrams.openWaiting();
  }

  #makeDoor(): Door | null {
    const unused = this.#fileKeys.unused;
    const keys = this.#parts.keys.filter((key) => unused.includes(keyIdOf(key, this.cluster)));
    if (keys.length === 0) return null;
    const send = (to: Address, bytes: Uint8Array): void => this.#parts.below.send(to, bytes);
    return new Door(this, keys, send, (bytes, from) => this.#ringAtDoor(bytes, from));
  }

  /** For the door, while the ring neither has the key nor knows it as removed. */
  #atDoor(bytes: Uint8Array): boolean {
    const id = this.#door?.knocks(bytes) ?? null;
    return id !== null && this.ring.get(id) === null && !this.ring.isRemoved(id);
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
        if (this.#atDoor(bytes)) this.#door?.received(bytes, from, via);
        else this.datagrams.received(bytes, from, via);
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

function begunAgain(intact: boolean, cluster: string): string {
  const why = intact
    ? `made for another cluster, most likely (this one is '${cluster}'): if \`cluster\` was changed by mistake, set it back`
    : 'damaged: look after the disk';
  return `the saved keyring could not be used and was begun again from the key file; it is ${why}`;
}

function changes(before: readonly string[], now: readonly string[]): string {
  const added = now.filter((id) => !before.includes(id));
  const removed = before.filter((id) => !now.includes(id));
  const [primary, ...others] = now;
  const parts = [
    ...(added.length > 0 ? [`added ${added.join(' ')}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(' ')}`] : []),
    `primary ${primary}`,
    others.length > 0 ? `also ${others.join(' ')}` : 'no other key',
  ];
  return parts.join(', ');
}

function droppedKeys(ids: readonly string[]): string {
  return `keys dropped, for the joined ring had more than ${LIMITS.mergedKeys}: ${ids.join(' ')}; those installed or made the primary last were kept`;
}
