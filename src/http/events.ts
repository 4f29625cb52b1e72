import type { ServerResponse } from 'node:http';
import { ShoalError } from '../base/index.ts';
import type { EventType, EventView, NodeApi } from '../node/contract.ts';
import type { Counters } from './counters.ts';

export interface EventHubLimits {
  readonly watchers: number;
  /** Of these, only for the Unix socket. */
  readonly localWatchers: number;
  readonly backlogBytes: number;
  readonly heartbeatMs: number;
}

interface Watcher {
  readonly res: ServerResponse;
  /** Came over the Unix socket. */
  readonly isLocal: boolean;
  /** Null: every type. */
  readonly types: ReadonlySet<EventType> | null;
}

/**
 * The event streams. Listens to the node, and keeps a heartbeat, only while someone watches. An event is written out
 * once however many watch. A watcher that lets more than `backlogBytes` wait (a slow one, or one in a burst of tens of
 * thousands of changes) is closed: it comes back with Last-Event-ID and gets what the history still has.
 *
 * Last-Event-ID: after an id that this run of the node gave and still remembers, the events that follow it, in order and
 * each once. After any other but 0 (too old, or of another run: each run counts from a random number) first an event
 * `resync`, whatever types are asked for, which says that some may be missing and that what was learnt from events is to
 * be read anew; then all that are remembered. It has no id, for it is none of the node's events. After 0, which no event
 * has, all that are remembered and no `resync`. None, or something that is no number: what happens from now on.
 */
export class EventHub {
  readonly #api: NodeApi;
  readonly #counters: Counters;
  readonly #limits: EventHubLimits;
  readonly #watchers = new Set<Watcher>();
  #stopListening: (() => void) | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(api: NodeApi, counters: Counters, limits: EventHubLimits) {
    this.#api = api;
    this.#counters = counters;
    this.#limits = limits;
  }

  /** Takes the response over, or throws before anything is written. */
  open(
    res: ServerResponse,
    isLocal: boolean,
    types: ReadonlySet<EventType> | null,
    lastEventId: number | null,
  ): void {
    if (this.#closed) throw new ShoalError('leaving', 'this node is stopping: ask another');
    this.#checkRoom(isLocal);
    // Never idle, so never cut off by the server's idle timeout; and gone at once when the stream ends.
    res.socket?.setTimeout(0);
    res.socket?.setNoDelay(true);
    res.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
    res.setHeader('Connection', 'close');
    const watcher: Watcher = { res, isLocal, types };
    this.#watchers.add(watcher);
    res.on('close', () => this.#drop(watcher));
    res.on('error', () => this.#drop(watcher));
    this.#wake();
    res.write(`retry: 1000\n\n${lastEventId === null ? '' : this.#missed(watcher, lastEventId)}`);
  }

  close(): void {
    this.#closed = true;
    for (const watcher of [...this.#watchers]) {
      this.#drop(watcher);
      watcher.res.end();
    }
  }

  #checkRoom(isLocal: boolean): void {
    const { watchers, localWatchers } = this.#limits;
    let remote = 0;
    for (const watcher of this.#watchers) if (!watcher.isLocal) remote++;
    const most = isLocal ? watchers : watchers - localWatchers;
    if (this.#watchers.size < watchers && (isLocal || remote < most)) return;
    const message = `${most} watchers are connected already: close one, or try again later`;
    throw new ShoalError('too-many-watchers', message);
  }

  /** History and live events cannot overlap or leave a hole: both happen in one turn of the loop. */
  #missed(watcher: Watcher, lastEventId: number): string {
    const all = this.#api.eventsAfter(0);
    const oldest = all[0]?.id ?? Infinity;
    const newest = all.at(-1)?.id ?? -Infinity;
    const known = lastEventId >= oldest - 1 && lastEventId <= newest;
    let text = known || lastEventId === 0 ? '' : this.#resync();
    for (const event of all) {
      if ((!known || event.id > lastEventId) && wants(watcher, event)) text += format(event);
    }
    return text;
  }

  #resync(): string {
    this.#counters.resyncs++;
    const { id: subject, name } = this.#api.status().node;
    const reason = 'events since the last one seen may be missing: read anew what you keep';
    const event = {
      type: 'resync',
      time: new Date().toISOString(),
      subject,
      name,
      origin: null,
      reason,
    };
    return `event: resync\ndata: ${JSON.stringify(event)}\n\n`;
  }

  #publish(event: EventView): void {
    let text: string | null = null;
    for (const watcher of this.#watchers) {
      if (!wants(watcher, event)) continue;
      text ??= format(event);
      this.#write(watcher, text);
    }
  }

  #write(watcher: Watcher, text: string): void {
    watcher.res.write(text);
    if (watcher.res.writableLength <= this.#limits.backlogBytes) return;
    this.#counters.slowWatchersClosed++;
    this.#drop(watcher);
    watcher.res.destroy();
  }

  #drop(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#counters.watchers = this.#watchers.size;
    if (this.#watchers.size > 0) return;
    this.#stopListening?.();
    this.#stopListening = null;
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#heartbeat = null;
  }

  #wake(): void {
    this.#counters.watchers = this.#watchers.size;
    this.#stopListening ??= this.#api.onEvent((event) => this.#publish(event));
    this.#heartbeat ??= setInterval(() => {
      for (const watcher of this.#watchers) this.#write(watcher, ':\n\n');
    }, this.#limits.heartbeatMs).unref();
  }
}

function wants(watcher: Watcher, event: EventView): boolean {
  return watcher.types === null || watcher.types.has(event.type);
}

/** JSON has no raw line ends, so one `data:` line always holds it. */
function format(event: EventView): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
