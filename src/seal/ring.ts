import { LIMITS, ShoalError } from '../base/index.ts';
import { KEY_BYTES, KEY_ID_BYTES, keyIdOf, sha256 } from './key.ts';

/** Who decided last about something, and when by the ring's own count (a Lamport clock). `node` is 16 hex digits. */
interface Stamp {
  readonly stamp: number;
  readonly node: string;
}

interface Entry extends Stamp {
  readonly id: string;
  readonly removed: boolean;
  /** Null when the key is not to be used any more: a removed key's bytes are forgotten. */
  readonly key: Uint8Array | null;
}

interface Primary extends Stamp {
  readonly id: string;
}

const NOBODY = '0'.repeat(16);
const ENTRY_BYTES = 1 + 6 + 8 + KEY_BYTES;
const HEAD_BYTES = 2 + 6 + 8 + KEY_ID_BYTES;
/** An entry without its key, in a ring of more entries than all of the full length fit a datagram. */
const SHORT_BYTES = 1 + 6 + 8 + KEY_ID_BYTES;
const LONG_ENTRIES = 24;
const FORMAT = 1;
/** As the first, but that entries without a key are short. */
const SHORT_FORMAT = 2;
/** Formats of later versions are in this range; a greater first byte is damage. */
const MAX_FORMAT = 15;
const MAX_STAMP = 2 ** 47;

const later = (a: Stamp, b: Stamp): boolean => (a.stamp !== b.stamp ? a.stamp > b.stamp : a.node > b.node);

/**
 * The replicated set of keys: per key id the last decision (installed or removed), and one register for the primary;
 * the later stamp counts, of equal ones the greater node id, of one node's equal ones removal. A join of these is
 * commutative, associative and idempotent. The primary is never without its bytes: whatever `remove` said meanwhile
 * elsewhere, the key that the register names is in use, so that two operators at once cannot leave a group without a key.
 * Removals are remembered (LIMITS.removedKeys, the oldest go first); a node that was off for more of them and still
 * shares a key brings an old one back: listed, and logged.
 *
 * An operator installs up to LIMITS.keys; two full rings that changed apart are joined whole (LIMITS.mergedKeys). Beyond that
 * those installed or made the primary last are kept, besides the primary. The rank of a key depends on its own last decision
 * only and the primary takes part in it, so that what is left does not depend on the order of joins; a removal in
 * between makes room for what another order has dropped, and the next exchange brings it back.
 */
export class KeyRing {
  readonly #cluster: string;
  readonly #entries = new Map<string, Entry>();
  #primary: Primary = { id: '', stamp: -1, node: NOBODY };
  #digest: number | null = null;
  /** Keys in use that had no room, since `takeEvicted`. */
  readonly #evicted = new Set<string>();

  readonly #unlike: number;

  constructor(cluster: string, unlike = 0) {
    this.#cluster = cluster;
    this.#unlike = unlike;
  }

