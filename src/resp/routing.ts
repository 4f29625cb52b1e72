/**
 * Routing: which node runs a command, decided by its keys' slots, and what the client is told when it is not this one.
 *
 * Intuition: Redis Cluster's redirections for clients that know them (`-MOVED`, `-CROSSSLOT`, `-CLUSTERDOWN`, `-TRYAGAIN`), and
 * forwarding for those that do not. A command makes at most two hops between nodes: to the server of its slot (`relay`), and
 * from there to whoever has the data, or to whom that node takes for the server (`final`); then it is served or refused with
 * `-TRYAGAIN`, so that two views that disagree never send a command in circles. A slot split between owners is served, for
 * clients, by the owner of its first owned position, who forwards what is not his: clients move whole slots only.
 *
 * | client is at | slot is another's | slot is this node's |
 * |---|---|---|
 * | cluster port | `-MOVED` to its server | run |
 * | proxy port | forwarded to its server | run |
 * | relay link | forwarded to its server, as final | run |
 * | final link | run if this node keeps its data, else `-TRYAGAIN` | run |
 *
 * "Run" is: wait while the slot is unsettled (at most `WAIT_MS`, then `-TRYAGAIN`); forward to its holder while the data is
 * elsewhere (holdings.ts), to that of several which has the key (`seek`, proxy.ts); else run here. With both sides holding data a key that is here is served here.
 *
 * Does not know: how bytes travel (forward.ts), how commands over several owners are put together (proxy.ts). In: the node's
 * events. Called by the dispatcher for whatever its look at `state` does not let pass. Invariant: a command on keys runs here
 * only when this node may answer for every key of it. Test: routing.test.ts, held-elsewhere.test.ts, test/e2e/store.test.ts.
 */
import type { StoreInfoView, StoreNode } from '../node/contract.ts';
import { positionOf, slotAt } from '../ranges/index.ts';
import type { Store } from '../store/index.ts';
import type { Call } from './call.ts';
import type { Blocked, Client } from './client.ts';
import type { Known } from './command.ts';
import { Forwarder, type Hop } from './forward.ts';
import { Holdings } from './holdings.ts';
import { type Peer, Peers } from './peers.ts';
import { ROLE } from './role.ts';
import { ELSEWHERE, HELD, KIND_MASK, MINE, PART, SlotMap, UNOWNED, UNSETTLED } from './slots.ts';
import type { Router } from './state.ts';
import type { Transaction } from './transaction.ts';

/** A command waits so long for its slot to be settled. */
const WAIT_MS = 1_000;

export const CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot";

/** Commands without keys that are the same at every node, and say nothing of the connection they come by: each has one reply. */
const ANYWHERE = new Set(['ping', 'echo', 'time', 'publish', 'select']);
/** What nodes ask each other beside commands on keys. A link is many clients': none of them may change what it is. */
const OVER_LINKS = new Set([
  ...ANYWHERE,
  ...['multi', 'exec', 'discard', 'dbsize', 'keys', 'scan', 'randomkey', 'flushall', 'flushdb', 'shoal|held'],
]);
/** What a link itself begins with, and says before a command of another level; never within a transaction, which is a client's. */
const OF_LINKS = new Set(['hello', 'client|acks']);

/** Where a command is to go. */
export const TO = { here: 0, wait: 1, refuse: 2, relay: 3, final: 4, seek: 5 } as const;
export type To = (typeof TO)[keyof typeof TO];

/** Commands over several owners; see proxy.ts. */
export interface Spread {
  /** True when it has taken the command on. */
  spread(call: Call, known: Known, places: readonly number[]): boolean;
  /** A command on one key, the argument at `place`, that is at one of these nodes or at none. */
  seek(call: Call, place: number, holders: readonly Peer[]): void;
  /** Such commands on the slot are under way: those that follow must not overtake them. */
  isSeeking(slot: number): boolean;
  /** A command without keys, of a client at the proxy's port: true when it runs here as it is. */
  keyless(call: Call, known: Known): boolean;
}

