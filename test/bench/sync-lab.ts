import { type Address, type NodeId, parseNodeId, type Rng, SeededRng } from '../../src/base/index.ts';
import { AworMap, type Delta, type RangeKey } from '../../src/crdt/index.ts';
import { type Answer, type Boot, Node, type NodeOptions, type Outputs } from '../../src/node/index.ts';

const HOP_MS = 1;
/** What a frame costs on its stream besides itself: its length. */
const FRAME_PREFIX_BYTES = 4;

/** Everything that was sent, both ways: payloads of datagrams, and frames with their length prefix. */
export interface Sent {
  datagrams: number;
  datagramBytes: number;
  frames: number;
  frameBytes: number;
}

/** Machines on a perfect link, in one process: no sockets, no disk; time is a number, bytes are counted. */
export class Lab {
  readonly nodes: Node[] = [];
  nowMs = 1000;
  sent: Sent = nothing();
  readonly #rng: SeededRng;
  #due: { atMs: number; act: () => void }[] = [];
  readonly #streams = new Map<string, { node: Node; handle: number }>();
  #accepted = 0;

  constructor(seed: number) {
    this.#rng = new SeededRng(seed);
  }

  /** Adds and starts a node that knows `state`, and calls `join`. */
  add(state: readonly Delta[], join: readonly Address[] = []): Node {
    const index = this.nodes.length;
    const boot: Boot = {
      id: parseNodeId(`f${index.toString(16).padStart(15, '0')}`),
      incarnation: 1,
      bootNonce: index + 1,
      leaseFrom: 1,
      leaseTo: 1025,
      snapshot: null,
      journal: [],
    };
    const options: NodeOptions = {
      name: `n${index}`,
      cluster: 'lab',
      advertise: addressOf(index),
      resp: null,
      tags: {},
      capacity: {},
      version: '0',
      multicast: false,
      join,
      ranges: [],
      insecure: false,
    };
    const holder: { node: Node | null } = { node: null };
    const outputs = this.#outputs(index, () => holder.node as Node);
    // Probing costs the same whatever the state: here only the comparing is counted.
    const settings = { detection: { probePeriodMs: 1e9 } };
    const node = new Node(boot, options, outputs, this.#rng.fork(), settings);
    holder.node = node;
    for (const delta of state) node.state.restoreDelta(delta);
    this.nodes.push(node);
    node.start(this.nowMs);
    return node;
  }

  address(node: Node): Address {
    return addressOf(this.nodes.indexOf(node));
  }

  /** Runs until the condition holds after an event; false when it did not within `forMs`. */
  run(condition: () => boolean, forMs: number): boolean {
    const endMs = this.nowMs + forMs;
    while (!condition()) {
      const event = this.#due[0];
      let node = this.nodes[0] as Node;
      for (const one of this.nodes) if (one.nextWakeMs() < node.nextWakeMs()) node = one;
      const atMs = Math.min(event?.atMs ?? Infinity, node.nextWakeMs());
      if (atMs > endMs) {
        this.nowMs = endMs;
        return condition();
      }
      this.nowMs = Math.max(this.nowMs, atMs);
      if (event !== undefined && event.atMs <= this.nowMs) {
        this.#due.shift();
        event.act();
      } else {
        node.wake(this.nowMs);
      }
    }
    return true;
  }

  /** All show one digest and nobody is in a session. */
  settled(): boolean {
    const digest = this.nodes[0]?.digest();
    const quiet = this.#due.length === 0;
    return quiet && this.nodes.every((node) => node.digest() === digest && node.sessions.open === 0);
  }

  clear(): void {
    this.sent = nothing();
  }

  #after(act: () => void, ms = HOP_MS): void {
    const atMs = this.nowMs + ms;
    let at = this.#due.length;
    while (at > 0 && (this.#due[at - 1] as { atMs: number }).atMs > atMs) at--;
    this.#due.splice(at, 0, { atMs, act });
  }

  #outputs(index: number, self: () => Node): Outputs {
    const end = (stream: number): string => `${index} ${stream}`;
    return {
      send: (to, bytes) => {
        this.sent.datagrams++;
        this.sent.datagramBytes += bytes.length;
        const target = this.nodes.find((node) => this.address(node) === to);
        this.#after(() => target?.datagram(bytes, addressOf(index), false, this.nowMs));
      },
      multicast: () => {},
      connect: (stream, to) => {
        const target = this.nodes.find((node) => this.address(node) === to) as Node;
        const handle = -++this.#accepted;
        this.#streams.set(end(stream), { node: target, handle });
        this.#streams.set(`${this.nodes.indexOf(target)} ${handle}`, { node: self(), handle: stream });
        this.#after(() => target.accepted(handle, addressOf(index), this.nowMs));
        this.#after(() => self().opened(stream, this.nowMs), 2 * HOP_MS);
      },
      write: (stream, frame) => {
        this.sent.frames++;
        this.sent.frameBytes += frame.length + FRAME_PREFIX_BYTES;
        const other = this.#streams.get(end(stream));
        this.#after(() => other?.node.frame(other.handle, frame, this.nowMs));
      },
      close: (stream) => {
        const other = this.#streams.get(end(stream));
        this.#after(() => other?.node.closed(other.handle, 'closed', this.nowMs));
      },
      persist: (_record, token) => this.#after(() => self().persisted(token, null, this.nowMs)),
      note: () => {},
      lease: (upTo) => this.#after(() => self().leased(upTo, null, this.nowMs)),
      snapshot: () => {},
      answer: (_token: number, _answer: Answer) => {},
      published: () => {},
      event: () => {},
      log: () => {},
    };
  }
}

function nothing(): Sent {
  return { datagrams: 0, datagramBytes: 0, frames: 0, frameBytes: 0 };
}

function addressOf(index: number): Address {
  return `10.0.0.${index + 1}:29999` as Address;
}

/** A map of registrations made by so many actors, each of its own entries; and changes to it, as deltas. */
export class History {
  readonly map = new AworMap();
  readonly #rng: Rng;
  readonly #actors: NodeId[];
  readonly #counters = new Map<NodeId, number>();
  readonly #keys: RangeKey[] = [];

