import type { Socket } from 'node:net';
import { LIMITS } from '../base/index.ts';
import { Span } from '../store/index.ts';
import type { Client, Outlet, Pending } from './client.ts';
import { Dawdling } from './dawdling.ts';
import type { Dispatcher } from './dispatcher.ts';
import { Excess } from './excess.ts';
import { isStreamFull, setReading, sharingReads, writeNow } from './flow.ts';
import { LargeReply, SENT } from './large-reply.ts';
import { Messages } from './messages.ts';
import { COPIED_BYTES, Outgoing } from './outgoing.ts';
import { BROKEN, READY } from './request.ts';
import type { Turns } from './turns.ts';
import { Window } from './window.ts';

/** Commands between two looks at the clock. */
const SLICE = 128;
/** After larger ones the writer begins with a small buffer again. */
const WIDE_BYTES = 256 * 1024;
/** While more waits for a client that does not take it, or for an earlier reply, those who bring replies are to bring no more. */
const HOLD_BYTES = 2 * LIMITS.respWaitingBytes;
/** What a place in the order of replies takes beside its bytes, about. */
const PLACE_BYTES = 100;
/** What comes while a client's command waits is taken in up to so much; more stays in the socket. */
const INPUT_BYTES = 64 * 1024;

/**
 * One socket with its client: bytes in, replies out in order. Reading stops while replies wait that the other side does not
 * take, or that the disk holds up; what runs at once is the Turns' affair.
 */
