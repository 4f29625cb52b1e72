/**
 * The event stream (server-sent events), read by fetch: an EventSource cannot ask for the history when it opens, and
 * gives up for good when a proxy answers 502. The node sends what it remembers after the id that we name; when that id
 * is too old, or from its former life, it says `resync` first and sends all of it.
 */

/** @typedef {import('../../../node/contract.ts').EventView} Event */
/** @typedef {Omit<Event, 'id' | 'type'> & { type: 'resync', reason: string }} Resync no event of the node: without id */

const RETRY_MS = 2000;
/** A line longer than this is not from a node of ours. */
const MOST_CHARS = 1 << 20;

export class Stream {
  /** @type {AbortController | null} */
  #open = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #lastId = '0';
  #broke = false;
  #onEvents;
  #onState;
  #onMissed;

  /**
   * @param {(events: Event[]) => void} onEvents those that arrived together, oldest first
   * @param {(state: 'open' | 'retrying' | 'paused') => void} onState
   * @param {() => void} onMissed events may be missing: whatever was fetched is stale
   */
  constructor(onEvents, onState, onMissed) {
    this.#onEvents = onEvents;
    this.#onState = onState;
    this.#onMissed = onMissed;
  }

  /** Whether it is open, or will be again by itself. */
  get wanted() {
    return this.#open !== null;
  }

  /** Opens the stream, or opens it anew. */
  async open() {
    this.#drop();
    const control = new AbortController();
    this.#open = control;
    try {
      await this.#read(control.signal);
    } catch {
      // Whatever ended it, the answer is the same: try again.
    }
    if (this.#open !== control) return;
    this.#broke = true;
    this.#onState('retrying');
    this.#retry = setTimeout(() => this.open(), RETRY_MS);
  }

  pause() {
    this.#drop();
    this.#onState('paused');
  }

  #drop() {
    clearTimeout(this.#retry);
    this.#open?.abort();
    this.#open = null;
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    const headers = { Accept: 'text/event-stream', 'Last-Event-ID': this.#lastId };
    const response = await fetch('/v1/events', { headers, signal, cache: 'no-store' });
    if (!response.ok || response.body === null) throw new Error(`status ${response.status}`);
    this.#onState('open');
    // It broke before the first event came: the node cannot tell what we missed.
    if (this.#broke && this.#lastId === '0') this.#onMissed();
    this.#broke = false;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MOST_CHARS) throw new Error('endless line');
      const events = lines.flatMap((line) => this.#parse(line));
      if (events.length > 0 && !signal.aborted) this.#onEvents(events);
    }
  }

  /**
   * All there is to know is in the `data` line; the node writes an event's JSON on one.
   * @param {string} line
   * @returns {Event[]}
   */
  #parse(line) {
    if (!line.startsWith('data:')) return [];
    const event = /** @type {Event | Resync} */ (JSON.parse(line.slice(5)));
    if (event.type === 'resync') {
      this.#onMissed();
      return [];
    }
    this.#lastId = String(event.id);
    return [event];
  }
}
