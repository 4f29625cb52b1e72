import type { Address } from '../../../src/base/index.ts';
import { Client, type Outlet, type Pending } from '../../../src/resp/client.ts';
import { createGroupServer } from '../../../src/resp/group-server.ts';
import { ReplyReader } from '../../../src/resp/reply-reader.ts';
import { BROKEN, NEED_MORE } from '../../../src/resp/request.ts';
import { ROLE } from '../../../src/resp/role.ts';
import { FakeGroup, nodeId } from '../../../src/resp/testing/fake-group.ts';
import { Store } from '../../../src/store/index.ts';
import type { Target } from '../target.ts';

const ROLES = [ROLE.local, ROLE.cluster, ROLE.proxy];
/** A command may make a value of megabytes out of an offset: that is what it is for, and slow. */
const LONG_NUMBER = /\d{7,}/g;
const MAX_TURNS = 10_000;
/** What is left of a value of six digits, of the table's own, and of the space it keeps. */
const MAX_HELD_BYTES = 64 << 20;

/** A client's end: what it was sent, in order; what waits for an answer is never sent. */
class Sink implements Outlet {
  readonly waitingBytes = 0;
  readonly sent: Uint8Array[] = [];
  readonly #reply: { written: Uint8Array; length: number };
  isCut = false;
  readonly hasRoom = true;
  readonly isFull = false;

  constructor(reply: { written: Uint8Array; length: number }) {
    this.#reply = reply;
  }