  /** A new ring, of the key file's keys, at a stamp that loses to every decision; `unlike`, not 0: its digest is no other's. */
  static begin(cluster: string, keys: readonly Uint8Array[], unlike = 0): KeyRing {
    const ring = new KeyRing(cluster, unlike);
    for (const key of keys.slice(0, LIMITS.keys)) {
      const id = keyIdOf(key, cluster);
      ring.#entries.set(id, { id, stamp: 0, node: NOBODY, removed: false, key });
      if (ring.#primary.stamp < 0) ring.#primary = { id, stamp: 0, node: NOBODY };
    }
    return ring;
  }

  get primary(): string {
    return this.#primary.id;
  }

  /** The key with this id, if it is in use. */
  get(id: string): Uint8Array | null {
    return this.#entries.get(id)?.key ?? null;
  }

  /** Ids in use, the primary first, then sorted. */
  ids(): string[] {
    const ids = [...this.#entries.values()].filter((e) => e.key !== null).map((e) => e.id);
    return ids.sort((a, b) => Number(b === this.primary) - Number(a === this.primary) || (a < b ? -1 : 1));
  }

  /** Ids in use, those decided on longest ago first. */
  byAge(): string[] {
    const used = [...this.#entries.values()].filter((e) => e.key !== null);
    return used.sort((a, b) => (newer(a, b) ? 1 : -1)).map((e) => e.id);
  }

  isRemoved(id: string): boolean {
    return this.#entries.get(id)?.removed === true && this.get(id) === null;
  }

  /** 32 bits that differ, with all likelihood, where rings differ. */
  get digest(): number {
    this.#digest ??= Buffer.from(sha256(this.encode())).readUInt32BE();
    return (this.#digest ^ this.#unlike) >>> 0;
  }

  /** An id, or a key itself, as the operator gave it. @throws ShoalError `unknown-key` */
  find(id: string): string {
    if (this.get(id) !== null) return id;
    const what = this.isRemoved(id) ? 'was removed from the ring' : 'is not in the ring';
    throw new ShoalError(
      'unknown-key',
      `key: ${id} ${what}: see 'shoal keys list', or install it first`,
      'key',
    );
  }

  install(key: Uint8Array, node: string): string {
    const id = keyIdOf(key, this.#cluster);
    if (this.get(id) !== null) return id;
    const held = this.ids().length;
    if (held >= LIMITS.keys) {
      throw new ShoalError(
        'too-many-keys',
        `the ring holds ${held} keys already, of ${LIMITS.keys} at most: remove one that is not used any more`,
      );
    }
    this.#put({ id, ...this.#next(node), removed: false, key });
    return id;
  }

  use(id: string, node: string): void {
    this.find(id);
    if (id === this.primary) return;
    const stamp = this.#next(node);
    this.#primary = { id, ...stamp };
    // A decision about the key, too: it is among the last to go.
    this.#put({ id, ...stamp, removed: false, key: this.get(id) });
  }

  remove(id: string, node: string): void {
    this.find(id);
    if (id === this.primary) {
      throw new ShoalError(
        'key-in-use',
        `key: ${id} is the primary key: 'shoal keys use' another one first`,
        'key',
      );
    }
    this.#put({ id, ...this.#next(node), removed: true, key: null });
  }

  /** Whether both know of one key, be it in use or removed: rings of one group do. */
  isKinTo(other: KeyRing): boolean {
    return [...other.#entries.keys()].some((id) => this.#entries.has(id));
  }

  /** True when it brought something new. */
  join(other: KeyRing): boolean {
    const before = this.digest;
    if (supersedes(other.#primary, this.#primary)) this.#primary = other.#primary;
    for (const theirs of other.#entries.values()) {
      const ours = this.#entries.get(theirs.id);
      const winner = ours === undefined || newer(theirs, ours) ? theirs : ours;
      // The bytes may be known to the other side of a decision only.
      this.#entries.set(theirs.id, { ...winner, key: theirs.key ?? ours?.key ?? null });
    }
    this.#settle();
    return this.digest !== before;
  }

  /** Ids that were in use and are dropped, for there were too many; once. */
  takeEvicted(): string[] {
    const out = [...this.#evicted].filter((id) => this.get(id) === null).sort();
    this.#evicted.clear();
    return out;
  }

  /** Canonical: equal rings give equal bytes. Holds the keys: sealed on the network, mode 0600 on disk. */
  encode(): Uint8Array {
    const entries = [...this.#entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const short = entries.length > LONG_ENTRIES;
    const out = Buffer.alloc(HEAD_BYTES + entries.length * ENTRY_BYTES);
    out[0] = short ? SHORT_FORMAT : FORMAT;
    out[1] = entries.length;
    writeStamp(out, 2, this.#primary);
    out.write(this.#primary.id, 16, 'hex');
    let at = HEAD_BYTES;
    for (const entry of entries) {
      out[at] = (entry.removed ? 1 : 0) | (entry.key === null ? 0 : 2);
      writeStamp(out, at + 1, entry);
      if (entry.key === null) out.write(entry.id, at + 15, 'hex');
      else out.set(entry.key, at + 15);
      at += short && entry.key === null ? SHORT_BYTES : ENTRY_BYTES;
    }
    return Uint8Array.from(out.subarray(0, at));
  }

  /** Written by a later version, in a format that this one does not know. */
  static isNewer(bytes: Uint8Array): boolean {
    const format = bytes[0] ?? 0;
    return format > SHORT_FORMAT && format <= MAX_FORMAT;
  }

  /** Null when these are not the bytes of a ring of this cluster, or it is larger than one may be. */
  static decode(bytes: Uint8Array, cluster: string): KeyRing | null {
    const ring = KeyRing.#parse(bytes, cluster);
    if (ring === null || ring.get(ring.primary) === null) return null;
    return ring.ids().length > LIMITS.mergedKeys ? null : ring;
  }

  /** These are the bytes of a ring, be it of this cluster or, likely, of another: the ids in it are of no key in it. */
  static isIntact(bytes: Uint8Array, cluster: string): boolean {
    return KeyRing.#parse(bytes, cluster) !== null;
  }

  static #parse(bytes: Uint8Array, cluster: string): KeyRing | null {
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const count = data[1] ?? 0;
    if (data[0] !== FORMAT && data[0] !== SHORT_FORMAT) return null;
    if (count === 0 || count > LIMITS.mergedKeys + LIMITS.removedKeys || data.length < HEAD_BYTES)
      return null;
    const ring = new KeyRing(cluster);
    ring.#primary = { id: data.toString('hex', 16, 20), ...readStamp(data, 2) };
    let at = HEAD_BYTES;
    for (let i = 0; i < count; i++) {
      const flags = data[at] ?? 0;
      const end = at + (data[0] === SHORT_FORMAT && flags === 1 ? SHORT_BYTES : ENTRY_BYTES);
      if (flags > 3 || flags === 0 || end > data.length) return null;
      const body = data.subarray(at + 15, end);
      const key = flags >= 2 ? Uint8Array.from(body) : null;
      const id = key === null ? body.toString('hex', 0, KEY_ID_BYTES) : keyIdOf(key, cluster);
      ring.#entries.set(id, { id, ...readStamp(data, at + 1), removed: (flags & 1) === 1, key });
      at = end;
    }
    if (at !== data.length) return null;
    const stamps = [...ring.#entries.values(), ring.#primary].map((e) => e.stamp);
    return stamps.some((stamp) => stamp > MAX_STAMP) ? null : ring;
  }

  #next(node: string): Stamp {
    let stamp = this.#primary.stamp;
    for (const entry of this.#entries.values()) stamp = Math.max(stamp, entry.stamp);
    return { stamp: stamp + 1, node };
  }

  #put(entry: Entry): void {
    this.#entries.set(entry.id, entry);
    this.#settle();
  }

  /** Forgets what is not to be known any more, and what is too much. */
  #settle(): void {
    this.#digest = null;
    const removed: Entry[] = [];
    const live: Entry[] = [];
    for (const entry of this.#entries.values()) {
      const used = !entry.removed || entry.id === this.primary;
      if (!used && entry.key !== null) this.#entries.set(entry.id, { ...entry, key: null });
      (used ? live : removed).push(entry);
    }
    for (const list of [removed, live]) list.sort((a, b) => (newer(a, b) ? -1 : 1));
    for (const { id } of removed.slice(LIMITS.removedKeys)) this.#entries.delete(id);
    // The primary has its rank like all others, and is kept besides when that is too low.
    for (const { id } of live.slice(LIMITS.mergedKeys - 1)) {
      if (id === this.primary) continue;
      this.#entries.delete(id);
      this.#evicted.add(id);
    }
  }
}

const newer = (a: Entry, b: Entry): boolean =>
  later(a, b) || (!later(b, a) && (a.removed !== b.removed ? a.removed : a.id < b.id));

const supersedes = (a: Primary, b: Primary): boolean => later(a, b) || (!later(b, a) && a.id > b.id);

function writeStamp(out: Buffer, at: number, { stamp, node }: Stamp): void {
  out.writeUIntBE(stamp, at, 6);
  out.write(node, at + 6, 'hex');
}

function readStamp(data: Buffer, at: number): Stamp {
  return { stamp: data.readUIntBE(at, 6), node: data.toString('hex', at + 6, at + 14) };
}
