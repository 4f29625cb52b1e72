/** A key's history as its writer knows it. Serials count up; each write has one of its own. */
interface Entry {
  /** The last write known to be on disk: its serial, 0 for none, and whether it removed the key. */
  settled: Write;
  /** Sent since then, in order. */
  readonly since: Write[];
}

export interface Write {
  readonly serial: number;
  readonly removes: boolean;
}

const NEVER: Write = { serial: 0, removes: true };

/**
 * What may be found of the keys of one writer: of each key, what was acknowledged as on disk last, or anything that was sent after
 * it. Values say by themselves which write they are (valueOfWrite), so that a wrong one is known from its bytes.
 */
export class Ledger {
  readonly name: string;
  readonly #entries: Entry[];
  #serial = 0;
  acknowledged = 0;

  constructor(name: string, keys: number) {
    this.name = name;
    this.#entries = Array.from({ length: keys }, () => ({ settled: NEVER, since: [] }));
  }

  get keys(): number {
    return this.#entries.length;
  }

  keyOf(index: number): string {
    return `${this.name}:${index}`;
  }

  /** Notes a write that is about to be sent. */
  sent(index: number, removes: boolean): Write {
    const write = { serial: ++this.#serial, removes };
    this.#entry(index).since.push(write);
    return write;
  }

  /** It is acknowledged as on disk; so is all that was sent before it. */
  onDisk(index: number, serial: number): void {
    const entry = this.#entry(index);
    this.acknowledged++;
    for (;;) {
      const first = entry.since[0];
      if (first === undefined || first.serial > serial) return;
      entry.settled = first;
      entry.since.shift();
    }
  }

  /** Compares with the value found, null for none, and goes on from it; returns what is wrong. */
  found(index: number, value: string | null): string | null {
    const key = this.keyOf(index);
    const entry = this.#entry(index);
    const possible = [entry.settled, ...entry.since];
    const is = possible.find((write) => (write.removes ? null : valueOfWrite(key, write.serial)) === value);
    const { settled } = entry;
    const after = entry.since.length;
    entry.since.length = 0;
    entry.settled = is ?? NEVER;
    if (is !== undefined) return null;
    const wanted = settled.removes ? 'no value' : `write ${settled.serial}`;
    const shown = value === null ? 'nothing' : `'${value.slice(0, 60)}' (${value.length} bytes)`;
    return `${key}: found ${shown}; on disk was ${wanted}, ${after} writes were sent after it`;
  }

  #entry(index: number): Entry {
    return this.#entries[index] as Entry;
  }
}

/** Mostly a small message; sometimes some kilobytes, now and then more than the store keeps among the others. */
export function valueOfWrite(key: string, serial: number): string {
  const draw = Math.imul(serial, 0x9e3779b1) >>> 0;
  const length = draw % 1000 === 7 ? 100_000 : draw % 50 === 3 ? 1000 + (draw % 4000) : draw % 80;
  const head = `${key}=${serial};`;
  return head + 'abcdefghijklmnop'.repeat(Math.ceil(length / 16)).slice(0, length);
}
