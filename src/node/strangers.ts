import {
  type Address,
  BoundedMap,
  hostOf,
  LIMITS,
  type NodeId,
  SourceLimits,
  TokenBucket,
} from '../base/index.ts';
import { type MemberList, type MemberRecord, STATE } from '../members/index.ts';
import { KIND, type Message } from '../wire/index.ts';
import { decodeGroup } from './group.ts';

/** Datagrams from whom this node does not know to be a member. */
const DATAGRAMS = {
  perSecond: 100,
  burst: 400,
  allPerSecond: 1000,
  allBurst: 4000,
  hosts: LIMITS.strangerHosts,
};
/** New members that one host may bring, itself included, while it is none that answered this node for a while. */
const NEWCOMERS = { perSecond: 4, burst: 256, unproven: 256 } as const;
/** A member that was alive for so long, and answered from where it speaks, may bring as many as a group has, but not all at once. */
const ESTABLISHED_MS = 30_000;
const BROUGHT = { perSecond: 8, burst: 2048 } as const;
/** One that went without an answer makes room for another after this long: a host brings so many more in that time. */
const GONE_MS = 60 * 60_000;
/** Between two looks at which of a host's newcomers have answered meanwhile; a refusal is shown for the other. */
const LOOK_MS = 1000;
const SHOWN_MS = 60_000;
/**
 * A record of somebody else counts up to this far above what is known of that one, and of one unknown up to `first`: who
 * forges one leaves room above it, and is refuted. Honest ones go up one at a time.
 */
export const INCARNATIONS = { jump: 2 ** 20, first: 2 ** 40 } as const;

interface Source {
  readonly bucket: TokenBucket;
  /** Of its established members. */
  readonly brought: TokenBucket;
  /** Brought by it, and never heard to answer this node. */
  readonly unproven: Set<NodeId>;
  lookMs: number;
}

/** Who brings what is being taken in. */
interface Speaker {
  readonly address: Address;
  readonly peer: NodeId;
  /** This node called it because it was told to. */
  readonly asked: boolean;
  /** On a stream that this node opened. */
  readonly called: boolean;
}

/**
 * Where nothing is sealed anybody can send datagrams, and invent members. What strangers may cost is bounded here: so
 * many datagrams looked at in a second, so many new members from one host, of which none is ever taken out for another.
 * Whoever answers as a member would for half a minute, at an address of its record, is believed more; its name alone is
 * nothing, for anybody can write it. Without a key no more can be had.
 */
export class Strangers {
  readonly counters = { newcomersRefused: 0, jumpsRefused: 0 };
  readonly #limited: boolean;
  readonly #members: MemberList;
  readonly #datagrams = new SourceLimits(DATAGRAMS);
  /** Addresses that members spoke from. */
  readonly #known = new BoundedMap<Address, NodeId>(LIMITS.members);
  /** Since when a member answers questions sent to this address, by id and address. */
  readonly #provenMs = new BoundedMap<string, number>(LIMITS.members);
  readonly #sources = new BoundedMap<string, Source>(LIMITS.strangerHosts);
  #speaker: Speaker | null = null;
  #refused: { host: string; atMs: number } | null = null;

  constructor(members: MemberList, limited: boolean) {
    this.#members = members;
    this.#limited = limited;
  }

  /** Whether a datagram from there is looked at. */
  admits(from: Address, nowMs: number): boolean {
    return !this.#limited || this.#known.has(from) || this.#datagrams.admit(from, nowMs);
  }

