/**
 * Publications: messages of the store's channels on their way to all nodes of the group. They spread as changes do, in
 * groups that fit a datagram (group.ts), by multicast and tree (gossip's Broadcaster); but they are no state: nothing is
 * written to disk, no digest tells of them, and what is lost stays lost.
 *
 * A batch is what one broadcast carries. Batches of a process are numbered from 1, and its boot nonce tells its processes apart:
 * by these a receiver takes each batch once at most, however late it comes again, and hands batches on in their order as far
 * as they come within `HOLD_MS` of each other.
 *
 * Bounds: what waits to be sent (LIMITS.waitingPublicationBytes), the pace it goes out at, and what may be on its way at once
 * (gossip's Congestion), so that channels never crowd out changes and probes; what waits for an earlier batch; publishers
 * remembered. What is dropped is counted. Nodes do not tell whether they have subscribers: each hears, and passes on, everything.
 * Does not know: who subscribes. Test: publications.test.ts, test/sim/publish.test.ts.
 */
import { BoundedMap, LIMITS, type NodeId, ReplayWindow } from '../base/index.ts';
import { isBytes, isCount, isList } from '../wire/index.ts';

export interface Publication {
  readonly channel: Uint8Array;
  readonly message: Uint8Array;
}

/** What one broadcast carries. */
export interface Batch {
  readonly bootNonce: number;
  readonly seq: number;
  readonly publications: readonly Publication[];
}

/** Around one publication in a batch, rounded up. */
const AROUND_BYTES = 8;
/** What one that waits takes of the engine's heap besides its bytes: some 450 were measured. */
const HEAP_BYTES = 512;
/** Publications of one batch: more than a datagram holds. */
const BATCH_PUBLICATIONS = 1024;
/** The pace a node sends its own at, and how far it may be behind or ahead of it. */
const PACE_BYTES_PER_MS = 2000;
const AHEAD_MS = 15;
/** A batch waits so long for earlier ones: a lost one is sent again after some 60 ms. */
const HOLD_MS = 250;
/** Batches further behind their publisher's newest are taken for had. */
const WINDOW_BATCHES = 8192;

export function batchToWire({ bootNonce, seq, publications }: Batch): unknown[] {
  return [bootNonce, seq, publications.flatMap(({ channel, message }) => [channel, message])];
}

export function batchFromWire(value: unknown): Batch | null {
  if (!isList(value)) return null;
  const [bootNonce, seq, parts] = value;
  if (!isCount(bootNonce, 0xffffffff) || !isCount(seq) || seq === 0 || !isList(parts)) return null;
  if (parts.length % 2 !== 0 || parts.length > 2 * BATCH_PUBLICATIONS) return null;
  const publications: Publication[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const [channel, message] = [parts[i], parts[i + 1]];
    if (!isBytes(channel) || !isBytes(message) || channel.length + message.length > LIMITS.publicationBytes)
      return null;
    publications.push({ channel, message });
  }
  return { bootNonce, seq, publications };
}

const bytesOf = ({ channel, message }: Publication): number => channel.length + message.length + AROUND_BYTES;

const sizeOf = (publications: readonly Publication[]): number =>
  publications.reduce((sum, publication) => sum + bytesOf(publication), 0);

/** Publications of this node's clients that wait to be sent. */
export class Departures {
  readonly counters = { published: 0, batches: 0, dropped: 0 };
  readonly #bootNonce: number;
  #waiting: Publication[] = [];
  /** The first of them that was not sent. */
  #at = 0;
  /** Memory that those not sent take. */
  #bytes = 0;
  #seq = 0;
  /** When, at the pace, all that went out would have. */
  #pacedMs = -Infinity;

  constructor(bootNonce: number) {
    this.#bootNonce = bootNonce;
  }

  get waiting(): number {
    return this.#waiting.length - this.#at;
  }

  /** Places kept, of those sent as well: twice as many at most. */
  get places(): number {
    return this.#waiting.length;
  }

  /** False: too much waits, or it is too long, and it is dropped. */
  add(channel: Uint8Array, message: Uint8Array): boolean {
    const length = channel.length + message.length;
    const bytes = length + HEAP_BYTES;
    if (length > LIMITS.publicationBytes || this.#bytes + bytes > LIMITS.waitingPublicationBytes) {
      this.counters.dropped++;
      return false;
    }
    this.counters.published++;
    this.#waiting.push({ channel, message });
    this.#bytes += bytes;
    return true;
  }

