/**
 * The proxy's commands that are no single node's: those with keys of several owners, and those about all keys. Each is taken
 * apart, its parts run at their owners (here, or over a link), and the replies put together, where that is exact:
 *
 * - DEL, UNLINK, EXISTS, TOUCH: the sum. MGET: the values in order. MSET: OK when all are; not atomic over nodes, as no cluster's is.
 * - DBSIZE: the sum over the nodes that are here. KEYS: over all of them. RANDOMKEY: of a node drawn by its number of keys.
 * - FLUSHALL, FLUSHDB: over all nodes, and refused while one that may hold messages is not here.
 * - SCAN: node after node, by id; the cursor's upper bits are the node's place in that order. While nodes come or go, a scan under
 *   way may miss or repeat, as Redis Cluster's clients do when they scan node by node.
 * - EXEC: the whole transaction at the one owner of its keys, over the link, in one piece. WATCH needs the owner itself; commands
 *   about the connection or the node are refused, for the link is not the client's.
 * - A command on one key of a slot whose data is on several live nodes: each is asked whether it has the key.
 *
 * All others over several owners are refused with `-CROSSSLOT`. If a part fails its error is the reply; other parts are done.
 * A level of acknowledgement holds for every part; one that no part could reach is refused before any is sent.
 * Does not know: how owners are found (routing.ts). Bounds: no more parts than nodes, and keys that are sought.
 * Test: routing.test.ts, held-elsewhere.test.ts, test/e2e/store.test.ts.
 */
import type { Store } from '../store/index.ts';
import { type AckLevel, isPlain, shortfall } from './ack-level.ts';
import { Call } from './call.ts';
import { Client, NO_OUTLET } from './client.ts';
import type { Known } from './command.ts';
import { cursorOf } from './commands/scan.ts';
import { encode, takeLevel } from './forward.ts';
import { LargeReply } from './large-reply.ts';
import { command } from './link-handshake.ts';
import { awaitDisk } from './on-disk.ts';
import type { Peer } from './peers.ts';
import { ReplyReader } from './reply-reader.ts';
import { CROSSSLOT, type GroupRouter, type Spread, TO } from './routing.ts';
import type { ServerState } from './state.ts';

/** Lower bits of a group's SCAN cursor: a node's own cursor is below 2^47. */
const NODE_SHIFT = 47n;
const CURSOR_MASK = (1n << NODE_SHIFT) - 1n;

/** Of nodes that are not here, so many are named. */
const SHOWN_NAMES = 5;

/** What EXEC answers after a command that was not queued. */
const SPOILT = Buffer.from('-EXECABORT Transaction discarded because of previous errors.\r\n');

type Join = 'sum' | 'values' | 'ok';
const SPLITTABLE: ReadonlyMap<string, Join> = new Map<string, Join>([
  ['del', 'sum'],
  ['unlink', 'sum'],
  ['exists', 'sum'],
  ['touch', 'sum'],
  ['mget', 'values'],
  ['mset', 'ok'],
]);

/** A part of a command: its keys' arguments, and who runs it; null: this node. */
interface Part {
  readonly peer: Peer | null;
  readonly hop: 'relay' | 'final';
  /** Several of whom one may have its one key; else nobody. */
  readonly holders: readonly Peer[];
  readonly places: number[];
  /** Which of the command's keys they are. */
  readonly order: number[];
}

export class GroupProxy implements Spread {
  readonly #router: GroupRouter;
  readonly #store: Store;
  readonly #server: ServerState;
  #inner: Call | null = null;
  /** By slot, the last of the commands whose keys are sought. */
  readonly #seeking = new Map<number, Promise<void>>();

  constructor(router: GroupRouter, store: Store, server: ServerState) {
    this.#router = router;
    this.#store = store;
    this.#server = server;
  }

