import type { Address } from '../../src/base/index.ts';
import { Codec, KIND } from '../../src/wire/index.ts';
import type { SimHost } from './host.ts';
import { kindOf } from './traffic.ts';
import type { Watcher, World } from './world.ts';

/** How one broadcast spread. */
export interface BroadcastTrace {
  readonly id: number;
  readonly origin: number;
  /** Tree messages and lists. */
  directed: number;
  /** Of these, those to a node that had been sent it before: retries. */
  again: number;
  /** Payloads pushed to a peer whose digest differed while the broadcast was under way. */
  repairs: number;
  multicasts: number;
  /** Greatest number of hops from the origin, and of rounds when a node sends one message a round. */
  hops: number;
  rounds: number;
  /** Greatest header (everything but the payload) of a tree message. */
  headerBytes: number;
}

interface Place {
  readonly hops: number;
  /** Round in which it had the payload; its k-th send is in round had + k. */
  readonly had: number;
  sends: number;
}

/** Follows each broadcast by its id through the datagrams sent: how many, how deep, how large. */
export class TreeWatch implements Watcher {
  readonly #world: World;
  readonly #codec: Codec;
  readonly #traces = new Map<number, BroadcastTrace>();
  readonly #places = new Map<number, Map<number, Place>>();

  constructor(world: World, cluster = 'sim') {
    this.#world = world;
    this.#codec = new Codec(cluster, '0000000000000000' as never);
  }

  clear(): void {
    this.#traces.clear();
    this.#places.clear();
  }

  traces(): BroadcastTrace[] {
    return [...this.#traces.values()];
  }

  sent(host: SimHost, to: Address | null, bytes: Uint8Array): void {
    const kind = kindOf(bytes);
    if (kind !== KIND.tree && kind !== KIND.list && kind !== KIND.multicast && kind !== KIND.repair) return;
    const decoded = this.#codec.decode(bytes);
    if ('drop' in decoded) {
      this.#world.violate('wire', `${host.address} sends what does not decode: ${decoded.drop}`);
      return;
    }
    const m = decoded.message;
    if (m.kind !== KIND.tree && m.kind !== KIND.list && m.kind !== KIND.multicast && m.kind !== KIND.repair)
      return;
    this.#follow(host, to, m.id, m.kind, bytes.length - m.payload.length);
  }

  #follow(host: SimHost, to: Address | null, id: number, kind: number, headerBytes: number): void {
    let trace = this.#traces.get(id);
    let places = this.#places.get(id);
    if (trace === undefined || places === undefined) {
      trace = {
        id,
        origin: host.index,
        directed: 0,
        again: 0,
        repairs: 0,
        multicasts: 0,
        hops: 0,
        rounds: 0,
        headerBytes: 0,
      };
      places = new Map([[host.index, { hops: 0, had: 0, sends: 0 }]]);
      this.#traces.set(id, trace);
      this.#places.set(id, places);
    }
    const place = places.get(host.index) ?? { hops: 0, had: 0, sends: 0 };
    if (to === null) trace.multicasts++;
    else if (kind === KIND.repair) trace.repairs++;
    else {
      trace.directed++;
      if (places.has(this.#world.byAddress(to)?.index ?? -1)) trace.again++;
    }
    if (kind === KIND.repair) return;
    if (kind === KIND.tree) trace.headerBytes = Math.max(trace.headerBytes, headerBytes);
    const round = place.had + ++place.sends;
    const receivers =
      to === null ? this.#world.hosts.filter((h) => h.domain === host.domain) : [this.#world.byAddress(to)];
    for (const receiver of receivers) {
      if (receiver === undefined || places.has(receiver.index)) continue;
      places.set(receiver.index, { hops: place.hops + 1, had: round, sends: 0 });
      trace.hops = Math.max(trace.hops, place.hops + 1);
      trace.rounds = Math.max(trace.rounds, round);
    }
  }
}