  /** A batch of about `most` bytes, or of one publication; null: none waits, or it is not time yet. */
  next(most: number, nowMs: number): Batch | null {
    if (this.waiting === 0 || this.#pacedMs > nowMs) return null;
    const from = this.#at;
    let bytes = 0;
    while (this.#at < this.#waiting.length) {
      const more = bytesOf(this.#waiting[this.#at] as Publication);
      if (bytes > 0 && bytes + more > most) break;
      bytes += more;
      this.#at++;
    }
    const publications = this.#waiting.slice(from, this.#at);
    if (this.#at * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#at);
      this.#at = 0;
    }
    this.#bytes -= bytes + publications.length * (HEAP_BYTES - AROUND_BYTES);
    this.#pacedMs = Math.max(this.#pacedMs, nowMs - AHEAD_MS) + bytes / PACE_BYTES_PER_MS;
    this.counters.batches++;
    return { bootNonce: this.#bootNonce, seq: ++this.#seq, publications };
  }
}

/** One process that publishes. */
interface Publisher {
  readonly window: ReplayWindow;
  /** Number of the batch that is to be handed on next. */
  next: number;
  readonly held: Map<number, readonly Publication[]>;
  heldBytes: number;
  /** When those held are handed on, whatever is missing. */
  dueMs: number;
}

/** Publications of other nodes, handed on once each, and in their publisher's order where that is possible. */
export class Arrivals {
  readonly counters = { arrived: 0, duplicates: 0, outOfOrder: 0 };
  readonly #self: NodeId;
  readonly #handOn: (publication: Publication) => void;
  readonly #publishers = new BoundedMap<string, Publisher>(LIMITS.publishers);
  /** Those with something held. */
  readonly #holding = new Set<Publisher>();

  constructor(self: NodeId, handOn: (publication: Publication) => void) {
    this.#self = self;
    this.#handOn = handOn;
  }

  came(origin: NodeId, { bootNonce, seq, publications }: Batch, nowMs: number): void {
    if (origin === this.#self) return;
    const publisher = this.#publisherOf(`${origin}${bootNonce}`, seq);
    if (publisher.window.check(seq) !== null) {
      this.counters.duplicates++;
      return;
    }
    publisher.window.mark(seq);
    if (seq > publisher.next) {
      this.#hold(publisher, seq, publications, nowMs);
      return;
    }
    if (seq < publisher.next) this.counters.outOfOrder += publications.length;
    else publisher.next++;
    this.#give(publications);
    this.#follow(publisher);
  }

  nextMs(): number {
    let next = Infinity;
    for (const { dueMs } of this.#holding) next = Math.min(next, dueMs);
    return next;
  }

  wake(nowMs: number): void {
    for (const publisher of this.#holding) if (nowMs >= publisher.dueMs) this.#release(publisher);
  }

  #publisherOf(name: string, seq: number): Publisher {
    let publisher = this.#publishers.get(name);
    if (publisher === undefined) {
      const window = new ReplayWindow(1, WINDOW_BATCHES);
      publisher = { window, next: seq, held: new Map(), heldBytes: 0, dueMs: Infinity };
      this.#publishers.set(name, publisher);
    }
    return publisher;
  }

  #hold(publisher: Publisher, seq: number, publications: readonly Publication[], nowMs: number): void {
    if (publisher.held.size === 0) {
      publisher.dueMs = nowMs + HOLD_MS;
      this.#holding.add(publisher);
    }
    publisher.held.set(seq, publications);
    publisher.heldBytes += sizeOf(publications);
    if (publisher.heldBytes > LIMITS.heldPublicationBytes) this.#release(publisher);
  }

  /** Hands on those held that are next. */
  #follow(publisher: Publisher): void {
    const { held } = publisher;
    if (held.size === 0) return;
    for (let next = held.get(publisher.next); next !== undefined; next = held.get(publisher.next)) {
      held.delete(publisher.next++);
      publisher.heldBytes -= sizeOf(next);
      this.#give(next);
    }
    if (held.size === 0) this.#settle(publisher);
  }

  /** Hands on all that are held: what is missing between them may still come, out of order. */
  #release(publisher: Publisher): void {
    const { held } = publisher;
    for (const [seq, publications] of [...held].sort(([a], [b]) => a - b)) {
      publisher.next = seq + 1;
      this.#give(publications);
    }
    held.clear();
    this.#settle(publisher);
  }

  #settle(publisher: Publisher): void {
    publisher.heldBytes = 0;
    publisher.dueMs = Infinity;
    this.#holding.delete(publisher);
  }

  #give(publications: readonly Publication[]): void {
    this.counters.arrived += publications.length;
    for (const publication of publications) this.#handOn(publication);
  }
}