  spread(call: Call, known: Known, places: readonly number[]): boolean {
    const join = SPLITTABLE.get(known.name);
    if (join === undefined) return false;
    const step = known.command.keys?.step ?? 1;
    if ((call.count - 1) % step !== 0) {
      call.reply.error(`ERR wrong number of arguments for '${known.name}' command`);
      return true;
    }
    const parts = this.#partsOf(call, places, step);
    if (parts === null) return false;
    const holders = parts.flatMap((part) => lastHop(part.holders));
    if (!this.#router.forwarder.hasRoom(call, [...parts, ...holders])) return true;
    const isHere = parts.some((part) => part.peer === null && part.holders.length === 0);
    if (isHere && this.#server.waitsForRoom(call, known.isWrite)) return true;
    const owners = places.map((place) => this.#router.owners(this.#router.slotOf(call, place)));
    const level = takeLevel(call);
    if (this.#cannotReach(call, level, Math.max(...owners), isHere)) return true;
    const answers = parts.map((part) => {
      const bytes = encode(call, [0, ...part.places]);
      const [place] = part.places;
      if (part.holders.length > 0 && place !== undefined)
        return this.#sought(call, bytes, place, part.holders, level);
      return part.peer === null
        ? this.#here(bytes, call, level)
        : this.#router.forwarder.send(call, bytes, part.peer, part.hop, level);
    });
    this.#answer(
      call,
      Promise.all(answers).then((replies) => joined(join, replies, parts, places.length)),
    );
    return true;
  }

  seek(call: Call, place: number, holders: readonly Peer[]): void {
    if (!this.#router.forwarder.hasRoom(call, lastHop(holders))) return;
    this.#answer(call, this.#sought(call, whole(call), place, holders, takeLevel(call)));
    if (!call.client.outlet.hasRoom) call.halt = true;
  }

  isSeeking(slot: number): boolean {
    return this.#seeking.has(slot);
  }

  keyless(call: Call, known: Known): boolean {
    switch (known.name) {
      case 'dbsize':
        return this.#everywhere(call, (replies) => joined('sum', replies, [], 0));
      case 'keys':
        return this.#everywhere(call, allElements);
      case 'flushall':
      case 'flushdb':
        return (
          this.#lacksNobody(call, known) && this.#everywhere(call, (replies) => joined('ok', replies, [], 0))
        );
      case 'randomkey':
        return this.#randomKey(call);
      case 'scan':
        return this.#scan(call);
      case 'exec':
        return this.#exec(call);
      default:
        return true;
    }
  }

  /**
   * The answer of the holder that has the key, or of the first one when none has. Commands on a slot go one after the other, all
   * through the slot's server: so no key comes to be at a second holder between the question and the command.
   */
  #sought(
    call: Call,
    bytes: Uint8Array,
    place: number,
    holders: readonly Peer[],
    level: AckLevel | null,
  ): Promise<Uint8Array> {
    const { client } = call;
    client.soughtBytes += bytes.length;
    const slot = this.#router.slotOf(call, place);
    const sender = { client, known: call.known, halt: false };
    const question = Buffer.concat([Buffer.from('*2\r\n$6\r\nEXISTS\r\n'), body(encode(call, [place]))]);
    const answer = (this.#seeking.get(slot) ?? Promise.resolve()).then(async () => {
      const { forwarder } = this.#router;
      for (const peer of holders) {
        const there = integerOf(await forwarder.send(sender, question, peer, 'final'));
        if (there === null)
          return Buffer.from(
            `-TRYAGAIN data of slot ${slot} may be on ${peer.name}, which does not say so now\r\n`,
          );
        if (there > 0) return forwarder.send(sender, bytes, peer, 'final', level);
      }
      return forwarder.send(sender, bytes, holders[0] as Peer, 'final', level);
    });
    const done = answer.then(() => {
      client.soughtBytes -= bytes.length;
      if (this.#seeking.get(slot) === done) this.#seeking.delete(slot);
    });
    this.#seeking.set(slot, done);
    return answer;
  }

  /** Null when some part cannot be run now; the router then says why. */
  #partsOf(call: Call, places: readonly number[], step: number): Part[] | null {
    const router = this.#router;
    const parts = new Map<string, Part>();
    for (const [order, place] of places.entries()) {
      const to = router.decide(call, place);
      if (to === TO.wait || to === TO.refuse) return null;
      const { peer } = router;
      const hop = to === TO.relay ? 'relay' : 'final';
      const isSought = to === TO.seek;
      const key = isSought ? `${order}` : peer === null ? '' : `${peer.id}${hop}`;
      let part = parts.get(key);
      if (part === undefined) {
        part = { peer, hop, holders: isSought ? router.holders : [], places: [], order: [] };
        parts.set(key, part);
      }
      for (let k = 0; k < step; k++) part.places.push(place + k);
      part.order.push(order);
    }
    return [...parts.values()];
  }

  /** Refuses a write whose level is beyond one node's copy. */
  #cannotReach(call: Call, level: AckLevel | null, owners: number, isHere: boolean): boolean {
    // Whether another node keeps things on disk it says itself.
    const missing = level === null ? '' : shortfall(level, owners, !isHere || this.#store.backend.durable);
    if (missing !== '') call.reply.error(missing);
    return missing !== '';
  }

  /** Runs a command here and gives its reply, once what the level asks for is so. */
  #here(bytes: Uint8Array, outer: Call, level: AckLevel | null = null): Promise<Uint8Array> {
    this.#inner ??= new Call(this.#store, this.#server);
    const inner = this.#inner;
    inner.client = new Client(0, outer.client.address, outer.nowMs);
    const { request } = inner.client;
    inner.request = request;
    inner.nowMs = outer.nowMs;
    inner.reply.version = outer.client.version;
    request.feed(bytes);
    request.next();
    inner.select(0);
    const known = this.#server.commands.find(inner.span.bytes, inner.startOf(0), inner.lengthOf(0));
    if (known === undefined) return Promise.resolve(Buffer.from('-ERR unknown command\r\n'));
    if (known.keyFirst && inner.count > 1)
      this.#store.table.announce(0, inner.span, inner.startOf(1), inner.lengthOf(1));
    inner.known = known;
    const { backend } = this.#store;
    const before = backend.sequence;
    const { client } = inner;
    const late = new Promise<Uint8Array>((resolve) => {
      client.outlet = {
        ...NO_OUTLET,
        fill: (_, answer) => {
          resolve(answer instanceof LargeReply ? answer.whole() : answer);
          return false;
        },
      };
    });
    this.#server.runPart(inner, known);
    if (client.blocked !== null) return late;
    const reply = inner.reply.takeWhole();
    if (level === null || isPlain(level) || backend.sequence === before) return Promise.resolve(reply);
    return new Promise((resolve) =>
      awaitDisk(this.#store, level, (error) => resolve(error === '' ? reply : Buffer.from(`-${error}\r\n`))),
    );
  }

  #answer(call: Call, reply: Promise<Uint8Array>): void {
    const { client } = call;
    const place = client.outlet.place();
    const silent = client.isSilent;
    void reply.then((bytes) => client.outlet.fill(place, silent ? new Uint8Array(0) : bytes));
  }

  /** What is to be gone for good is refused while a node that may hold some of it is not here: it would come back with it. */
  #lacksNobody(call: Call, known: Known): boolean {
    const names = this.#router.holdings.absent().map(({ name }) => name);
    if (names.length === 0) return true;
    const shown = names.slice(0, SHOWN_NAMES).join(', ');
    call.reply.error(
      `TRYAGAIN ${known.name.toUpperCase()} is for the whole group, and messages on ${shown} cannot be reached now`,
    );
    return false;
  }