export class Connection implements Outlet {
  readonly client: Client;
  /** Not the one that was given, where reads can be shared: see flow.ts. */
  readonly socket: Socket;
  readonly #turns: Turns;
  readonly #dispatcher: Dispatcher;
  /** In a queue of the Turns. */
  queued = false;
  readonly #messages = new Messages();
  /** Replies that wait, in order; the first one's bytes are not known yet, or not to be told. */
  #waiting: Pending[] = [];
  #waitingBytes = 0;
  /** So many of them, from the first on, are in `#out`, which is sent at the end of the tick. */
  #gone = 0;
  readonly #out = new Outgoing();
  #releases = false;
  readonly #window = new Window();
  /** Called when the other side has taken some of what waits, or all, or is gone. */
  #takers: (() => void)[] = [];
  /** Those of them that this slice's writes hold back. */
  #held: { pending: Pending; bytes: Uint8Array | LargeReply }[] = [];
  readonly #excess = new Excess();
  readonly #dawdling: Dawdling;
  /** Bytes written past the socket's stream and kept until the kernel has all of them; see writeNow. */
  #left = 0;
  readonly #leftWent = (): void => {
    this.#left = 0;
    if (!isStreamFull(this.socket)) this.#drained();
  };
  /** The socket has more than it takes: nothing is run until it is drained. */
  #isFull = false;
  #isPaused = false;
  /** The server asked for the pause; see Turns. */
  #isHeldBack = false;
  #hasEnded = false;
  /** In another round of the event loop more of a large reply is sent. */
  #sendsOn = false;
  readonly #sendOn = (): void => {
    this.#sendsOn = false;
    this.#release();
  };

  constructor(client: Client, socket: Socket, turns: Turns, dispatcher: Dispatcher) {
    this.client = client;
    this.#dawdling = new Dawdling(client.connectedMs);
    this.#turns = turns;
    this.#dispatcher = dispatcher;
    client.outlet = this;
    client.request.scratch = turns.scratch;
    client.request.spare = turns.spare;
    const { shared } = turns;
    const own = sharingReads(socket, shared.bytes, (length) => {
      if (client.closing) return;
      client.request.feedShared(shared, length);
      this.#came(length);
    });
    this.socket = own ?? socket;
    if (own === null)
      socket.on('data', (chunk) => {
        if (client.closing) return;
        client.request.feed(chunk);
        this.#came(chunk.length);
      });
    this.socket.on('drain', () => this.#drained());
    this.socket.on('close', () => this.#took());
    if (turns.holdsBack) this.holdBack(true);
  }

  /** Bytes that wait to be sent, or to be allowed to. */
  get waitingBytes(): number {
    return this.#unsentBytes() + this.#out.length + this.#messages.bytes + this.#waitingBytes;
  }

  #unsentBytes(): number {
    return this.socket.writableLength + this.#left;
  }

  get hasRoom(): boolean {
    return this.#waiting.length < LIMITS.respWaitingReplies && this.#window.hasRoom(this.#waitingBytes);
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Bytes that came and were not run. */
  get inputBytes(): number {
    return this.client.request.inputBytes;
  }

  /** Memory that this client takes, of its own doing. */
  get heldBytes(): number {
    let bytes = this.#unsentBytes() + this.#out.heldBytes + this.#messages.bytes + this.#waitingBytes;
    for (const { bytes: reply } of this.#waiting)
      if (reply instanceof LargeReply) bytes += reply.heldBytes - reply.length;
    return bytes + this.#waiting.length * PLACE_BYTES + this.client.heldBytes;
  }

  get isClosing(): boolean {
    return this.client.closing || this.socket.destroyed;
  }

  get waitsForDisk(): boolean {
    return this.#waiting.length > 0;
  }

  /** Runs what has come, for as long as the turn has time; false when nothing is left that can be run now. */
  work(): boolean {
    const more = this.#work();
    this.client.request.settle();
    return more;
  }

  #work(): boolean {
    const { client } = this;
    const dispatcher = this.#dispatcher;
    while (this.#mayRun()) {
      const outcome = dispatcher.run(client, this.#turns.nowMs, SLICE);
      this.flush();
      if (client.holds) this.#holdEnds();
      if (outcome === BROKEN || client.closing) {
        this.#end();
        return false;
      }
      if (outcome !== READY) {
        this.#pause(this.#isHeldBack);
        return false;
      }
      if (!this.#mayRun()) break;
      if (!this.#turns.hasTime()) {
        this.#pause(true);
        return true;
      }
    }
    this.#pause(!this.#readsAhead() || this.#isHeldBack);
    return false;
  }

  flush(): void {
    const { reply } = this.#dispatcher.call;
    const { length } = reply;
    if (length === 0 || this.#dispatcher.call.client !== this.client) return;
    if (reply.insertedBytes > 0) {
      this.#sendLarge(reply.takeLarge());
      return;
    }
    this.client.bytesOut += length;
    if (this.#waiting.length > 0 || this.client.holds) {
      this.#keep(length < COPIED_BYTES ? reply.written.slice() : reply.take());
      reply.length = 0;
      return;
    }
    if (this.socket.destroyed) {
      reply.length = 0;
      return;
    }
    if (this.#messages.bytes > 0) {
      this.sendPushes();
      // Those that were kept because the socket is full go before this reply, too.
      this.#out.send(this.socket);
    }
    const left = this.#left > 0 ? -1 : writeNow(this.socket, reply.written, this.#leftWent);
    if (left < 0) this.socket.write(reply.written);
    else this.#left = left;
    // What the kernel took at once may be written over; what it did not is the socket's now.
    if (this.#unsentBytes() > 0 || length > WIDE_BYTES) reply.take();
    else reply.length = 0;
    if (left > 0) this.#filled();
    else if (left < 0) this.#noteFull();
  }

  /** In its place in the order, from which it is sent bit by bit. */
  #sendLarge(reply: LargeReply): void {
    this.client.bytesOut += reply.length;
    if (this.#messages.bytes > 0) this.sendPushes();
    this.#keep(reply);
    this.#release();
  }

  place(place: Pending = { bytes: null }): Pending {
    this.flush();
    if (this.#messages.bytes > 0) this.sendPushes();
    this.#waiting.push(place);
    this.#window.asked();
    return place;
  }

  fill(place: Pending, bytes: Uint8Array | LargeReply): boolean {
    if (place.bytes !== null || this.socket.destroyed) return false;
    const { length } = bytes;
    this.client.bytesOut += length;
    this.#window.came(length);
    const isFirst = place === this.#waiting[this.#gone];
    if (isFirst && bytes instanceof Uint8Array) {
      this.#out.keep(bytes);
      place.bytes = NOTHING;
      this.#gone++;
    } else {
      // Not a copy of what is long, nor a view of what others read into.
      place.bytes = bytes instanceof Uint8Array && length <= COPIED_BYTES ? new Uint8Array(bytes) : bytes;
      this.#waitingBytes += length;
    }
    // Many of a tick, from one link, go out as one write.
    if (!this.#releases) process.nextTick(() => this.#release());
    this.#releases = true;
    return this.waitingBytes > HOLD_BYTES && (this.#isFull || !isFirst);
  }

  whenTaken(call: () => void): void {
    if (this.socket.destroyed) call();
    else this.#takers.push(call);
  }

  push(bytes: Uint8Array): void {
    const { call } = this.#dispatcher;
    // To itself it goes where its reply goes, but never into the reply of a transaction.
    if (call.client === this.client && this.#turns.isRunning(this) && !call.inTransaction) {
      call.reply.raw(new Span(bytes));
      call.kept = call.reply.length;
      return;
    }
    if (this.socket.destroyed || this.#hasEnded) return;
    this.client.bytesOut += bytes.length;
    if (this.#waiting.length > 0) {
      this.#keep(bytes);
      this.#turns.noted(bytes.length);
    } else if (this.#messages.add(bytes)) this.#turns.hasPushes(this);
    this.checkOutput(this.#turns.nowMs);
  }

  /** Sends what `push` collected. */
  sendPushes(): void {
    const { bytes } = this.#messages;
    if (bytes === 0 || this.socket.destroyed) return;
    if (this.#isFull) {
      this.#messages.moveTo(this.#out);
      this.#turns.noted(bytes);
    } else {
      this.#messages.sendTo(this.socket);
      this.#noteFull();
    }
  }

  /** Nothing is run for it any more, nor read. */
  stopReading(): void {
    this.#pause(true);
  }

  resume(): void {
    this.#turns.enqueue(this);
  }

  cut(): void {
    this.client.closing = true;
    this.socket.destroy();
  }

  /** Stops reading while the server has taken in more than it can run; `on` false: goes on. */
  holdBack(on: boolean): void {
    this.#isHeldBack = on;
    if (on) this.#pause(true);
    else if (!this.queued && (this.#readsAhead() || this.#mayRun())) this.#pause(false);
  }

  /** Cuts the connection when more output waits than its class may have. */
  checkOutput(nowMs: number): void {
    const limit = this.#turns.outputLimit(this.client);
    if (!this.#excess.isTooMuch(limit, this.waitingBytes, nowMs)) return;
    this.#turns.cutForOutput();
    this.cut();
  }

  /** See Dawdling. */
  dawdles(nowMs: number): boolean {
    const { client } = this;
    const isRead = !this.queued && !this.#isHeldBack && this.#mayRun();
    const waitsForRest = client.request.pendingBytes > 0 && isRead;
    return this.#dawdling.isTooLong(waitsForRest, client.bytesIn, nowMs);
  }

  /** No more commands; what waits is sent, then the connection ends. */
  finish(): void {
    this.client.closing = true;
    this.#pause(true);
    this.client.blocked?.unblock(false);
    if (this.#waiting.length === 0) this.#end();
  }

  #came(length: number): void {
    const { client } = this;
    client.bytesIn += length;
    if (client.request.pendingBytes > this.#turns.inputLimit) {
      this.#turns.cutForInput();
      this.cut();
      return;
    }
    this.#turns.noted(length);
    if (!client.closing) this.#turns.came(this);
  }

  /** Bytes that follow a command that waits are looked at, for the end of the connection is among them; but not many. */
  #readsAhead(): boolean {
    return this.client.blocked !== null && !this.#isFull && this.inputBytes <= INPUT_BYTES;
  }

  #mayRun(): boolean {
    const { client } = this;
    return (
      client.blocked === null &&
      !this.#isFull &&
      !client.closing &&
      this.hasRoom &&
      !this.#turns.isPaused(client)
    );
  }

  /** The replies of this slice are told when the disk has what was written. */
  #holdEnds(): void {
    this.client.holds = false;
    const held = this.#held;
    if (held.length === 0) return;
    this.#held = [];
    this.#turns.whenOnDisk((error) => {
      if (error !== null) {
        this.#unsure();
        return;
      }
      for (const { pending, bytes } of held) pending.bytes = bytes;
      this.#release();
    });
  }

  /** The disk failed with writes whose replies wait. No reply would be true: it is said once, and the connection ends. */
  #unsure(): void {
    if (this.socket.destroyed || this.#hasEnded) return;
    this.client.closing = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#gone = 0;
    this.#out.send(this.socket);
    this.socket.write(
      '-ACKTIMEOUT 1m0d of 1m1d: the disk failed; the write may be lost with this machine\r\n',
    );
    this.#end();
  }

  #keep(bytes: Uint8Array | LargeReply): void {
    this.#waitingBytes += bytes.length;
    if (!this.client.holds) {
      this.#waiting.push({ bytes });
      return;
    }
    // Not to be told yet: as if they were not known.
    const pending = { bytes: null };
    this.#waiting.push(pending);
    this.#held.push({ pending, bytes });
  }

  /** Sends what no longer waits for anything. */
  #release(): void {
    this.#releases = false;
    if (this.socket.destroyed) {
      this.#waiting = [];
      this.#gone = 0;
      return;
    }
    const waiting = this.#waiting;
    for (; this.#gone < waiting.length; this.#gone++) {
      const { bytes } = waiting[this.#gone] as Pending;
      if (bytes === null) break;
      if (bytes instanceof LargeReply) {
        this.#out.send(this.socket);
        if (!this.#sendPieces(bytes)) break;
      } else {
        this.#waitingBytes -= bytes.length;
        this.#out.keep(bytes);
      }
    }
    const sent = this.#gone;
    waiting.splice(0, sent);
    this.#gone = 0;
    this.#out.send(this.socket);
    this.#noteFull();
    if (sent === 0) return;
    if (waiting.length === 0 && this.client.closing) this.#end();
    if (this.#isFull) return;
    this.#took();
    if (this.#isPaused && this.#hasHalfRoom()) this.#turns.enqueue(this);
  }

  /** Enough for the next commands to be worth a turn. */
  #hasHalfRoom(): boolean {
    const { length } = this.#waiting;
    return (
      length === 0 || (length * 2 < LIMITS.respWaitingReplies && this.#window.hasRoom(this.#waitingBytes, 2))
    );
  }

  #took(): void {
    const takers = this.#takers;
    if (takers.length === 0) return;
    this.#takers = [];
    for (const taker of takers) taker();
  }

  /** As much of a large reply as the socket and this turn have room for; true when that was all. */
  #sendPieces(reply: LargeReply): boolean {
    const before = reply.length;
    const outcome = reply.sendTo(this.socket);
    this.#waitingBytes -= before - reply.length;
    if (outcome === SENT.enoughForNow) {
      if (!this.#sendsOn) setImmediate(this.#sendOn);
      this.#sendsOn = true;
    }
    return outcome === SENT.all;
  }

  #noteFull(): void {
    if (isStreamFull(this.socket)) this.#filled();
  }

  #filled(): void {
    this.#isFull = true;
    this.#pause(true);
    this.#turns.noted(this.#unsentBytes());
    this.checkOutput(this.#turns.nowMs);
  }

  #drained(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#took();
    this.#release();
    if (!this.client.closing && !this.#isFull) this.#turns.enqueue(this);
  }

  #pause(on: boolean): void {
    if (on === this.#isPaused) return;
    this.#isPaused = on;
    setReading(this.socket, !on);
  }

  #end(): void {
    if (this.#hasEnded || this.#waiting.length > 0) return;
    this.#hasEnded = true;
    this.sendPushes();
    this.#out.send(this.socket);
    this.socket.end();
    // What else comes is read off, so that the answer is not lost to a reset; the other side has a moment to read it.
    this.#turns.closeSoon(this.socket);
  }
}

const NOTHING = new Uint8Array(0);