export interface RouterParts {
  readonly node: StoreNode;
  readonly store: Store;
  /** What nodes prove to each other that they are of one group; see link-auth.ts. */
  readonly secrets: () => readonly Uint8Array[];
  /** Links from other machines need no proof. */
  readonly open: boolean;
  readonly nowMs: () => number;
}

export class GroupRouter implements Router {
  readonly peers: Peers;
  readonly slots: SlotMap;
  readonly holdings: Holdings;
  readonly forwarder: Forwarder;
  readonly state: Uint8Array;
  readonly secrets: () => readonly Uint8Array[];
  readonly open: boolean;
  spread: Spread | null = null;
  /** Of the last answer of `decide`: whom to forward to, or what to refuse with. */
  peer: Peer | null = null;
  error = '';
  /** After `TO.seek`: the nodes of which one may have the key. */
  holders: readonly Peer[] = [];
  /** Called when slots may have another server. */
  slotsChanged: () => void = () => {};
  readonly #parts: RouterParts;
  /** Clients whose next command waits for its slot, until when, and as what; of who was told to go on, until he did. */
  readonly #waiting = new Map<Client, { readonly until: number; readonly blocked: Blocked }>();
  /** Transactions at the proxy's port whose keys are another node's. */
  readonly #owners = new WeakMap<Transaction, Peer>();
  #timer: NodeJS.Timeout | null = null;
  #scheduled = false;
  readonly #stopListening: () => void;
  readonly counters = { moved: 0, crossSlot: 0, down: 0, tryAgain: 0, waited: 0, linksRefused: 0 };

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.secrets = parts.secrets;
    this.open = parts.open;
    const { node, store, secrets, nowMs } = parts;
    this.peers = new Peers(node);
    this.slots = new SlotMap(node, this.peers);
    this.state = this.slots.state;
    this.forwarder = new Forwarder({ peers: this.peers, secrets, nowMs });
    this.holdings = new Holdings({
      node,
      store,
      nowMs,
      peers: this.peers,
      slots: this.slots,
      ask: (peer, ranges) => this.forwarder.ask(peer, ranges),
      settled: () => this.#resume(),
    });
    this.#stopListening = node.onEvent((event) => {
      if (event.type === 'owners-changed' && event.range !== undefined)
        this.slots.changed(event.range.start, event.range.end);
      else if (event.type.startsWith('member-')) this.peers.changed();
      // A release of what is not owned now changes who may hold data, and no owner.
      else if (!event.type.startsWith('range-')) return;
      this.#refreshSoon();
    });
    this.refresh();
  }

  refresh(): void {
    this.#scheduled = false;
    const changed = this.slots.refresh();
    this.holdings.follow();
    if (changed) this.slotsChanged();
  }

  /** Shard channels have no data: who serves their slot has their subscribers, wherever its messages are. */
  servesShard(channel: Uint8Array): boolean {
    return this.slots.serverOf(slotAt(positionOf(channel))) === this.peers.self?.id;
  }

  begin(): void {
    if (this.#scheduled) this.refresh();
  }

  ownerOf(transaction: Transaction): Peer | null {
    return this.#owners.get(transaction) ?? null;
  }

  owners(slot: number): number {
    return Math.max(1, this.#parts.node.ownership().ownersAt((slot << 18) >>> 0).length);
  }

  route(call: Call, known: Known): boolean {
    const { client } = call;
    if (client.role === ROLE.local) return true;
    const { keys } = known.command;
    if (keys === null) {
      if (client.role !== ROLE.proxy) return this.#keylessOnLink(call, known);
      if (this.spread === null || call.inTransaction) return true;
      if (client.transaction === null || known.name === 'exec') return this.spread.keyless(call, known);
      return this.#keylessQueued(call, known, client.transaction);
    }
    const isShard = keys.flags?.includes('not_key') === true;
    if (known.oneKey && !isShard) return this.#follow(call, known, this.decide(call, 1));
    const places = known.keysOf(call.count - call.levelWords(known));
    const [first] = places;
    if (first === undefined) return true;
    if (client.role === ROLE.cluster && places.length > 1) {
      const slot = this.slotOf(call, first);
      for (const place of places) if (this.slotOf(call, place) !== slot) return this.#refuse(call, CROSSSLOT);
    }
    if (isShard) return this.#shard(call, known, places);
    let to = this.decide(call, first);
    const { peer } = this;
    let slot = this.slotOf(call, first);
    let apart = to === TO.seek && places.length > 1;
    for (let i = 1; i < places.length && to !== TO.wait && to !== TO.refuse; i++) {
      const place = places[i] as number;
      const other = this.slotOf(call, place);
      if (other === slot && !this.#isParted(slot)) continue;
      slot = other;
      const next = this.decide(call, place);
      if (next === TO.wait || next === TO.refuse) to = next;
      else if (next !== to || next === TO.seek || this.peer !== peer) apart = true;
    }
    if (apart && to !== TO.wait && to !== TO.refuse) return this.#apart(call, known, places);
    if (to !== TO.refuse) this.peer = peer;
    return this.#follow(call, known, to, first);
  }

  /** Where a command on the key at argument `i` is to go; `peer` and `error` then say more. */
  decide(call: Call, i: number): To {
    const { role } = call.client;
    const slot = this.slotOf(call, i);
    const now = this.state[slot] as number;
    this.peer = null;
    if (now === MINE) return TO.here;
    const kind = now & KIND_MASK;
    if (kind === UNOWNED) {
      if (role === ROLE.final && this.holdings.keeps(slot)) return TO.here;
      return this.#refusal('CLUSTERDOWN Hash slot not served');
    }
    if (role === ROLE.cluster && (kind === ELSEWHERE || kind === PART)) return this.#moved(slot);
    const server = !this.slots.isSplit(slot)
      ? this.slots.serverOf(slot)
      : this.slots.serverAt(positionAt(call, i));
    if (server === null) return this.#refusal('CLUSTERDOWN Hash slot not served');
    if (server === this.peers.self?.id) return this.#own(call, i, slot, now);
    if (role === ROLE.final)
      return this.holdings.keeps(slot) ? TO.here : this.#refusal(`TRYAGAIN slot ${slot} is not this node's`);
    return this.#toPeer(this.peers.get(server), role === ROLE.relay ? 'final' : 'relay', slot);
  }

  slotCounts(): StoreInfoView['slots'] {
    const counts = { served: 0, unsettled: 0, held: 0, elsewhere: 0, unowned: 0 };
    for (const now of this.state) {
      const kind = now & KIND_MASK;
      if (kind === UNOWNED) counts.unowned++;
      else if (kind === ELSEWHERE || kind === PART) counts.elsewhere++;
      else counts.served++;
      if ((now & UNSETTLED) !== 0) counts.unsettled++;
      else if ((now & HELD) !== 0) counts.held++;
    }
    return counts;
  }

  /** Messages that are here though this node does not serve their slots. */
  strays(): number {
    const { table } = this.#parts.store;
    let count = 0;
    for (const [slot, now] of this.state.entries()) {
      const kind = now & KIND_MASK;
      if (kind === UNOWNED || kind === ELSEWHERE) count += table.countInSlot(slot);
    }
    return count;
  }

  slotOf(call: Call, i: number): number {
    return this.#parts.store.table.name(call.span, call.startOf(i), call.lengthOf(i));
  }

  close(): void {
    this.#stopListening();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.holdings.close();
    this.forwarder.close();
  }

  #refreshSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Events of one input come one by one: they are taken in together, before the next command that looks at the map.
    setImmediate(() => this.#scheduled && this.refresh());
  }

  /** A key of this node's, whose slot has something about it. */
  #own(call: Call, i: number, slot: number, now: number): To {
    if ((now & UNSETTLED) !== 0) return TO.wait;
    if ((now & HELD) === 0) return TO.here;
    const { table } = this.#parts.store;
    if (table.countInSlot(slot) > 0 && call.find(i)) return TO.here;
    const { here, away } = this.holdings.holdersOf(slot);
    if (away.length > 0)
      return this.#refusal(`TRYAGAIN data of slot ${slot} may be on ${away.join(', ')}, not reachable now`);
    if (call.client.role === ROLE.final) {
      const names = here.map(({ name }) => name).join(', ');
      return this.#refusal(`TRYAGAIN data of slot ${slot} is on ${names}, and this was the last hop`);
    }
    this.holders = here;
    const isSought = here.length > 1 || (here.length === 1 && this.spread?.isSeeking(slot) === true);
    return isSought ? TO.seek : this.#toPeer(here[0], 'final', slot);
  }

  #toPeer(peer: Peer | undefined, hop: Hop, slot: number): To {
    if (peer === undefined || peer.address === null)
      return this.#refusal(
        `CLUSTERDOWN the store of ${peer?.name ?? `slot ${slot}'s owner`} is on loopback of another machine`,
      );
    this.peer = peer;
    return hop === 'relay' ? TO.relay : TO.final;
  }

  #moved(slot: number): To {
    const server = this.slots.serverOf(slot);
    const peer = server === null ? undefined : this.peers.get(server);
    if (peer === undefined || peer.address === null)
      return this.#refusal('CLUSTERDOWN Hash slot not served: its owner cannot be reached from here');
    return this.#refusal(`MOVED ${slot} ${peer.host}:${peer.port}`);
  }

  #refusal(error: string): To {
    this.error = error;
    return TO.refuse;
  }

  #isParted(slot: number): boolean {
    return this.slots.isSplit(slot) || ((this.state[slot] as number) & HELD) !== 0;
  }

  /** Only what leaves the link as it is, with one reply for each command: the replies that follow are other clients'. */
  #keylessOnLink(call: Call, known: Known): boolean {
    const { client } = call;
    if (client.role === ROLE.cluster || OVER_LINKS.has(known.name)) return true;
    const isAlone = client.transaction === null && !call.inTransaction;
    if (isAlone && OF_LINKS.has(known.name)) return true;
    return this.#refuse(call, `ERR ${shownName(known)} is not for links between nodes`);
  }

  /** At the proxy: what is about the connection or the node has no meaning at the owner of the transaction's keys. */
  #keylessQueued(call: Call, known: Known, transaction: Transaction): boolean {
    if (ANYWHERE.has(known.name)) {
      transaction.elsewhere++;
      return true;
    }
    if (this.#owners.has(transaction)) return this.#refuse(call, notElsewhere(shownName(known)));
    if (transaction.onlyHere === '') transaction.onlyHere = shownName(known);
    return true;
  }

  /** A command on shard channels. */
  #shard(call: Call, known: Known, places: readonly number[]): boolean {
    const { role } = call.client;
    if (role !== ROLE.cluster && role !== ROLE.proxy && known.name !== 'spublish')
      return this.#refuse(call, `ERR ${shownName(known)} is not for links between nodes`);
    for (const place of places) {
      const slot = this.slotOf(call, place);
      const server = this.slots.serverOf(slot);
      if (server === null) return this.#refuse(call, 'CLUSTERDOWN Hash slot not served');
      if (server === this.peers.self?.id || role === ROLE.final) continue;
      if (role === ROLE.cluster) this.#moved(slot);
      else if (known.name !== 'spublish')
        this.#refusal('ERR shard channels are at the node that serves their slot: use its cluster port');
      else {
        const hop = role === ROLE.relay ? 'final' : 'relay';
        return this.#follow(call, known, this.#toPeer(this.peers.get(server), hop, slot));
      }
      return this.#refuse(call, this.error);
    }
    return true;
  }

  #apart(call: Call, known: Known, places: readonly number[]): boolean {
    const { client } = call;
    this.#waiting.delete(client);
    if (
      client.transaction === null &&
      !call.inTransaction &&
      this.spread?.spread(call, known, places) === true
    )
      return false;
    // Of one slot: what Redis says while keys of it are on two nodes.
    if (client.role === ROLE.cluster)
      return this.#refuse(call, 'TRYAGAIN Multiple keys request during rehashing of slot');
    return this.#refuse(call, `${CROSSSLOT}: they are on several nodes`);
  }

  #follow(call: Call, known: Known, to: To, place = 1): boolean {
    const { client } = call;
    if (to !== TO.wait && this.#waiting.size > 0) this.#waiting.delete(client);
    if (to === TO.here) return true;
    if (to === TO.refuse) return this.#refuse(call, this.error);
    if (client.transaction !== null) return this.#queued(call, client.transaction, to);
    if (call.inTransaction) return this.#refuse(call, 'TRYAGAIN the keys of this transaction have moved');
    if (to === TO.wait) return this.#wait(call, known);
    if (known.name === 'watch')
      return this.#refuse(call, 'ERR WATCH works at the node that owns the key: use its cluster port');
    if (to === TO.seek) this.spread?.seek(call, place, this.holders);
    else this.forwarder.forward(call, this.peer as Peer, to === TO.relay ? 'relay' : 'final');
    return false;
  }

  /** At the proxy a transaction may be another node's, as a whole. It looks at every command again. */
  #queued(call: Call, transaction: Transaction, to: To): boolean {
    const { peer } = this;
    if (to !== TO.relay || peer === null || call.client.role !== ROLE.proxy)
      return this.#refuse(
        call,
        'TRYAGAIN the data of this key is not at the node where the transaction was begun',
      );
    if (transaction.onlyHere !== '') return this.#refuse(call, notElsewhere(transaction.onlyHere));
    const owner = this.#owners.get(transaction);
    if (owner === undefined) this.#owners.set(transaction, peer);
    else if (owner.id !== peer.id) return this.#refuse(call, `${CROSSSLOT}: they are on several nodes`);
    transaction.elsewhere++;
    return true;
  }

  /** The command is put back, and is run again when slots were settled; for so long only. */
  #wait(call: Call, known: Known): boolean {
    const { client } = call;
    const now = this.#parts.nowMs();
    const until = this.#waiting.get(client)?.until ?? now + WAIT_MS;
    if (now >= until) {
      this.#waiting.delete(client);
      return this.#refuse(call, 'TRYAGAIN the owner of this slot is new and asks where its data is');
    }
    if (!this.#waiting.has(client)) this.counters.waited++;
    call.putBack(known);
    const blocked = { unblock: () => false, cancel: () => this.#waiting.delete(client) };
    client.blocked = blocked;
    this.#waiting.set(client, { until, blocked });
    this.#timer ??= setInterval(() => this.#resume(true), WAIT_MS / 4).unref();
    return false;
  }

  /** Lets those go on who wait; `late`: only whose time is over. */
  #resume(late = false): void {
    const now = this.#parts.nowMs();
    for (const [client, { until, blocked }] of this.#waiting) {
      // Who was told to go on, and left before he did.
      if (client.closing) this.#waiting.delete(client);
      // Also who waits for something else now.
      if (client.blocked !== blocked || (late && now < until)) continue;
      // The next wait, of another slot, has a time of its own.
      if (!late) this.#waiting.delete(client);
      client.blocked = null;
      client.outlet.resume();
    }
    if (this.#waiting.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #refuse(call: Call, error: string): boolean {
    const { counters } = this;
    this.#waiting.delete(call.client);
    call.client.prepared = null;
    if (error.startsWith('MOVED')) counters.moved++;
    else if (error.startsWith('CROSS')) counters.crossSlot++;
    else if (error.startsWith('CLUSTERDOWN')) counters.down++;
    else counters.tryAgain++;
    call.reply.error(error);
    return false;
  }
}

function shownName({ name }: Known): string {
  return name.toUpperCase().replace('|', ' ');
}

function notElsewhere(name: string): string {
  return `ERR ${name} cannot be in a transaction on keys of another node: send it before MULTI, or use the cluster port of the keys' owner`;
}

function positionAt(call: Call, i: number): number {
  const at = call.startOf(i);
  return positionOf(call.span.bytes.subarray(at, at + call.lengthOf(i)));
}
