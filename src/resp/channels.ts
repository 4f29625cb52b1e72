import { Span } from '../store/index.ts';
import { type Client, NO_CHANNELS } from './client.ts';
import { Glob } from './glob.ts';
import { ReplyWriter } from './reply.ts';

type Kind = 'channels' | 'patterns' | 'shardChannels';

/**
 * A message's channel is compared with every pattern, in one turn: neither is to be long, and no pattern may take many looks at each
 * character. One that takes more does not match.
 */
export const PATTERN_BYTES = 1024;
const PATTERN_LOOKS = 1 << 13;
/** All channels are compared with a pattern in one turn. */
const ACTIVE_LOOKS = 1 << 22;

interface PatternSubscribers {
  readonly glob: Glob;
  readonly clients: Set<Client>;
}

/** What is around a message's parts, with room to spare. */
const FRAME_BYTES = 128;

/**
 * Who has subscribed to what on this node, and delivery to them. Names are Latin-1 text: every byte a character. A message is
 * put together once for each RESP version and shared by all who get it.
 */
export class Channels {
  /** How often a message was not sent by a pattern because it was not compared with it to the end. */
  uncompared = 0;
  readonly #channels = new Map<string, Set<Client>>();
  readonly #patterns = new Map<string, PatternSubscribers>();
  readonly #shard = new Map<string, Set<Client>>();

  get channelCount(): number {
    return this.#channels.size;
  }

  get patternCount(): number {
    return this.#patterns.size;
  }

  get shardCount(): number {
    return this.#shard.size;
  }

  subscribe(client: Client, kind: Kind, name: string): void {
    if (client[kind] === NO_CHANNELS) client[kind] = new Set();
    if (client[kind].has(name)) return;
    client[kind].add(name);
    client.subscribedBytes += name.length;
    this.#clientsOf(kind, name).add(client);
    client.gateSubscribed();
  }

  unsubscribe(client: Client, kind: Kind, name: string): void {
    if (!client[kind].delete(name)) return;
    client.subscribedBytes -= name.length;
    const clients = this.#clientsOf(kind, name);
    clients.delete(client);
    if (clients.size === 0) {
      if (kind === 'patterns') this.#patterns.delete(name);
      else this.#map(kind).delete(name);
    }
    client.gateSubscribed();
  }

  /** Ends subscriptions to shard channels that are not `served` here any more, and tells the subscribers, as Redis does. */
  keepShards(served: (channel: Uint8Array) => boolean): void {
    for (const [channel, clients] of [...this.#shard]) {
      if (served(Buffer.from(channel, 'latin1'))) continue;
      for (const client of [...clients]) {
        this.unsubscribe(client, 'shardChannels', channel);
        const reply = new ReplyWriter(FRAME_BYTES + channel.length);
        reply.version = client.version;
        reply.push(3);
        reply.bulkText('sunsubscribe');
        reply.bulkText(channel);
        reply.integer(client.shardChannels.size);
        client.outlet.push(reply.written);
      }
    }
  }

  /** The client is gone, or begins anew. */
  forget(client: Client): void {
    for (const kind of ['channels', 'patterns', 'shardChannels'] as const) {
      for (const name of [...client[kind]]) this.unsubscribe(client, kind, name);
    }
  }

  /** Gives a message to the subscribers of this node: how many. */
  deliver(channel: string, payload: Uint8Array): number {
    let receivers = this.#send(this.#channels.get(channel), 'message', null, channel, payload);
    if (channel.length > PATTERN_BYTES) this.uncompared += this.#patterns.size;
    else if (this.#patterns.size > 0) {
      const bytes = Uint8Array.from(Buffer.from(channel, 'latin1'));
      for (const [pattern, { glob, clients }] of this.#patterns) {
        if (glob.matches(bytes)) receivers += this.#send(clients, 'pmessage', pattern, channel, payload);
        else if (glob.gaveUp) {
          glob.gaveUp = false;
          this.uncompared++;
        }
      }
    }
    return receivers;
  }

  deliverShard(channel: string, payload: Uint8Array): number {
    return this.#send(this.#shard.get(channel), 'smessage', null, channel, payload);
  }

  /** Channels with subscribers, all or those that match; null: that would take too many looks. */
  active(kind: 'channels' | 'shardChannels', glob: Glob | null): string[] | null {
    const names = this.#map(kind).keys();
    if (glob === null) return [...names];
    const found: string[] = [];
    for (const name of names) {
      if (glob.matches(Uint8Array.from(Buffer.from(name, 'latin1')))) found.push(name);
      if (glob.gaveUp || glob.looks > ACTIVE_LOOKS) return null;
    }
    return found;
  }

  subscribers(kind: 'channels' | 'shardChannels', name: string): number {
    return this.#map(kind).get(name)?.size ?? 0;
  }

  #send(
    clients: Set<Client> | undefined,
    word: string,
    pattern: string | null,
    channel: string,
    payload: Uint8Array,
  ): number {
    if (clients === undefined) return 0;
    const forms: Record<2 | 3, Uint8Array | null> = { 2: null, 3: null };
    for (const client of clients) {
      forms[client.version] ??= messageOf(client.version, word, pattern, channel, payload);
      client.outlet.push(forms[client.version] as Uint8Array);
    }
    return clients.size;
  }

  #map(kind: 'channels' | 'shardChannels'): Map<string, Set<Client>> {
    return kind === 'channels' ? this.#channels : this.#shard;
  }

  #clientsOf(kind: Kind, name: string): Set<Client> {
    if (kind !== 'patterns') {
      const map = this.#map(kind);
      const clients = map.get(name) ?? new Set();
      map.set(name, clients);
      return clients;
    }
    const entry = this.#patterns.get(name) ?? {
      glob: new Glob(Uint8Array.from(Buffer.from(name, 'latin1')), false, PATTERN_LOOKS),
      clients: new Set(),
    };
    this.#patterns.set(name, entry);
    return entry.clients;
  }
}

function messageOf(
  version: 2 | 3,
  word: string,
  pattern: string | null,
  channel: string,
  payload: Uint8Array,
): Uint8Array {
  // It may wait for long: it takes no more than it needs.
  const reply = new ReplyWriter(FRAME_BYTES + (pattern?.length ?? 0) + channel.length + payload.length);
  reply.version = version;
  reply.push(pattern === null ? 3 : 4);
  reply.bulkText(word);
  if (pattern !== null) reply.bulkText(pattern);
  reply.bulkText(channel);
  reply.bulk(new Span(payload), 0, payload.length);
  return reply.written;
}
