import { LIMITS } from '../base/index.ts';
import type { EventView, NodeEvent } from '../node/index.ts';

/** Ids between two neighbouring starts; beyond 2^32 of them a number would not be whole. */
const IDS_PER_RUN = 2 ** 20;

/** Numbers and dates events, remembers the last ones, and hands them to listeners between inputs of the machine. */
export class EventLog {
  readonly #wallTime: () => string;
  readonly #listeners = new Set<{ readonly call: (event: EventView) => void }>();
  /** A ring: event n is at n modulo the limit. */
  readonly #history: EventView[] = [];
  readonly #firstId: number;
  #lastId: number;
  #delivered: number;
  #delivering = false;

  /** `run`: a random 32-bit number. The ids of this run follow from it, so that those of another are known for foreign. */
  constructor(wallTime: () => string, run: number) {
    this.#wallTime = wallTime;
    this.#lastId = run * IDS_PER_RUN;
    this.#delivered = this.#lastId;
    this.#firstId = this.#lastId + 1;
  }

  get lastId(): number {
    return this.#lastId;
  }

  add(event: NodeEvent): void {
    const id = ++this.#lastId;
    this.#history[id % LIMITS.eventHistory] = { id, ...event, time: this.#wallTime() };
  }

  /** Events still remembered with an id above `id`, oldest first. */
  after(id: number): EventView[] {
    const events: EventView[] = [];
    const from = Math.max(this.#firstId - 1, Math.floor(id), this.#lastId - LIMITS.eventHistory);
    for (let next = from + 1; next <= this.#lastId; next++) {
      events.push(this.#history[next % LIMITS.eventHistory] as EventView);
    }
    return events;
  }

  listen(call: (event: EventView) => void): () => void {
    const entry = { call };
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  /** Called outside the machine, so that a listener may give it a command. Its events come after the present ones. */
  deliver(): void {
    if (this.#delivering || this.#delivered === this.#lastId) return;
    this.#delivering = true;
    try {
      while (this.#delivered < this.#lastId) {
        for (const event of this.after(this.#delivered)) {
          this.#delivered = event.id;
          for (const listener of [...this.#listeners]) callSafely(listener.call, event);
        }
      }
    } finally {
      this.#delivering = false;
    }
  }
}

/** What a listener throws is its owner's bug: it ends the process as any uncaught error, not the delivery. */
function callSafely(call: (event: EventView) => void, event: EventView): void {
  try {
    call(event);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