  #others(): Peer[] {
    return this.#router.peers.serving().filter((peer) => !peer.self && peer.address !== null);
  }

  #everywhere(call: Call, join: (replies: readonly Uint8Array[]) => Uint8Array): boolean {
    const others = this.#others();
    if (others.length === 0) return true;
    const { forwarder } = this.#router;
    if (!forwarder.hasRoom(call, lastHop(others))) return false;
    if (this.#server.waitsForRoom(call, call.known?.isWrite === true)) return false;
    const level = takeLevel(call);
    if (this.#cannotReach(call, level, 1, true)) return false;
    const bytes = whole(call);
    const answers = others.map((peer) => forwarder.send(call, bytes, peer, 'final', level));
    this.#answer(call, Promise.all([this.#here(bytes, call, level), ...answers]).then(join));
    return false;
  }

  #randomKey(call: Call): boolean {
    const others = this.#others();
    if (others.length === 0) return true;
    const { forwarder } = this.#router;
    if (!forwarder.hasRoom(call, lastHop(others))) return false;
    const sizes = others.map((peer) => forwarder.send(call, command('DBSIZE'), peer, 'final'));
    const own = this.#store.table.size;
    const here = this.#here(whole(call), call);
    const sender = { client: call.client, known: call.known, halt: false };
    const answer = Promise.all(sizes).then(async (replies) => {
      const counts = replies.map((reply) => Math.max(0, integerOf(reply) ?? 0));
      const all = counts.reduce((sum, count) => sum + count, own);
      let drawn = Math.random() * all - own;
      if (drawn < 0) return here;
      for (const [i, count] of counts.entries()) {
        drawn -= count;
        if (drawn < 0) return forwarder.send(sender, command('RANDOMKEY'), others[i] as Peer, 'final');
      }
      return here;
    });
    this.#answer(call, answer);
    return false;
  }

  #scan(call: Call): boolean {
    const cursor = cursorOf(call);
    const nodes = this.#router.peers.serving().filter((peer) => peer.self || peer.address !== null);
    if (nodes.length <= 1 || cursor === null) return true;
    const index = Number(cursor >> NODE_SHIFT);
    const node = nodes[index];
    // Nodes have gone: the scan is over.
    if (node === undefined) {
      call.reply.text('*2\r\n$1\r\n0\r\n*0\r\n');
      return false;
    }
    if (!node.self && !this.#router.forwarder.hasRoom(call, lastHop([node]))) return false;
    const inner = command('SCAN', String(cursor & CURSOR_MASK));
    const rest = Array.from({ length: call.count - 2 }, (_, i) => i + 2);
    const head = `*${call.count}\r\n`;
    const bytes = Buffer.concat([
      Buffer.from(head),
      inner.subarray(inner.indexOf(10) + 1),
      body(encode(call, rest)),
    ]);
    const reply = node.self
      ? this.#here(bytes, call)
      : this.#router.forwarder.send(call, bytes, node, 'final');
    this.#answer(
      call,
      reply.then((whole) => withCursor(whole, index, nodes.length)),
    );
    return false;
  }

  #exec(call: Call): boolean {
    const { client } = call;
    const { transaction } = client;
    const owner = transaction === null ? null : this.#router.ownerOf(transaction);
    if (transaction === null || owner === null || transaction.failed) return true;
    // Those queued first may be this node's: that passes without a look at what follows.
    if (client.watched.size > 0 || transaction.elsewhere < transaction.count) {
      this.#server.endTransaction(client);
      call.reply.error(`${CROSSSLOT}: keys of this transaction, or watched for it, are on several nodes`);
      return false;
    }
    const { forwarder } = this.#router;
    if (!forwarder.hasRoom(call, [{ peer: owner, hop: 'relay' }])) return false;
    const bytes = Buffer.concat([command('MULTI'), transaction.bytes, whole(call)]);
    const replies = transaction.count + 2;
    const reply = forwarder.send(call, bytes, owner, 'relay', takeLevel(call), replies);
    // The errors before it were answers to what the client was told is queued.
    const refused = Buffer.from(
      `-EXECABORT Transaction discarded because ${owner.name} refused a command of it\r\n`,
    );
    this.#answer(
      call,
      reply.then((last) => (SPOILT.equals(last) ? refused : last)),
    );
    this.#server.endTransaction(client);
    return false;
  }
}

