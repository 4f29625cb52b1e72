import type { NodeId } from '../base/index.ts';
import type { AckLevel } from './ack-level.ts';
import type { Call } from './call.ts';
import type { Blocked, Client, Outlet, Pending } from './client.ts';
import type { Known } from './command.ts';
import { type Asker, Link, type LinkFailure } from './link.ts';
import { command } from './link-handshake.ts';
import { COPIED_BYTES } from './outgoing.ts';
import type { Peer, Peers } from './peers.ts';

/** Answers of peers about what they hold; see holdings.ts. */
const MAX_HELD_REPLY = 16_384;
const NOTHING = new Uint8Array(0);

export interface ForwarderParts {
  readonly peers: Peers;
  readonly secrets: () => readonly Uint8Array[];
  readonly nowMs: () => number;
}

/** Whose command it is that something is sent for; the connection's own Call is the next command's after a wait. */
export type Sender = Pick<Call, 'client' | 'known' | 'halt'>;

/** How far a command may still travel: to a server, who may send it on once, or to where it is served or refused. */
export type Hop = 'relay' | 'final';

/**
 * Commands for other nodes, and their answers. One pipelined connection to each peer for each hop and RESP version, made when
 * it is first needed. A client whose peer is slow waits, so that what is under way stays bounded (see Link).
 */
export class Forwarder {
  readonly #parts: ForwarderParts;
  /** Of each peer by `placeOf`. */
  readonly #links = new Map<NodeId, (Link | undefined)[]>();
  /** Clients that wait for a link to drain, and as what. */
  readonly #parked = new Map<Link, Map<Client, Blocked>>();
  readonly counters = { forwarded: 0, failed: 0, parked: 0, held: 0, cut: 0 };

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
  }

  /** Sends the call as it came; its answer takes its place among the client's replies. */
  forward(call: Call, peer: Peer, hop: Hop): void {
    const { client, request } = call;
    const link = this.#link(peer, hop, client.version);
    if (link.full) {
      this.#park(call, link);
      return;
    }
    const answer = new Forwarded(this, call, peer, link);
    client.outlet.place(answer);
    if (mayChange(call.known)) client.wroteElsewhere = true;
    this.counters.forwarded++;
    const at = request.beginOf(call.index);
    const isOwn = request.large !== null;
    link.send(answer, call.span, at, request.endOf(call.index) - at, takeLevel(call), isOwn);
    if (!client.outlet.hasRoom) call.halt = true;
  }

  /** Nothing more is read of a link while a client does not take what came, who is cut if that lasts: others wait for their answers. */
  hold(link: Link, outlet: Outlet): void {
    if (!link.hold(outlet)) return;
    this.counters.held++;
    outlet.whenTaken(() => link.letGo(outlet));
  }

  /** Whether a part of the call may be sent to each of the peers now; else the client's command waits, and is run again. */
  hasRoom(call: Call, peers: Iterable<{ readonly peer: Peer | null; readonly hop: Hop }>): boolean {
    for (const { peer, hop } of peers) {
      if (peer === null) continue;
      const link = this.#link(peer, hop, call.client.version);
      if (!link.full) continue;
      this.#park(call, link);
      return false;
    }
    return true;
  }

  /** Sends a command made of parts of the call, or another one, or several that have `replies` replies, of which the last is given. */
  send(
    call: Sender,
    bytes: Uint8Array,
    peer: Peer,
    hop: Hop,
    level: AckLevel | null = null,
    replies = 1,
  ): Promise<Uint8Array> {
    this.counters.forwarded++;
    const isWrite = mayChange(call.known);
    if (isWrite) call.client.wroteElsewhere = true;
    return new Promise((resolve) => {
      const failed = (failure: LinkFailure): void => {
        this.counters.failed++;
        resolve(failureText(peer, failure, isWrite));
      };
      const link = this.#link(peer, hop, call.client.version);
      const { outlet } = call.client;
      const answered = (reply: Uint8Array): void => {
        resolve(reply);
        if (outlet.isFull && !outlet.hasRoom) this.hold(link, outlet);
      };
      link.sendBytes(new Answer(answered, failed, replies), bytes, level);
      if (!outlet.hasRoom) call.halt = true;
    });
  }

  /** Which slots of these ranges, pairs of positions, a peer holds keys of; null: no answer. */
  ask(peer: Peer, ranges: readonly number[]): Promise<readonly number[] | null> {
    return new Promise((resolve) => {
      const answer = new Answer(
        (reply) => resolve(slotsIn(reply)),
        () => resolve(null),
      );
      this.#link(peer, 'final', 2).sendBytes(answer, command('SHOAL', 'HELD', ...ranges.map(String)), null);
    });
  }

  close(): void {
    for (const links of this.#links.values()) for (const link of links) link?.close();
    this.#links.clear();
  }

  #link(peer: Peer, hop: Hop, version: 2 | 3): Link {
    let links = this.#links.get(peer.id);
    if (links === undefined) {
      links = [undefined, undefined, undefined, undefined];
      this.#links.set(peer.id, links);
    }
    const place = placeOf(hop, version);
    const link = links[place] ?? this.#makeLink(peer.id, hop, version);
    links[place] = link;
    return link;
  }

  #makeLink(id: NodeId, kind: Hop, version: 2 | 3): Link {
    const { peers, secrets, nowMs } = this.#parts;
    const link: Link = new Link({
      kind,
      version,
      self: () => peers.self?.id ?? ('' as NodeId),
      peer: id,
      address: () => {
        const now = peers.get(id);
        return now === undefined || now.address === null ? null : now;
      },
      secrets,
      nowMs,
      drained: () => this.#unpark(link),
      cut: () => {
        this.counters.cut++;
      },
    });
    return link;
  }

  /** The client's command, and what follows it, waits until the link has room. */
  #park(call: Call, link: Link): void {
    const { client } = call;
    this.counters.parked++;
    const parked = this.#parked.get(link) ?? new Map<Client, Blocked>();
    this.#parked.set(link, parked);
    if (call.known !== null) call.putBack(call.known);
    const blocked = { unblock: () => false, cancel: () => parked.delete(client) };
    client.blocked = blocked;
    parked.set(client, blocked);
  }

  #unpark(link: Link): void {
    const parked = this.#parked.get(link);
    if (parked === undefined) return;
    this.#parked.delete(link);
    for (const [client, blocked] of parked) {
      if (client.blocked !== blocked) continue;
      client.blocked = null;
      client.outlet.resume();
    }
  }
}

