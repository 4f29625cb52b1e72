import { type Address, type NodeId, splitAddress } from '../base/index.ts';
import type { MemberView, StoreNode } from '../node/contract.ts';

/** A node of the group as the store sees it. */
export interface Peer {
  readonly id: NodeId;
  readonly name: string;
  readonly self: boolean;
  /** Alive or suspected: it owns what it has registered. */
  readonly live: boolean;
  readonly suspected: boolean;
  readonly left: boolean;
  /** It has a store. */
  readonly serves: boolean;
  /** Where its store is reached from this node; null: nowhere. */
  readonly address: Address | null;
  readonly host: string;
  readonly port: number;
}

/** The members with what the store needs of them, read again only after one of them changed. */
export class Peers {
  readonly #node: StoreNode;
  readonly byId = new Map<NodeId, Peer>();
  self: Peer | null = null;
  #stale = true;
  /** Rises when it changed who serves, or where. */
  version = 0;
  #text = '';

  constructor(node: StoreNode) {
    this.#node = node;
  }

  changed(): void {
    this.#stale = true;
  }

  refresh(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.byId.clear();
    const members = this.#node.members();
    const me = members.find((member) => member.self);
    const texts: string[] = [];
    for (const member of members) {
      const peer = peerOf(member, me);
      if (peer.self) this.self = peer;
      this.byId.set(peer.id, peer);
      texts.push(
        `${peer.id}${peer.live ? 1 : 0}${peer.left ? 1 : 0}${peer.address ?? ''}${peer.serves}${peer.self}`,
      );
    }
    const text = texts.sort().join();
    if (text !== this.#text) this.version++;
    this.#text = text;
  }

  get(id: NodeId): Peer | undefined {
    return this.byId.get(id);
  }

  /** Live nodes with a store, this one included, by id. */
  serving(): Peer[] {
    return [...this.byId.values()]
      .filter((peer) => peer.live && peer.serves)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function peerOf(member: MemberView, me: MemberView | undefined): Peer {
  const resp = member.resp === null ? null : splitAddress(member.resp);
  // A store that listens on loopback is reached from its own machine only.
  const elsewhere = me !== undefined && hostOf(me) !== hostOf(member);
  const hidden = resp !== null && isLoopback(resp.host) && elsewhere && !isLoopback(hostOf(member));
  return {
    id: member.id,
    name: member.name,
    self: member.self,
    live: member.status === 'alive' || member.status === 'suspect',
    suspected: member.status === 'suspect',
    left: member.status === 'left',
    serves: resp !== null,
    address: hidden ? null : member.resp,
    host: resp?.host ?? '',
    port: resp?.port ?? 0,
  };
}

function hostOf(member: MemberView): string {
  return splitAddress(member.address)?.host ?? '';
}

export function isLoopback(host: string): boolean {
  return /^(::ffff:)?127\./.test(host) || host === '::1' || host.toLowerCase() === 'localhost';
}
