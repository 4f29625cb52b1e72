import { LIMITS } from '../base/index.ts';
import type { Actor } from './actor.ts';
import { Chunker } from './chunks.ts';
import type { Delta, Span } from './delta.ts';
import type { ReadonlyIntervals } from './intervals.ts';
import type { ActorRecord, Listing, PartsMessage, Print } from './message.ts';

const RECORD_COST_BYTES = 20;
const INTERVAL_COST_BYTES = 4;
const PRINT_COST_BYTES = 9;
const LISTING_COST_BYTES = 44;
const NO_DELTA: Delta = { entries: [], context: [] };

class Questions {
  readonly records: ActorRecord[] = [];
  readonly prints: Print[] = [];
  readonly listings: Listing[] = [];
}

/**
 * The `parts` messages that answer one message. What is shipped goes first, in chunks; what is still to be compared
 * goes last, because the other compares it with what it has by then.
 */
export class Answer {
  readonly #salt: number;
  readonly #chunker: Chunker;
  readonly #deltas: Delta[] = [];
  readonly #messages: PartsMessage[] = [];
  readonly #recorded = new Set<string>();
  #questions = new Questions();
  #bytes = 0;

  constructor(salt: number) {
    this.#salt = salt;
    this.#chunker = new Chunker(
      LIMITS.syncChunkBytes,
      (delta) => this.#deltas.push(delta),
      LIMITS.syncChunksPerReply,
    );
  }

  /** Ships the actor's dots within `spans`; false when the answer is full and part of them stays here. */
  ship(actor: Actor, spans: ReadonlyIntervals): boolean {
    return this.#chunker.add(actor, spans);
  }

  shipDead(spans: readonly Span[]): void {
    this.#chunker.addDead(spans);
  }

  record(record: ActorRecord): void {
    if (this.#recorded.has(record.actor)) return;
    this.#recorded.add(record.actor);
    this.#questions.records.push(record);
    this.#spend(RECORD_COST_BYTES + (record.seen.length / 2) * INTERVAL_COST_BYTES);
  }

  print(print: Print): void {
    this.#questions.prints.push(print);
    this.#spend(PRINT_COST_BYTES);
  }

  list(listing: Listing): void {
    this.#questions.listings.push(listing);
    this.#spend(LISTING_COST_BYTES);
  }

  /** Null when there is nothing to say. */
  finish(): PartsMessage[] | null {
    this.#chunker.flush();
    const deltas = this.#deltas;
    // The last chunk shares its message with the first questions.
    const last = deltas.pop() ?? NO_DELTA;
    if (this.#bytes > 0) this.#cut();
    const messages = deltas.map((delta) => this.#parts(delta));
    const [first, ...rest] = this.#messages;
    if (first !== undefined) messages.push({ ...first, delta: last }, ...rest);
    else if (last !== NO_DELTA) messages.push(this.#parts(last));
    return messages.length === 0 ? null : messages;
  }

  #spend(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= LIMITS.syncChunkBytes) this.#cut();
  }

  #cut(): void {
    // More questions than this wait for the next round.
    if (this.#messages.length < LIMITS.syncChunksPerReply) this.#messages.push(this.#parts(NO_DELTA));
    this.#questions = new Questions();
    this.#bytes = 0;
  }

  #parts(delta: Delta): PartsMessage {
    const { records, prints, listings } = this.#questions;
    return { kind: 'parts', salt: this.#salt, delta, records, prints, listings };
  }
}