  flush(): void {
    if (this.#reply.length > 0) this.sent.push(this.#reply.written.slice());
    this.#reply.length = 0;
  }

  place(): Pending {
    this.flush();
    return { bytes: null };
  }

  fill(place: Pending, bytes: Uint8Array): boolean {
    place.bytes = bytes;
    this.sent.push(bytes);
    return false;
  }

  whenTaken(call: () => void): void {
    call();
  }

  push(bytes: Uint8Array): void {
    this.flush();
    this.sent.push(bytes);
  }

  resume(): void {}

  cut(): void {
    this.isCut = true;
  }
}

/**
 * What a server does with it: a node of a group, with half of the slots. Whatever is asked, in one piece or in many, every answer is a
 * reply of RESP, nothing throws, and when the client is gone nothing of it is left.
 */
export function conversationTarget(): Target {
  const map = new FakeGroup();
  const self = nodeId(1);
  map.join(self, '127.0.0.1:1' as Address);
  map.register(self, 0, 0x7fffffff);
  const store = new Store();
  const { server, router, close } = createGroupServer({
    node: map.node(self),
    store,
    keys: null,
    open: false,
    nowMs: () => performance.now(),
    level: '1m0d',
    settings: { 'proto-max-bulk-len': `${1 << 20}` },
  });
  const { dispatcher, state } = server;
  const names = [...state.commands.every()];
  let fed = 0;

  /** Runs what came until nothing of it can be run now. */
  function run(client: Client, sink: Sink): void {
    for (let turn = 0; !client.closing && client.blocked === null && !sink.isCut; turn++) {
      if (turn > MAX_TURNS) throw new Error('does not come to an end');
      const outcome = dispatcher.run(client, Date.now(), 128);
      sink.flush();
      state.unpause();
      store.endTurn();
      if (outcome === NEED_MORE || outcome === BROKEN) return;
    }
  }

  function converse(input: Uint8Array, piece: number): string[] {
    const client = new Client(++fed, '127.0.0.1:9', Date.now());
    client.role = ROLES[(input[0] ?? 0) % ROLES.length] ?? ROLE.local;
    const sink = new Sink(dispatcher.call.reply);
    client.outlet = sink;
    state.clients.set(client.id, client);
    for (let at = 1; at < input.length; at += piece) {
      client.request.feed(input.slice(at, at + piece));
      run(client, sink);
    }
    state.forget(client);
    return repliesOf(sink);
  }

  function clean(): void {
    const { watches, channels, monitors, paused, clients } = state;
    const left = [watches.clients, channels.channelCount, channels.patternCount, channels.shardCount];
    if ([...left, monitors.size, paused.size, clients.size].some((count) => count > 0))
      throw new Error(`left behind: ${left}, ${monitors.size}, ${paused.size}, ${clients.size}`);
    if (store.table.heldBytes > MAX_HELD_BYTES) throw new Error(`holds ${store.table.heldBytes} bytes`);
  }

  return {
    shape: { kind: 'text', words: ['\r\n', '*1\r\n', '*3\r\n', '$1\r\n', ...names.map(({ name }) => name)] },
    seeds: () => [
      ...names.map(({ name, arity }, i) => encoded(i, [named(name.split('|'), Math.abs(arity))])),
      ...CONVERSATIONS.map((lines, i) =>
        encoded(
          i,
          lines.map((line) => line.split(' ')),
        ),
      ),
    ],
    feed(input) {
      const text = Buffer.from(input).toString('latin1');
      const bounded = Buffer.from(
        text.replace(LONG_NUMBER, (digits) => digits.slice(0, 6)),
        'latin1',
      );
      const replies = converse(bounded, bounded.length || 1);
      converse(bounded, 3);
      clean();
      converse(encoded(0, [['FLUSHALL']]), 1000);
      const isTaken = replies.length > 0 && replies.every((reply) => !reply.startsWith('-'));
      return `${isTaken ? '+' : ''}${replies.slice(0, 5).join(' ')}`;
    },
    close: async () => {
      router.close();
      await close();
    },
  };
}

const CONVERSATIONS = [
  ['MULTI', 'SET a 1', 'INCR a', 'WATCH b', 'EXEC', 'GET a'],
  ['WATCH a b', 'MULTI', 'GET a', 'EXEC x', 'UNWATCH'],
  ['HELLO 3', 'SUBSCRIBE a b', 'PUBLISH a x', 'PSUBSCRIBE a*', 'UNSUBSCRIBE', 'PUNSUBSCRIBE'],
  ['SSUBSCRIBE a', 'SPUBLISH a x', 'RESET', 'PING'],
  ['CLIENT REPLY OFF', 'SET a 1', 'NOTHING', 'CLIENT REPLY ON', 'CLIENT REPLY SKIP', 'GET', 'GET a'],
  ['MONITOR', 'SET a 1', 'CLIENT KILL TYPE normal SKIPME no'],
  ['CLIENT PAUSE 1000', 'SET a 1', 'CLIENT UNPAUSE'],
  ['CLIENT ACKS NEXT 1 0', 'SET a 1 ACKS 1 0', 'MULTI', 'SET a 1', 'EXEC ACKS 1 1 5'],
  ['SET a 1 EX 5 GET', 'SETRANGE a 5 x', 'BITFIELD a SET u8 #1 7 OVERFLOW SAT INCRBY i5 2 9', 'LCS a a IDX'],
  ['WAIT 1 5', 'PING', 'WAITAOF 0 1 5'],
  [
    'CONFIG SET requirepass x timeout 0',
    'AUTH x',
    'HELLO 3 AUTH default x SETNAME a;ack=1m0d',
    'RESET',
    'PING',
  ],
];

/** Enough words for a command, of a key that this node has and of numbers. */
function named(words: readonly string[], count: number): string[] {
  const more = Array.from({ length: Math.max(0, count - words.length) }, (_, i) => (i === 0 ? 'a' : '1'));
  return [...words, ...more];
}

function encoded(role: number, commands: readonly (readonly string[])[]): Uint8Array {
  const texts = commands.map(
    (words) => `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`,
  );
  return Uint8Array.from(Buffer.from(String.fromCharCode(48 + (role % 3)) + texts.join(''), 'latin1'));
}

/** The kinds of all replies; errors by their first word. */
function repliesOf({ sent }: Sink): string[] {
  const reader = new ReplyReader();
  reader.feed(Buffer.concat(sent));
  const kinds: string[] = [];
  let bytes = 0;
  for (let reply = reader.next(); reply !== null; reply = reader.next()) {
    bytes += reply.length;
    const text = Buffer.from(reply.subarray(0, 16)).toString('latin1');
    kinds.push(text.startsWith('-') ? (/^-\w*/.exec(text)?.[0] ?? '-') : text.slice(0, 1));
  }
  const total = sent.reduce((sum, part) => sum + part.length, 0);
  if (reader.error !== '' || bytes !== total)
    throw new Error(`no reply: ${reader.error} after ${bytes} of ${total} bytes`);
  return kinds;
}