/** To be asked as the last hop. */
function lastHop(peers: readonly Peer[]): { peer: Peer; hop: 'final' }[] {
  return peers.map((peer) => ({ peer, hop: 'final' }));
}

/** The command as it came, in memory of its own. */
function whole(call: Call): Uint8Array {
  const { request, index } = call;
  return request.span.bytes.slice(request.beginOf(index), request.endOf(index));
}

/** Replies of parts as one; the first error is the reply. */
function joined(
  join: Join,
  replies: readonly Uint8Array[],
  parts: readonly Part[],
  keys: number,
): Uint8Array {
  for (const reply of replies) if (reply[0] === 45) return reply;
  if (join === 'ok') return Buffer.from('+OK\r\n');
  if (join === 'sum') {
    const sum = replies.reduce((total, reply) => total + (integerOf(reply) ?? 0), 0);
    return Buffer.from(`:${sum}\r\n`);
  }
  const values = new Array<Uint8Array>(keys);
  for (const [i, reply] of replies.entries()) {
    for (const [k, value] of elementsOf(reply).entries()) {
      const order = parts[i]?.order[k];
      if (order !== undefined) values[order] = value;
    }
  }
  for (let i = 0; i < keys; i++)
    if (values[i] === undefined) return Buffer.from('-ERR an owner answered too little\r\n');
  return Buffer.concat([Buffer.from(`*${keys}\r\n`), ...values]);
}

function allElements(replies: readonly Uint8Array[]): Uint8Array {
  for (const reply of replies) if (reply[0] === 45) return reply;
  const all = replies.flatMap(elementsOf);
  return Buffer.concat([Buffer.from(`*${all.length}\r\n`), ...all]);
}

/** The elements of an array, each as it stands. */
function elementsOf(reply: Uint8Array): Uint8Array[] {
  const reader = new ReplyReader();
  reader.feed(body(reply));
  const elements: Uint8Array[] = [];
  for (let element = reader.next(); element !== null; element = reader.next()) elements.push(element);
  return elements;
}

/** What follows the first line. */
function body(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.indexOf(10) + 1);
}

function integerOf(reply: Uint8Array): number | null {
  const text = Buffer.from(reply).toString('latin1');
  return /^:\d+\r\n$/.test(text) ? Number(text.slice(1)) : null;
}

/** A node's answer to SCAN with the group's cursor in place of its own. */
function withCursor(reply: Uint8Array, index: number, nodes: number): Uint8Array {
  if (reply[0] !== 42) return reply;
  const [cursor, keys] = elementsOf(reply);
  if (cursor === undefined || keys === undefined) return reply;
  const shown = Buffer.from(body(cursor)).toString('latin1').trim();
  if (!/^\d{1,20}$/.test(shown)) return Buffer.from('-ERR a node answered SCAN with no cursor\r\n');
  const own = BigInt(shown);
  const place = own > 0n ? index : index + 1;
  const text = own === 0n && place >= nodes ? '0' : String((BigInt(place) << NODE_SHIFT) | own);
  return Buffer.concat([Buffer.from(`*2\r\n$${text.length}\r\n${text}\r\n`), keys]);
}
