/** Longest line a daemon of ours writes is far below; a longer one ends the stream. */
const MAX_LINE_CHARS = 1 << 20;

export interface ServerEvent {
  readonly id: string | null;
  readonly data: string;
}

/** Reads server-sent events (the HTML standard's event stream) from text in any pieces. Comments are heartbeats. */
export class EventStreamParser {
  #rest = '';
  #id: string | null = null;
  #data: string[] = [];

  push(piece: string): ServerEvent[] {
    const lines = (this.#rest + piece).split(/\r?\n/);
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE_CHARS) throw new Error('a line of the event stream has no end');
    const events: ServerEvent[] = [];
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) events.push({ id: this.#id, data: this.#data.join('\n') });
        this.#data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') this.#data.push(value);
      else if (field === 'id') this.#id = value;
    }
    return events;
  }
}