  constructor(seed: number, actors: number, registrations: number) {
    this.#rng = new SeededRng(seed);
    this.#actors = Array.from({ length: actors }, () =>
      parseNodeId(`${this.#hex()}${this.#hex()}`.replace(/^f/, 'e')),
    );
    for (let i = 0; i < registrations; i++) this.add();
  }

  /** The whole state. */
  chunks(): Delta[] {
    return this.map.chunks(1 << 20);
  }

  add(): Delta {
    const node = this.#actors[this.#keys.length % this.#actors.length] as NodeId;
    const start = this.#rng.u32();
    const end = Math.min(0xffffffff, start + this.#rng.below(1 << 20));
    const key = { node, start, end };
    const counter = (this.#counters.get(node) ?? 0) + 1;
    this.#counters.set(node, counter);
    this.#keys.push(key);
    return this.map.register(node, counter, key, 1 + this.#rng.below(100));
  }

  release(): Delta {
    const at = this.#rng.below(this.#keys.length);
    const key = this.#keys[at] as RangeKey;
    this.#keys[at] = this.#keys[this.#keys.length - 1] as RangeKey;
    this.#keys.pop();
    const delta = this.map.release(key);
    return delta ?? this.release();
  }

  #hex(): string {
    return this.#rng.u32().toString(16).padStart(8, '0');
  }
}

export type Kind = 'adds' | 'releases' | 'both';

/** Two nodes with `registrations` equal ones, met and at rest. */
export function equalPair(history: History, seed: number): Lab {
  const lab = new Lab(seed);
  const state = history.chunks();
  const first = lab.add(state);
  lab.add(state, [lab.address(first)]);
  const met = (): boolean => lab.settled() && lab.nodes.every((node) => node.memberCounts().alive === 2);
  if (!lab.run(met, 60_000)) throw new Error('the two nodes do not agree');
  lab.run(() => false, 30_000);
  return lab;
}

/** What one comparison of the equal states of the pair costs. */
export function comparisonCost(lab: Lab): Sent {
  const rounds = (): number =>
    lab.nodes.reduce((sum, node) => sum + node.comparison.antiEntropy.counters.equal, 0);
  const before = rounds();
  lab.run(() => lab.settled(), 1000);
  lab.clear();
  if (!lab.run(() => rounds() > before && lab.settled(), 60_000)) throw new Error('no round of comparison');
  return lab.sent;
}

/** Gives the two nodes so many differences, alternating between them, and counts what it takes to settle them. */
export function differenceCost(lab: Lab, history: History, count: number, kind: Kind): Sent {
  lab.run(() => lab.settled(), 1000);
  for (let i = 0; i < count; i++) {
    const add = kind === 'adds' || (kind === 'both' && i % 2 === 0);
    const delta = add ? history.add() : history.release();
    (lab.nodes[i % 2] as Node).state.restoreDelta(delta);
  }
  lab.clear();
  if (!lab.run(() => lab.settled(), 60_000)) throw new Error('the differences were not settled');
  return lab.sent;
}

/** What it costs a node that comes empty to have everything. */
export function joinCost(history: History, seed: number): Sent {
  const lab = new Lab(seed);
  const first = lab.add(history.chunks());
  lab.add([], [lab.address(first)]);
  const done = (): boolean => lab.settled() && lab.nodes.every((node) => node.memberCounts().alive === 2);
  if (!lab.run(done, 60_000)) throw new Error('the node that joined does not agree');
  return lab.sent;
}

export function bytesOf(sent: Sent): number {
  return sent.datagramBytes + sent.frameBytes;
}
