import { type Address, type NodeId, SeededRng } from '../../base/index.ts';
import type { Answer, Command, NodeEvent, NodeOptions, Outputs } from '../machine.ts';
import { Node } from '../views.ts';

type DiskError = { code: string; message: string };

/** One node of the lab: the machine, what it answered, what it told, and its disk. */
export interface Seat {
  readonly node: Node;
  readonly answers: Map<number, Answer>;
  readonly events: NodeEvent[];
  /** Messages that others published, as text. */
  readonly published: string[];
  readonly journal: Uint8Array[];
  readonly logs: string[];
  /** While set, the disk refuses with it. */
  diskError: DiskError | null;
  /** Cut off: nothing goes in or out. */
  cut: boolean;
}

const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 100));

/**
 * A small loss-free world for named tests of the node: datagrams take 1 ms, the disk 2 ms, multicast reaches all seats.
 * Faults of every kind are the simulator's (test/sim).
 */
export class Lab {
  readonly seats: Seat[] = [];
  nowMs = 0;
  /** Bytes of the longest frame written; one beyond the limit closes its stream, as on sockets. */
  longestFrame = 0;
  readonly #queue: { atMs: number; run: () => void }[] = [];
  readonly #far = new Map<string, { seat: number; stream: number }>();
  #accepted = 0;
  #tokens = 0;

  /** Adds a node and starts it. The id is the seat's number from 1. */
  add(
    over: Partial<NodeOptions> = {},
    boot: { leaseFrom?: number; journal?: Uint8Array[]; incarnation?: number } = {},
  ): Seat {
    const index = this.seats.length;
    const leaseFrom = boot.leaseFrom ?? 1;
    const identity = {
      id: (index + 1).toString(16).padStart(16, '0') as NodeId,
      incarnation: boot.incarnation ?? 1,
      bootNonce: index + 100,
      leaseFrom,
      leaseTo: leaseFrom + 1024,
      snapshot: null,
      journal: boot.journal ?? [],
    };
    const options: NodeOptions = {
      name: `n${index}`,
      cluster: 'lab',
      advertise: `10.0.0.${index}:1` as Address,
      resp: null,
      tags: {},
      capacity: {},
      version: '1',
      multicast: true,
      join: [],
      ranges: [],
      insecure: false,
      ...over,
    };
    const seat = {
      answers: new Map(),
      events: [],
      published: [],
      journal: [],
      logs: [],
      diskError: null,
      cut: false,
    } as unknown as Seat;
    const node = new Node(identity, options, this.#outputs(index, seat), new SeededRng(index + 7));
    Object.assign(seat, { node });
    this.seats.push(seat);
    node.start(this.nowMs);
    return seat;
  }

  /** Gives a command; its answer is in `answers` under the returned token, now or later. */
  command(seat: Seat, command: Command): number {
    const token = ++this.#tokens;
    seat.node.command(token, command, this.nowMs);
    return token;
  }

  /** Gives a command and runs until it is answered. */
  ask(seat: Seat, command: Command): Answer {
    const token = this.command(seat, command);
    for (let i = 0; i < 100_000 && !seat.answers.has(token); i++) this.run(1);
    return seat.answers.get(token) as Answer;
  }

  run(forMs: number): void {
    const until = this.nowMs + forMs;
    for (;;) {
      let next: Seat | null = null;
      let wakeMs = Infinity;
      for (const seat of this.seats) {
        if (seat.node.nextWakeMs() < wakeMs) {
          wakeMs = seat.node.nextWakeMs();
          next = seat;
        }
      }
      const event = this.#queue[0];
      const atMs = Math.min(wakeMs, event?.atMs ?? Infinity);
      if (atMs > until) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (event !== undefined && event.atMs <= wakeMs) {
        this.#queue.shift();
        event.run();
      } else next?.node.wake(this.nowMs);
    }
    this.nowMs = until;
  }

  digests(): Set<string> {
    return new Set(this.seats.map((seat) => seat.node.digest()));
  }

  #later(ms: number, run: () => void): void {
    const atMs = this.nowMs + ms;
    let i = this.#queue.length;
    while (i > 0 && (this.#queue[i - 1]?.atMs ?? 0) > atMs) i--;
    this.#queue.splice(i, 0, { atMs, run });
  }

  #outputs(index: number, seat: Seat): Outputs {
    const from = `10.0.0.${index}:1` as Address;
    const between = (other: number, run: (node: Node) => void): void => {
      this.#later(1, () => {
        const peer = this.seats[other];
        if (peer !== undefined && !peer.cut && !seat.cut) run(peer.node);
      });
    };
    const seatAt = (address: Address): number => Number(/\.(\d+):/.exec(address)?.[1]);
    return {
      send: (to, bytes) => between(seatAt(to), (node) => node.datagram(bytes, from, false, this.nowMs)),
      multicast: (bytes) => {
        for (let i = 0; i < this.seats.length; i++)
          between(i, (node) => node.datagram(bytes, from, true, this.nowMs));
      },
      connect: (stream, to) => {
        const other = seatAt(to);
        if (this.seats[other] === undefined || this.seats[other]?.cut || seat.cut) {
          this.#later(1, () => seat.node.closed(stream, 'connection refused', this.nowMs));
          return;
        }
        const theirs = -++this.#accepted;
        this.#far.set(`${index}/${stream}`, { seat: other, stream: theirs });
        this.#far.set(`${other}/${theirs}`, { seat: index, stream });
        between(other, (node) => node.accepted(theirs, from, this.nowMs));
      },
      write: (stream, frame) => {
        const far = this.#far.get(`${index}/${stream}`);
        this.longestFrame = Math.max(this.longestFrame, frame.length);
        if (far !== undefined) between(far.seat, (node) => node.frame(far.stream, frame, this.nowMs));
      },
      close: (stream) => {
        const far = this.#far.get(`${index}/${stream}`);
        if (far !== undefined) between(far.seat, (node) => node.closed(far.stream, 'closed', this.nowMs));
      },
      persist: (record, token) => {
        const error = seat.diskError;
        if (error === null) seat.journal.push(record);
        this.#later(2, () => seat.node.persisted(token, error, this.nowMs));
      },
      note: (record) => seat.journal.push(record),
      lease: (upTo) => this.#later(2, () => seat.node.leased(upTo, seat.diskError, this.nowMs)),
      snapshot: () => {},
      answer: (token, answer) => {
        if (seat.answers.has(token)) throw new Error(`command ${token} was answered twice`);
        seat.answers.set(token, answer);
      },
      event: (event) => seat.events.push(event),
      published: (channel, message) => seat.published.push(`${textOf(channel)} ${textOf(message)}`),
      log: (_level, message) => seat.logs.push(message),
    };
  }
}
