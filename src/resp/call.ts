import { assert } from '../base/index.ts';
import { Crowded, PIECE_BYTES, type Rope, type Span, type Store } from '../store/index.ts';
import { Client, type WriteReply } from './client.ts';
import type { Known } from './command.ts';
import type { LargeReply } from './large-reply.ts';
import { int64, smallInteger } from './numbers.ts';
import { ReplyWriter } from './reply.ts';
import type { RequestReader } from './request.ts';
import type { ServerState } from './state.ts';

/** Room of a deferred answer. */
const DEFERRED_BYTES = 256;
/** Strings are in the engine's heap, which ends the process when it is full, and have a greatest length. */
const MAX_TEXT_BYTES = 1 << 20;

/**
 * What a command's handler works with: the arguments, the store, the client, and the reply. One object serves all commands of
 * a server; it is the handler's until it returns. Argument 0 is the command's name.
 */
export class Call {
  readonly store: Store;
  readonly server: ServerState;
  readonly reply = new ReplyWriter(256 * 1024);
  client = new Client(0, '', 0);
  request: RequestReader = this.client.request;
  /** Wall clock of the turn, in milliseconds. */
  nowMs = 0;
  /** Arguments, with the name. */
  count = 0;
  known: Known | null = null;
  /** The client's further commands wait for another turn. */
  halt = false;
  /** Within EXEC: nothing may be deferred. */
  inTransaction = false;
  /** What long work of the transaction may take still. */
  stepsLeftMs = 0;
  /** Up to here the reply is sent though the client wants none: messages, and answers to subscriptions. */
  kept = 0;
  #index = 0;
  #first = 0;

  constructor(store: Store, server: ServerState) {
    this.store = store;
    this.server = server;
  }

  /** Of a command that ends with `ACKS m d [ms]`: how many words that is, else 0. */
  levelWords(known: Known): number {
    const { count } = this;
    if (count < known.acksFrom) return 0;
    if (this.is(count - 3, 'ACKS')) return 3;
    return count > known.acksFrom && this.is(count - 4, 'ACKS') ? 4 : 0;
  }

  /** Runs a command's handler; for a key that has no room the answer is an error. */
  run(known: Known): void {
    const from = this.reply.length;
    try {
      known.run(this);
    } catch (error) {
      if (!(error instanceof Crowded)) throw error;
      this.reply.cut(from);
      this.reply.error(`ERR ${error.message}`);
    }
  }

