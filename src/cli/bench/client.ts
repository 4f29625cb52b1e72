import { CommandWriter } from './commands.ts';
import type { Histogram } from './histogram.ts';
import type { Plan } from './plan.ts';
import { ERROR, MISSING, NONE, type Reply, ReplyReader } from './replies.ts';
import type { RespSocket } from './socket.ts';

/** What clients count together. */
export interface Tally {
  /** Microseconds. */
  readonly sets: Histogram;
  readonly gets: Histogram;
  misses: number;
  /** By the error's text, cut short; see `noteError`. */
  readonly errors: Map<string, number>;
  errorCount: number;
  /** Connections that broke. */
  lost: number;
}

/** What a client asks of the load it is part of. */
export interface Source {
  /** How many commands of up to `wanted` are still to be sent; they are the caller's then. */
  take(wanted: number): number;
  /** Those it took were answered. */
  answered(commands: number): void;
  /** Those it took will not be. */
  dropped(commands: number, client: LoadClient, why: string): void;
}

/**
 * One connection under load. Without a rate it sends a pipeline full, waits until all of it is answered, and sends the next.
 * With one it sends what is due whenever there is room, and a command's latency counts from when it was due: a server that
 * stalls is not spared the commands that would have come meanwhile.
 */
export class LoadClient {
  readonly #plan: Plan;
  readonly #source: Source;
  readonly #tally: Tally;
  readonly #writer: CommandWriter;
  /** Of the commands under way, a ring: when each was due, and whether it is a SET. */
  readonly #dueMs: Float64Array;
  readonly #isSet: Uint8Array;
  #first = 0;
  #underWay = 0;
  #replies = new ReplyReader();
  #socket: RespSocket | null = null;
  /** Numbers of the keys to draw from, or null for all. */
  #keys: Uint32Array | null = null;
  readonly #setShare: number;
  #random: number;
  /** With a rate: when the next command is due, and how long after each comes the next. */
  #nextMs = 0;
  readonly #periodMs: number;

  constructor(plan: Plan, source: Source, tally: Tally, seed: number) {
    this.#plan = plan;
    this.#source = source;
    this.#tally = tally;
    this.#writer = new CommandWriter(plan.pipeline, plan.sizeBytes);
    this.#dueMs = new Float64Array(plan.pipeline);
    this.#isSet = new Uint8Array(plan.pipeline);
    this.#setShare = plan.sets / (plan.sets + plan.gets);
    this.#random = (Math.imul(seed + 1, 0x9e3779b9) ^ (Math.random() * 2 ** 31)) | 1;
    this.#periodMs = plan.rate === null ? 0 : (1000 * plan.clients) / plan.rate;
  }

  /** Begins on this connection; with a rate, the first command is due at `firstMs`. */
  start(socket: RespSocket, keys: Uint32Array | null, firstMs: number): void {
    this.#socket = socket;
    this.#keys = keys;
    this.#nextMs = firstMs;
    this.#replies = new ReplyReader();
    socket.handOver(
      (bytes) => this.#came(bytes),
      (why) => this.#lost(why),
    );
    this.pump(performance.now());
  }

  /** Sends what is to be sent by now. */
  pump(nowMs: number): void {
    const socket = this.#socket;
    if (socket === null) return;
    const { pipeline, rate } = this.#plan;
    const due = rate === null ? pipeline : Math.floor((nowMs - this.#nextMs) / this.#periodMs) + 1;
    const wanted = rate === null && this.#underWay > 0 ? 0 : Math.min(pipeline - this.#underWay, due);
    const count = wanted > 0 ? this.#source.take(wanted) : 0;
    if (count === 0) return;
    for (let i = 0; i < count; i++) {
      let place = this.#first + this.#underWay;
      if (place >= pipeline) place -= pipeline;
      const isSet = this.#setShare === 1 || (this.#setShare > 0 && this.#draw() < this.#setShare);
      this.#dueMs[place] = rate === null ? nowMs : this.#nextMs + i * this.#periodMs;
      this.#isSet[place] = isSet ? 1 : 0;
      this.#underWay++;
      this.#writer.put(isSet, this.#key());
    }
    this.#nextMs += count * this.#periodMs;
    if (!socket.write(this.#writer.take())) this.#writer.giveAway();
  }

  /** It draws from other keys from now on. */
  redirect(keys: Uint32Array | null): void {
    this.#keys = keys;
  }

  /** How many commands will not be answered. */
  stop(): number {
    const dropped = this.#underWay;
    this.#socket?.close();
    this.#socket = null;
    this.#underWay = 0;
    return dropped;
  }

  #key(): number {
    const keys = this.#keys;
    if (keys === null) return Math.floor(this.#draw() * this.#plan.keys);
    return keys[Math.floor(this.#draw() * keys.length)] as number;
  }

  /** xorshift32, 0 to 1: Math.random costs as much as all the rest of a command. */
  #draw(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return (x >>> 0) / 2 ** 32;
  }

  #came(bytes: Buffer): void {
    const nowMs = performance.now();
    const replies = this.#replies;
    let answered = 0;
    replies.feed(bytes);
    for (let kind = replies.next(); kind !== NONE; kind = replies.next()) {
      if (this.#underWay === 0) throw new Error('a reply to no question');
      this.#note(kind, nowMs);
      answered++;
    }
    if (answered > 0) this.#source.answered(answered);
    this.pump(nowMs);
  }

  #note(kind: Reply, nowMs: number): void {
    const place = this.#first;
    this.#first = place + 1 === this.#plan.pipeline ? 0 : place + 1;
    this.#underWay--;
    const us = (nowMs - (this.#dueMs[place] as number)) * 1000;
    if (this.#isSet[place] === 1) this.#tally.sets.record(us);
    else this.#tally.gets.record(us);
    if (kind === MISSING) this.#tally.misses++;
    else if (kind === ERROR) noteError(this.#tally, this.#replies.error);
  }

  #lost(why: string): void {
    const dropped = this.#underWay;
    this.#socket = null;
    this.#underWay = 0;
    this.#tally.lost++;
    this.#source.dropped(dropped, this, why);
  }
}

const MAX_ERRORS = 20;
const MAX_ERROR = 100;

/** Where a key is elsewhere differs by key: one kind. */
function noteError(tally: Tally, text: string): void {
  const short = text.startsWith('MOVED ') ? 'MOVED' : text.slice(0, MAX_ERROR);
  const kind = tally.errors.has(short) || tally.errors.size < MAX_ERRORS ? short : 'others';
  tally.errors.set(kind, (tally.errors.get(kind) ?? 0) + 1);
  tally.errorCount++;
}
