import type { Socket } from 'node:net';
import { LIMITS } from '../base/index.ts';
import { Span, type Store } from '../store/index.ts';
import type { Client } from './client.ts';
import type { Connection } from './connection.ts';
import { setReading } from './flow.ts';
import { SCRATCH_BYTES } from './request.ts';
import type { OutputLimit } from './settings.ts';
import { Spare } from './spare.ts';
import { SERVER_GATE, type ServerState } from './state.ts';
import type { Sweep } from './sweep.ts';

/** What commands may take of one round of the event loop, twice: as input comes, and after that for who had to wait. */
const TURN_MS = 1;
/** Reasons to wait among the paused. */
const WAIT_GATES = SERVER_GATE.paused | SERVER_GATE.congested;
type OnDisk = Parameters<Store['backend']['whenOnDisk']>[1];

/** How long a connection that was ended may take to read what was sent. */
const LINGER_MS = 1000;

/**
 * Shares the event loop out among the connections. A turn is a round of the loop: input is run as it comes until the time is
 * up; whoever comes later is put in a queue, not read any further, and served in order in the rounds that follow. Gossip,
 * timers and other ports are served between any two turns, whatever the number of clients.
 */
export class Turns {
  nowMs = Date.now();
  /** Where the connections' readers put together what comes in pieces, one at a time. */
  readonly scratch = new Span(new Uint8Array(SCRATCH_BYTES));
  readonly spare = new Spare();
  /** What sockets read into. */
  readonly shared = new Span(new Uint8Array(65_536));
  readonly #state: ServerState;
  readonly #store: Store;
  readonly #connections: ReadonlySet<Connection>;
  readonly #sweep: Sweep;
  #queue: Connection[] = [];
  #next = 0;
  #pushing: Connection[] = [];
  #running: Connection | null = null;
  #startedMs = 0;
  #isOpen = false;
  /** Nobody is read any further. */
  holdsBack = false;
  #queuedBytes = 0;
  /** Of those who wait with a change. */
  #waitingBytes = 0;
  readonly #end = (): void => this.#ended();

  constructor(state: ServerState, store: Store, connections: ReadonlySet<Connection>, sweep: Sweep) {
    this.#state = state;
    this.#store = store;
    this.#connections = connections;
    this.#sweep = sweep;
    store.backend.onRoom = () => {
      state.roomAgain();
      this.#open();
    };
  }

  get inputLimit(): number {
    return this.#state.settings.queryBufferBytes;
  }

  /** A connection has input. */
  came(connection: Connection): void {
    this.#open();
    if (connection.queued) {
      connection.client.request.settle();
      return;
    }
    if (this.#next < this.#queue.length || this.#standsStill() || !this.hasTime()) this.enqueue(connection);
    else this.#work(connection);
  }

  enqueue(connection: Connection): void {
    // Who is at work goes on by himself.
    if (connection === this.#running || connection.queued || connection.isClosing) return;
    this.#open();
    connection.queued = true;
    connection.stopReading();
    connection.client.request.settle();
    this.#queue.push(connection);
    this.#queuedBytes += connection.inputBytes;
    this.#weigh();
  }

  hasTime(): boolean {
    return performance.now() - this.#startedMs < TURN_MS;
  }

  isRunning(connection: Connection): boolean {
    return this.#running === connection;
  }

  isPaused(client: Client): boolean {
    return (this.#state.gates & WAIT_GATES) !== 0 && this.#state.paused.has(client);
  }

  hasPushes(connection: Connection): void {
    this.#open();
    this.#pushing.push(connection);
  }

  /** Calls back when all that was written until now is on disk, or cannot be. */
  whenOnDisk(done: OnDisk): void {
    const { backend } = this.#store;
    backend.whenOnDisk(backend.sequence, done);
  }

  outputLimit(client: Client): OutputLimit {
    const { settings } = this.#state;
    return client.subscriptions > 0 ? settings.pubsubLimit : settings.normalLimit;
  }

  /** So many bytes came in, or stay here because a client does not take them. */
  noted(bytes: number): void {
    this.#sweep.noted(bytes);
  }

  cutForOutput(): void {
    this.#state.counters.cutForOutput++;
  }

  cutForInput(): void {
    this.#state.counters.cutForInput++;
  }

  closeSoon(socket: Socket): void {
    setReading(socket, true);
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** A round of the loop begins for us: the clocks are read once, and its end is arranged. */
  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.nowMs = Date.now();
    this.#startedMs = performance.now();
    setImmediate(this.#end);
  }

  /** Too much waits for the disk. Changes wait then, each client's in its place; everything does where reading takes memory too. */
  #standsStill(): boolean {
    const { congested, readThrough } = this.#store.backend;
    return congested && readThrough !== null;
  }

  #work(connection: Connection): void {
    const hadWaited = this.isPaused(connection.client);
    this.#running = connection;
    const more = connection.work();
    this.#running = null;
    if (more) this.enqueue(connection);
    else if (
      !hadWaited &&
      (this.#state.gates & SERVER_GATE.congested) !== 0 &&
      this.isPaused(connection.client)
    ) {
      this.#waitingBytes += connection.inputBytes;
      this.#weigh();
    }
  }

  #ended(): void {
    const { counters, settings } = this.#state;
    counters.turns++;
    const began = performance.now();
    this.#startedMs = began;
    if (!this.#standsStill()) this.#serveQueue();
    this.#store.endTurn();
    const pushing = this.#pushing;
    if (pushing.length > 0) {
      this.#pushing = [];
      for (const connection of pushing) connection.sendPushes();
    }
    // The first part of the turn has the round's other work in it, and is no measure.
    const tookMs = performance.now() - began;
    if (tookMs * 1000 > counters.longestTurnUsec) counters.longestTurnUsec = Math.round(tookMs * 1000);
    const threshold = settings.latencyThresholdMs;
    if (threshold > 0 && tookMs >= threshold) this.#state.latency.event('turn', tookMs, this.nowMs);
    this.#isOpen = false;
    // The back end says when it has room again.
    const canServe = this.#next < this.#queue.length && !this.#standsStill();
    if (canServe || this.#pushing.length > 0) this.#open();
  }

  /** Whoever had to wait, in order; who is not done in time goes to the end. */
  #serveQueue(): void {
    const queue = this.#queue;
    const last = queue.length;
    while (this.#next < last) {
      const connection = queue[this.#next++] as Connection;
      connection.queued = false;
      this.#queuedBytes -= connection.inputBytes;
      this.#work(connection);
      if (!this.hasTime()) break;
    }
    if (this.#next === queue.length) {
      queue.length = 0;
      this.#next = 0;
      this.#queuedBytes = 0;
    } else if (this.#next > 1024 && this.#next * 2 > queue.length) {
      this.#queue = queue.slice(this.#next);
      this.#next = 0;
    }
    this.#weigh();
  }

  /** When so much has been read that did not run yet, nobody is read any further until half of it has. */
  #weigh(): void {
    if (this.#state.paused.size === 0) this.#waitingBytes = 0;
    const bytes = this.#queuedBytes + this.#waitingBytes;
    if (bytes > LIMITS.respQueuedBytes && !this.holdsBack) this.#holdBack(true);
    else if (this.holdsBack && bytes < LIMITS.respQueuedBytes / 2) this.#holdBack(false);
  }

  #holdBack(on: boolean): void {
    this.holdsBack = on;
    for (const connection of this.#connections) connection.holdBack(on);
  }
}
