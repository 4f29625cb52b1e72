import type { NodeId } from '../base/index.ts';
import { isPlain } from './ack-level.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import type { Known } from './command.ts';
import { command, Link, type LinkFailure, type LinkKind } from './link.ts';
import type { Peer, Peers } from './peers.ts';

/** Answers of peers about what they hold; see holdings.ts. */
const MAX_HELD_REPLY = 16_384;
const NOTHING = new Uint8Array(0);

export interface ForwarderParts {
  readonly peers: Peers;
  readonly secrets: () => readonly Uint8Array[];
  readonly nowMs: () => number;
}

/** How far a command may still travel: to a server, who may send it on once, or to where it is served or refused. */
export type Hop = 'relay' | 'final';

/**
 * Commands for other nodes, and their answers. One pipelined connection to each peer for each hop and RESP version, made when
 * it is first needed. A client whose peer is slow waits, so that what is under way stays bounded (see Link).
 */
export class Forwarder {
  readonly #parts: ForwarderParts;
  readonly #links = new Map<string, Link>();
  /** Clients that wait for a link to drain. */
  readonly #parked = new Map<Link, Set<Client>>();
  readonly counters = { forwarded: 0, failed: 0, parked: 0 };

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
  }

  get openLinks(): number {
    return this.#links.size;
  }

  /** Sends the call as it is; its answer takes its place among the client's replies. */
  forward(call: Call, peer: Peer, hop: Hop): void {
    const { client } = call;
    const place = client.outlet.place();
    const silent = client.isSilent;
    const isWrite = mayChange(call.known);
    const link = this.#send(call, encode(call), peer, hop, (reply, failure) => {
      const bytes = reply ?? Buffer.from(failureText(peer, failure, isWrite), 'latin1');
      client.outlet.fill(place, silent ? NOTHING : bytes);
    });
    if (link.full) this.#park(call, link);
  }

  /** Sends a command made of parts of the call, or another one; `replies`: as Link. */
  send(call: Call, bytes: Uint8Array, peer: Peer, hop: Hop, replies = 1): Promise<Uint8Array> {
    const isWrite = mayChange(call.known);
    return new Promise((resolve) => {
      const done = (reply: Uint8Array | null, failure: LinkFailure | null): void =>
        resolve(reply ?? Buffer.from(failureText(peer, failure, isWrite), 'latin1'));
      const link = this.#send(call, bytes, peer, hop, done, replies);
      if (link.full) this.#park(call, link);
    });
  }

  /** Which slots of these ranges, pairs of positions, a peer holds keys of; null: no answer. */
  ask(peer: Peer, ranges: readonly number[]): Promise<readonly number[] | null> {
    return new Promise((resolve) => {
      const link = this.#link(peer, 'final2');
      link.send(command('SHOAL', 'HELD', ...ranges.map(String)), 1, (reply) =>
        resolve(reply === null ? null : slotsIn(reply)),
      );
    });
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #send(
    call: Call,
    bytes: Uint8Array,
    peer: Peer,
    hop: Hop,
    done: (reply: Uint8Array | null, failure: LinkFailure | null) => void,
    replies = 1,
  ): Link {
    this.counters.forwarded++;
    const link = this.#link(peer, `${hop}${call.client.version}`);
    const level = levelOf(call);
    const whole = level === null ? bytes : Buffer.concat([level, bytes]);
    link.send(whole, level === null ? replies : replies + 1, (reply, failure) => {
      if (reply === null) this.counters.failed++;
      done(reply, failure);
    });
    return link;
  }

  #link(peer: Peer, kind: LinkKind): Link {
    const key = `${peer.id}/${kind}`;
    let link = this.#links.get(key);
    if (link !== undefined) return link;
    const { peers, secrets, nowMs } = this.#parts;
    const made: Link = new Link({
      kind,
      self: () => peers.self?.id ?? ('' as NodeId),
      peer: peer.id,
      address: () => {
        const now = peers.get(peer.id);
        return now === undefined || now.address === null ? null : now;
      },
      secrets,
      nowMs,
      drained: () => this.#unpark(made),
    });
    link = made;
    this.#links.set(key, link);
    return link;
  }

  /** The client's further commands wait until the link has room. */
  #park(call: Call, link: Link): void {
    const { client } = call;
    if (client.blocked !== null || call.inTransaction) return;
    this.counters.parked++;
    call.halt = true;
    const parked = this.#parked.get(link) ?? new Set();
    this.#parked.set(link, parked);
    parked.add(client);
    client.blocked = { unblock: () => false, cancel: () => parked.delete(client) };
  }

  #unpark(link: Link): void {
    const parked = this.#parked.get(link);
    if (parked === undefined) return;
    this.#parked.delete(link);
    for (const client of parked) {
      client.blocked = null;
      client.outlet.resume();
    }
  }
}

/** To do it twice could make a difference. */
function mayChange(known: Known | null): boolean {
  return known === null || known.isWrite || known.name === 'exec';
}

/** What the client gets when there is no answer. A write that may have been done must not be tried again blindly. */
export function failureText({ name }: Peer, failure: LinkFailure | null, isWrite: boolean): string {
  const why = failure?.why ?? 'no answer';
  if (failure?.sent === true && isWrite)
    return `-ERR no answer from the owner, ${name}: ${why}; the command may have been done\r\n`;
  return `-TRYAGAIN the owner, ${name}, did not answer: ${why}\r\n`;
}

/** The call's arguments (those given by `places`, else all) as a command. */
export function encode(call: Call, places?: readonly number[]): Uint8Array {
  const count = places?.length ?? call.count;
  const heads: Buffer[] = [Buffer.from(`*${count}\r\n`, 'latin1')];
  let total = (heads[0] as Buffer).length;
  for (let i = 0; i < count; i++) {
    const length = call.lengthOf(places?.[i] ?? i);
    const head = Buffer.from(`$${length}\r\n`, 'latin1');
    heads.push(head);
    total += head.length + length + 2;
  }
  const out = new Uint8Array(total);
  out.set(heads[0] as Buffer, 0);
  let to = (heads[0] as Buffer).length;
  for (let i = 0; i < count; i++) {
    const from = places?.[i] ?? i;
    const at = call.startOf(from);
    const head = heads[i + 1] as Buffer;
    out.set(head, to);
    to += head.length;
    out.set(call.span.bytes.subarray(at, at + call.lengthOf(from)), to);
    to += call.lengthOf(from);
    out[to++] = 13;
    out[to++] = 10;
  }
  return out;
}

/** The client's level of acknowledgement, to be said before a write; null when it is the plain one, or the write says its own. */
function levelOf(call: Call): Uint8Array | null {
  const { known } = call;
  if (known === null || !(known.isWrite || known.name === 'exec') || call.levelWords(known) > 0) return null;
  const { client } = call;
  const level = client.acksNext ?? client.acks;
  if (isPlain(level)) return null;
  if (client.acksNext !== null) client.useLevelOnce(null);
  return command('CLIENT', 'ACKS', 'NEXT', String(level.memory), String(level.disk), String(level.timeoutMs));
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