  /** What came from there was nothing that a member says: one that never answered loses its name for it. */
  garbage(from: Address, nowMs: number): void {
    const id = this.#known.get(from);
    if (id === undefined || this.#datagrams.admit(from, nowMs)) return;
    if ((this.#members.get(id)?.srttMs ?? -1) < 0) this.#known.delete(from);
  }

  /** A member spoke from there. */
  heard(from: Address, id: NodeId): void {
    if (this.#limited && !this.#known.has(from)) this.#known.set(from, id);
  }

  /** Who speaks told what it could know only from a question sent to where it speaks from. */
  answered(id: NodeId, nowMs: number): void {
    const speaker = this.#speaker;
    if (speaker === null || speaker.peer !== id) return;
    const key = `${id} ${speaker.address}`;
    const isThere = this.#members.get(id)?.record.addresses.includes(speaker.address) === true;
    if (isThere && !this.#provenMs.has(key)) this.#provenMs.set(key, nowMs);
  }

  /** What is taken in from now until `silence` comes from this peer. */
  speaks(from: Address | null, peer: NodeId, asked: boolean, called = asked): void {
    this.#speaker = !this.#limited || from === null ? null : { address: from, peer, asked, called };
  }

  /**
   * Whether a record with this incarnation is looked at. One far above what is known comes only from a stream that this
   * node opened, to a contact or to an established member: by that nodes agree again when one of them was taken in.
   */
  believes(id: NodeId, incarnation: number, nowMs: number): boolean {
    const speaker = this.#speaker;
    if (speaker === null || speaker.asked) return true;
    const known = this.#members.get(id)?.record.incarnation;
    if (incarnation <= (known === undefined ? INCARNATIONS.first : known + INCARNATIONS.jump)) return true;
    if (speaker.called && this.#isEstablished(speaker, nowMs)) return true;
    this.counters.jumpsRefused++;
    return false;
  }

  silence(): void {
    this.#speaker = null;
  }

  /** Whether a record may make a new member. */
  admitsMember({ id }: MemberRecord, nowMs: number): boolean {
    const speaker = this.#speaker;
    if (speaker === null || speaker.asked || this.#members.get(id) !== undefined) return true;
    // Refused for want of room below, and not to be remembered.
    if (this.#members.size >= LIMITS.members) return true;
    const source = this.#sourceOf(hostOf(speaker.address));
    if (this.#isEstablished(speaker, nowMs) && source.brought.take(nowMs)) return true;
    if (source.unproven.size >= NEWCOMERS.unproven) this.#look(source, nowMs);
    if (source.unproven.size < NEWCOMERS.unproven && source.bucket.take(nowMs)) {
      source.unproven.add(id);
      return true;
    }
    this.counters.newcomersRefused++;
    this.#refused = { host: hostOf(speaker.address), atMs: nowMs };
    return false;
  }

  warnings(nowMs: number): string[] {
    const refused = this.#refused;
    if (refused === null || nowMs - refused.atMs > SHOWN_MS) return [];
    return [
      `${refused.host} brings more new members than one node should (${this.counters.newcomersRefused} refused so far): ` +
        'find out what runs there, and give the group a key (shoal keygen)',
    ];
  }

  /** The sender's id alone says nothing, nor does its host: on loopback all share one. */
  #isEstablished({ address, peer }: Speaker, nowMs: number): boolean {
    const member = this.#members.get(peer);
    if (member === undefined || member.record.state > STATE.suspect) return false;
    const sinceMs = Math.max(member.stateMs, this.#provenMs.get(`${peer} ${address}`) ?? Infinity);
    return nowMs - sinceMs >= ESTABLISHED_MS && member.record.addresses.includes(address);
  }

  #sourceOf(host: string): Source {
    let source = this.#sources.get(host);
    if (source === undefined) {
      const bucket = new TokenBucket(NEWCOMERS.perSecond, NEWCOMERS.burst);
      const brought = new TokenBucket(BROUGHT.perSecond, BROUGHT.burst);
      source = { bucket, brought, unproven: new Set(), lookMs: -Infinity };
      this.#sources.set(host, source);
    }
    return source;
  }

  #look(source: Source, nowMs: number): void {
    if (nowMs - source.lookMs < LOOK_MS) return;
    source.lookMs = nowMs;
    for (const id of source.unproven) {
      const member = this.#members.get(id);
      const proven = member === undefined || member.srttMs >= 0;
      if (proven || (member.record.state > STATE.suspect && nowMs - member.stateMs >= GONE_MS)) {
        source.unproven.delete(id);
      }
    }
  }
}

/** The sender's own record, when its message carries it: lets a stranger in. */
export function introduction(sender: NodeId, m: Message, cluster: string): MemberRecord | null {
  switch (m.kind) {
    case KIND.beacon: {
      const who = m.introduction;
      return who !== null && who.cluster === cluster && who.record.id === sender ? who.record : null;
    }
    case KIND.tree:
    case KIND.list:
    case KIND.multicast:
    case KIND.repair:
      return decodeGroup(m.payload)?.records.find((record) => record.id === sender) ?? null;
    default:
      return null;
  }
}