/** A command under way, and its place among the client's replies. */
class Forwarded implements Asker, Pending {
  bytes: Uint8Array | null = null;
  replies = 1;
  size = 0;
  readonly #forwarder: Forwarder;
  readonly #client: Client;
  readonly #peer: Peer;
  readonly #link: Link;
  readonly #isWrite: boolean;
  readonly #isSilent: boolean;

  constructor(forwarder: Forwarder, { client, known }: Call, peer: Peer, link: Link) {
    this.#forwarder = forwarder;
    this.#client = client;
    this.#peer = peer;
    this.#link = link;
    this.#isWrite = mayChange(known);
    this.#isSilent = client.isSilent;
  }

  answered(reply: Uint8Array): void {
    if (this.#client.outlet.fill(this, this.#isSilent ? NOTHING : reply))
      this.#forwarder.hold(this.#link, this.#client.outlet);
  }

  failed(failure: LinkFailure): void {
    this.#forwarder.counters.failed++;
    const text = failureText(this.#peer, failure, this.#isWrite);
    this.#client.outlet.fill(this, this.#isSilent ? NOTHING : text);
  }
}

class Answer implements Asker {
  replies: number;
  size = 0;
  readonly failed: (failure: LinkFailure) => void;
  readonly #resolve: (reply: Uint8Array) => void;

  constructor(resolve: (reply: Uint8Array) => void, failed: (failure: LinkFailure) => void, replies = 1) {
    this.#resolve = resolve;
    this.failed = failed;
    this.replies = replies;
  }

  answered(reply: Uint8Array): void {
    this.#resolve(reply.length > COPIED_BYTES ? reply : new Uint8Array(reply));
  }
}

function placeOf(hop: Hop, version: 2 | 3): number {
  return (hop === 'relay' ? 0 : 2) + version - 2;
}

/** To do it twice could make a difference. */
function mayChange(known: Known | null): boolean {
  return known === null || known.isWrite || known.name === 'exec';
}

/** What the client gets when there is no answer. A write that may have been done must not be tried again blindly. */
function failureText({ name }: Peer, { sent, why }: LinkFailure, isWrite: boolean): Uint8Array {
  const text =
    sent && isWrite
      ? `-ERR no answer from the owner, ${name}: ${why}; the command may have been done\r\n`
      : `-TRYAGAIN the owner, ${name}, did not answer: ${why}\r\n`;
  return Buffer.from(text, 'latin1');
}

/** The call's arguments at `places` as a command. */
export function encode(call: Call, places: readonly number[]): Uint8Array {
  const pieces: Uint8Array[] = [Buffer.from(`*${places.length}\r\n`, 'latin1')];
  for (const place of places) {
    const at = call.startOf(place);
    const length = call.lengthOf(place);
    // With its line end, which is there.
    pieces.push(Buffer.from(`$${length}\r\n`, 'latin1'), call.span.bytes.subarray(at, at + length + 2));
  }
  return Buffer.concat(pieces);
}

/** What the client's write is to wait for, for all parts of it; null: it is none, or says so itself. */
export function takeLevel(call: Call): AckLevel | null {
  const { client, known } = call;
  if (known === null) return null;
  const writes = known.isWrite || (known.name === 'exec' && client.transaction?.writes === true);
  if (!writes || call.levelWords(known) > 0) return null;
  const next = client.acksNext;
  if (next === null) return client.acks;
  client.useLevelOnce(null);
  return next;
}

function slotsIn(reply: Uint8Array): number[] | null {
  const text = Buffer.from(reply).toString('latin1');
  if (!text.startsWith('*')) return null;
  const slots = text
    .split('\r\n')
    .slice(1, -1)
    .map((line) => (line.startsWith(':') ? Number(line.slice(1)) : -1));
  if (slots.length > MAX_HELD_REPLY || slots.some((slot) => !(slot >= 0 && slot < 16_384))) return null;
  return slots;
}
