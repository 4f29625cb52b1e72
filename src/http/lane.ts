import type { ServerResponse } from 'node:http';
import { LIMITS, ShoalError } from '../base/index.ts';
import { Beat } from './beat.ts';
import type { Guard } from './guard.ts';

/** Making that takes longer is followed by a rest, of so many times what it took and no more than so long. */
const LONG_WORK_MS = 10;
const REST_TIMES = 4;
const LONGEST_REST_MS = 2000;
/** Readers over TCP have all members asked so often at most. */
const ASKING_MS = 250;

/**
 * What one listener may ask of the process. Each has its own, so that readers over TCP, who need no authority, cannot
 * keep the operator on the Unix socket waiting, nor the node from its peers.
 */
export class Lane {
  readonly guard: Guard;
  readonly turns: Turns;
  readonly places: Places;
  /** For what asks all members. */
  readonly askings: Beat;

  constructor(guard: Guard, listPatienceMs: number) {
    this.guard = guard;
    this.turns = new Turns(guard.isLocal ? 0 : REST_TIMES);
    this.askings = new Beat(guard.isLocal ? 0 : ASKING_MS);
    this.places = new Places(guard.isLocal ? LIMITS.httpSocketLists : LIMITS.httpLists, listPatienceMs);
  }
}

/**
 * Work in turns of the event loop, one piece in each. What takes its time at once (a table is made) comes in turn with
 * pieces of what has been made (they are short), and is followed by a rest from its like.
 */
export class Turns {
  readonly #restTimes: number;
  readonly #makings: (() => void)[] = [];
  readonly #pieces: (() => void)[] = [];
  #armed: NodeJS.Immediate | NodeJS.Timeout | null = null;
  #makingNext = true;
  #restsUntilMs = 0;

  /** `restTimes`: 4 leaves four fifths of the time to everything else, however much is asked for. */
  constructor(restTimes: number) {
    this.#restTimes = restTimes;
  }

  /** @throws ShoalError `overloaded`, and what `work` throws */
  async make<T>(work: () => T): Promise<T> {
    if (this.#makings.length >= LIMITS.httpTurns)
      throw overloaded(`${LIMITS.httpTurns} such requests wait already`);
    return this.#enqueue(this.#makings, work);
  }

  /** Never refused: their number is that of the places. */
  piece<T>(work: () => T): Promise<T> {
    return this.#enqueue(this.#pieces, work);
  }

  #enqueue<T>(queue: (() => void)[], work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      queue.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#armed !== null && 'refresh' in this.#armed && this.#pieces.length > 0) {
      clearTimeout(this.#armed);
      this.#armed = null;
    }
    if (this.#armed !== null || this.#makings.length + this.#pieces.length === 0) return;
    const restMs = this.#restsUntilMs - performance.now();
    // Immediates that are set while immediates run wait for the next turn: input comes in between.
    if (this.#pieces.length === 0 && restMs > 0) this.#armed = setTimeout(() => this.#next(), restMs);
    else this.#armed = setImmediate(() => this.#next());
  }

  #next(): void {
    this.#armed = null;
    const startedMs = performance.now();
    const mayMake = this.#makings.length > 0 && startedMs >= this.#restsUntilMs;
    if (mayMake && (this.#makingNext || this.#pieces.length === 0)) {
      this.#makings.shift()?.();
      const nowMs = performance.now();
      const tookMs = nowMs - startedMs;
      if (tookMs > LONG_WORK_MS)
        this.#restsUntilMs = nowMs + Math.min(tookMs * this.#restTimes, LONGEST_REST_MS);
      this.#makingNext = false;
    } else {
      this.#pieces.shift()?.();
      this.#makingNext = true;
    }
    this.#arm();
  }
}

/** Long lists under way at once: few, for each holds on to the table it was made from. */
export class Places {
  readonly #most: number;
  readonly #patienceMs: number;
  readonly #taken = new Set<Place>();

  constructor(most: number, patienceMs: number) {
    this.#most = most;
    this.#patienceMs = patienceMs;
  }

  /** Leave it when done. @throws ShoalError `overloaded` */
  take(res: ServerResponse): Place {
    if (this.#taken.size >= this.#most) this.#takeFromSlowest();
    const place = new Place(res, () => this.#taken.delete(place));
    this.#taken.add(place);
    return place;
  }

  #takeFromSlowest(): void {
    let slowest: Place | null = null;
    for (const place of this.#taken) {
      if (place.waitsSinceMs < (slowest?.waitsSinceMs ?? Infinity)) slowest = place;
    }
    if (slowest === null || performance.now() - slowest.waitsSinceMs < this.#patienceMs)
      throw overloaded(`${this.#most} lists are being sent already`);
    slowest.leave();
    slowest.cut();
  }
}

/** One list under way. */
export class Place {
  readonly #res: ServerResponse;
  /** Gives the place up. */
  readonly leave: () => void;
  /** Since when the reader has taken nothing of what it was sent; Infinity while nothing waits for it. */
  waitsSinceMs = Infinity;

  constructor(res: ServerResponse, leave: () => void) {
    this.#res = res;
    this.leave = leave;
  }

  /** The reader went away. A response behind another on its connection is not told: the connection is. */
  get gone(): boolean {
    return this.#res.destroyed || this.#res.req.socket.destroyed;
  }

  cut(): void {
    this.#res.req.socket.destroy();
  }

  /** Resolves when the reader has taken what was written, or is gone. */
  drained(): Promise<void> {
    if (this.gone) return Promise.resolve();
    const res = this.#res;
    const { socket } = res.req;
    this.waitsSinceMs = performance.now();
    return new Promise((resolve) => {
      const done = (): void => {
        res.off('drain', done);
        socket.off('close', done);
        this.waitsSinceMs = Infinity;
        resolve();
      };
      res.on('drain', done);
      socket.on('close', done);
    });
  }
}

function overloaded(what: string): ShoalError {
  return new ShoalError('overloaded', `${what}: try again later`);
}
