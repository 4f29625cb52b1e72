import { createHash } from 'node:crypto';
import { type Address, SeededRng } from '../../base/index.ts';
import { GroupSeal, parseKey } from '../index.ts';

/** Keys for tests, by number. */
export const keyText = (n: number): string => createHash('sha256').update(`test key ${n}`).digest('base64');
export const key = (n: number): Uint8Array => parseKey(keyText(n));

export interface Sent {
  readonly from: Address;
  readonly to: Address | 'all';
  readonly bytes: Uint8Array;
}

export interface PeerOptions {
  readonly keys?: readonly number[];
  readonly cluster?: string;
  readonly saved?: Uint8Array;
  readonly reread?: () => readonly Uint8Array[];
  /** Its monotonic clock, where that is not the bench's, which is its wall clock then. */
  readonly nowMs?: () => number;
}

/** One sealed end: what came out above, what was saved and logged. */
export class Peer {
  readonly seal: GroupSeal;
  readonly address: Address;
  readonly came: string[] = [];
  readonly streams: string[] = [];
  readonly logs: string[] = [];
  saved: Uint8Array | null = null;

  constructor(bench: Bench, address: Address, options: PeerOptions) {
    this.address = address;
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    this.seal = new GroupSeal({
      cluster: options.cluster ?? 'bench',
      node: createHash('sha256').update(address).digest('hex').slice(0, 16),
      keys: (options.keys ?? [1]).map(key),
      saved: options.saved ?? null,
      below: {
        send: (to, bytes) => bench.put({ from: address, to, bytes }),
        multicast: (bytes) => bench.put({ from: address, to: 'all', bytes }),
        connect: (stream, to) => bench.connect(this, stream, to),
        write: (stream, frame) => bench.write(this, stream, frame),
        close: (stream) => bench.close(this, stream),
      },
      above: {
        datagram: (bytes, _from, via) => this.came.push(`${via ? 'multicast ' : ''}${text(bytes)}`),
        accepted: (stream) => this.streams.push(`accepted ${stream}`),
        opened: (stream) => this.streams.push(`opened ${stream}`),
        frame: (stream, bytes) => this.streams.push(`frame ${stream} ${text(bytes)}`),
        closed: (stream, reason) => this.streams.push(`closed ${stream} ${reason}`),
      },
      nowMs: options.nowMs ?? (() => bench.nowMs),
      wallMs: () => bench.nowMs,
      ...(options.reread && { reread: options.reread }),
      alive: () => [...bench.peers.keys()].filter((one) => one !== address && !bench.dead.has(one)),
      save: (ring) => {
        this.saved = ring;
      },
      peers: () => [...bench.peers.keys()].filter((one) => one !== address),
      nameOf: (address) => (bench.peers.has(address) ? 'peer' : null),
      log: (_level, message) => this.logs.push(message),
      random: (bytes) => Uint8Array.from({ length: bytes }, () => bench.rng.below(256)),
    });
  }

  say(to: Peer, text: string): void {
    this.seal.outgoing.send(to.address, Buffer.from(text));
  }

  call(what: string): void {
    this.seal.outgoing.multicast(Buffer.from(what));
  }

  get dropped(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.seal.drops).filter(([, n]) => n > 0));
  }

  ids(): string {
    return this.seal
      .list()
      .map(({ id }) => id)
      .join(' ');
  }
}

/** A network of memory: what is on its way can be read, kept, changed and lost; time stands still unless moved. */
export class Bench {
  nowMs = 1000;
  /** The same for every bench: what went over the wire is worth keeping. */
  readonly rng = new SeededRng(1);
  readonly peers = new Map<Address, Peer>();
  /** Known, and down. */
  readonly dead = new Set<Address>();
  readonly wire: Sent[] = [];
  /** Everything that ever was on the wire, stream frames included. */
  readonly recorded: Sent[] = [];
  lose: (sent: Sent) => boolean = () => false;
  /** Far end of a stream: `address/handle`. */
  readonly #far = new Map<string, { peer: Peer; handle: number }>();
  readonly #later: (() => void)[] = [];
  #accepted = 0;
  #addresses = 0;

  add(options: PeerOptions = {}, address = `10.0.0.${++this.#addresses}:1` as Address): Peer {
    const peer = new Peer(this, address, options);
    this.peers.set(address, peer);
    return peer;
  }

  put(sent: Sent): void {
    this.recorded.push(sent);
    this.nowMs += 0.001;
    if (!this.lose(sent)) this.wire.push(sent);
  }

  connect(from: Peer, handle: number, to: Address): void {
    this.#later.push(() => {
      const peer = this.peers.get(to);
      if (peer === undefined) {
        from.seal.incoming.closed(handle, 'nobody there');
        return;
      }
      const far = --this.#accepted;
      this.#far.set(`${from.address}/${handle}`, { peer, handle: far });
      this.#far.set(`${to}/${far}`, { peer: from, handle });
      peer.seal.incoming.accepted(far, from.address);
    });
  }

  write(from: Peer, handle: number, frame: Uint8Array): void {
    this.recorded.push({ from: from.address, to: 'all', bytes: frame });
    this.#later.push(() => {
      const far = this.#far.get(`${from.address}/${handle}`);
      far?.peer.seal.incoming.frame(far.handle, frame);
    });
  }

  close(from: Peer, handle: number): void {
    this.#later.push(() => {
      const far = this.#far.get(`${from.address}/${handle}`);
      far?.peer.seal.incoming.closed(far.handle, 'closed by the peer');
    });
  }

  /** Delivers until nothing is on its way. */
  run(): this {
    for (let steps = 0; steps < 100_000; steps++) {
      const sent = this.wire.shift();
      if (sent !== undefined) this.deliver(sent);
      else {
        const next = this.#later.shift();
        if (next === undefined) return this;
        next();
      }
    }
    throw new Error('the peers do not come to rest');
  }

  deliver(sent: Sent): void {
    if (sent.to !== 'all') this.peers.get(sent.to)?.seal.incoming.datagram(sent.bytes, sent.from, false);
    else for (const peer of this.peers.values()) peer.seal.incoming.datagram(sent.bytes, sent.from, true);
  }
}