  /** The command is run again, as if it came anew, when the client's commands go on. */
  putBack(known: Known): void {
    known.calls--;
    this.request.putBack(this.#index);
    this.halt = true;
  }

  get isPutBack(): boolean {
    return this.request.size <= this.#index;
  }

  /** The last `count` arguments are not the handler's. */
  drop(count: number): void {
    this.count -= count;
  }

  /**
   * The answer comes later: by calling what this gives. The client's next commands are not run before. `kind` says what
   * CLIENT UNBLOCK and the end of the connection do.
   */
  defer(onUnblock?: WriteReply, onCancel?: () => void): (write: WriteReply) => void {
    const { client } = this;
    const fill = this.later();
    const answer = (write: WriteReply): void => {
      if (client.blocked !== blocked) return;
      client.blocked = null;
      fill(write);
      client.outlet.resume();
    };
    const blocked = {
      unblock: (withError: boolean): boolean => {
        if (onUnblock === undefined) return false;
        onCancel?.();
        answer(withError ? unblocked : onUnblock);
        return true;
      },
      cancel: (): void => onCancel?.(),
    };
    client.blocked = blocked;
    this.halt = true;
    return answer;
  }

  /** As `defer`, but the client's next commands are run meanwhile; their answers wait for this one. */
  later(): (write: WriteReply) => void {
    assert(!this.inTransaction, 'nothing in a transaction is deferred');
    const { client } = this;
    const place = client.outlet.place();
    const { isSilent } = client;
    return (write) => client.outlet.fill(place, isSilent ? NOTHING : rendered(client, write));
  }

  get index(): number {
    return this.#index;
  }

  /** Goes to command `index` of the batch. */
  select(index: number): void {
    this.#index = index;
    this.#first = this.request.firsts[index] as number;
    this.count = this.request.counts[index] as number;
  }

  /** Where the bytes of the arguments are. */
  get span(): Span {
    return this.request.span;
  }

  startOf(i: number): number {
    return this.request.starts[this.#first + i] as number;
  }

  lengthOf(i: number): number {
    return this.request.lengths[this.#first + i] as number;
  }

  /** Looks up argument 1, which the dispatcher has announced, as a key; see MessageTable.lookup. */
  findKey(): boolean {
    const { table } = this.store;
    table.nameAhead(this.#index, this.request.span, this.startOf(1), this.lengthOf(1));
    return table.find();
  }

  /** Looks up argument `i` as a key; see MessageTable.lookup. */
  find(i: number): boolean {
    return this.store.table.lookup(this.request.span, this.startOf(i), this.lengthOf(i));
  }

  /** As `findKey`, for a command that reads: a hit or a miss. */
  readKey(): boolean {
    return this.#counted(this.findKey());
  }

  /** As `find`, likewise. */
  read(i: number): boolean {
    return this.#counted(this.find(i));
  }

  #counted(found: boolean): boolean {
    if (found) this.server.counters.hits++;
    else this.server.counters.misses++;
    return found;
  }

  /** Gives the key looked up argument `i` as its value. */
  put(i: number, expiryMs: number): void {
    const length = this.lengthOf(i);
    const rope = length > PIECE_BYTES ? this.ropeOf(i) : null;
    if (rope === null) this.store.table.put(this.request.span, this.startOf(i), length, expiryMs);
    else this.store.table.putRope(rope, expiryMs);
  }

  /** Argument `i` of a large command, if it is itself large; null: it is where all others are. */
  ropeOf(i: number): Rope | null {
    return this.request.rope(this.#first + i);
  }

  /** Whether argument `i` is this upper-case word, in either case. */
  is(i: number, word: string): boolean {
    if (this.lengthOf(i) !== word.length) return false;
    const { bytes } = this.request.span;
    const at = this.startOf(i);
    for (let k = 0; k < word.length; k++) {
      const byte = bytes[at + k] as number;
      if ((byte >= 97 && byte <= 122 ? byte - 32 : byte) !== word.charCodeAt(k)) return false;
    }
    return true;
  }

  /** Argument `i` as Latin-1 text, every byte a character; of one that is longer than `most`, or than any text should be, the beginning. */
  text(i: number, most = MAX_TEXT_BYTES): string {
    const { bytes } = this.request.span;
    const length = Math.min(this.lengthOf(i), most);
    const rope = this.ropeOf(i);
    if (rope !== null) return Buffer.concat(rope.parts(0, length)).toString('latin1');
    return Buffer.from(bytes.buffer, bytes.byteOffset + this.startOf(i), length).toString('latin1');
  }

  /** Argument `i` as errors of Redis, which is C, repeat it: up to the first zero byte. */
  shown(i: number): string {
    const text = this.text(i);
    const zero = text.indexOf('\0');
    return zero < 0 ? text : text.slice(0, zero);
  }

  /** A copy of argument `i`. */
  bytes(i: number): Uint8Array {
    const at = this.startOf(i);
    return this.request.span.bytes.slice(at, at + this.lengthOf(i));
  }

  /**
   * Argument `i` as a signed 64-bit number, or null; the nearest double of one with more than 15 digits: see `int64` where that
   * matters.
   */
  integer(i: number): number | null {
    const { bytes } = this.request.span;
    const small = smallInteger(bytes, this.startOf(i), this.lengthOf(i));
    if (!Number.isNaN(small)) return small;
    const big = this.int64(i);
    return big === null ? null : Number(big);
  }

  /** Argument `i` as a signed 64-bit number, or null. */
  int64(i: number): bigint | null {
    return int64(this.request.span.bytes, this.startOf(i), this.lengthOf(i));
  }
}

const NOTHING = new Uint8Array(0);
const unblocked: WriteReply = (reply) => reply.error('UNBLOCKED client unblocked via CLIENT UNBLOCK');

function rendered(client: Client, write: WriteReply): Uint8Array | LargeReply {
  const reply = new ReplyWriter(DEFERRED_BYTES);
  reply.version = client.version;
  write(reply);
  return reply.insertedBytes > 0 ? reply.takeLarge() : reply.written;
}
