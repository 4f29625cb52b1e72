/** Arguments, and bytes of one, that an entry keeps; as Redis. */
const MAX_ARGUMENTS = 32;
const MAX_ARGUMENT_BYTES = 128;

export interface SlowEntry {
  readonly id: number;
  readonly atMs: number;
  readonly usec: number;
  readonly words: readonly string[];
  readonly address: string;
  readonly clientName: string;
}

/** The last commands that took longer than a setting allows, newest first. */
export class SlowLog {
  #entries: SlowEntry[] = [];
  #nextId = 0;

  get length(): number {
    return this.#entries.length;
  }

  add(entry: Omit<SlowEntry, 'id'>, most: number): void {
    this.#entries.unshift({ id: this.#nextId++, ...entry });
    if (this.#entries.length > most) this.#entries.length = most;
  }

  newest(count: number): readonly SlowEntry[] {
    return this.#entries.slice(0, count);
  }

  reset(): void {
    this.#entries = [];
  }
}

/**
 * A command's words as an entry keeps them: not too many, not too long. `word` makes a text of at most so many bytes: a part cut from a
 * longer one would keep all of that in memory.
 */
export function shortened(
  count: number,
  lengthOf: (i: number) => number,
  word: (i: number, most: number) => string,
): string[] {
  const words: string[] = [];
  const kept = count > MAX_ARGUMENTS ? MAX_ARGUMENTS - 1 : count;
  for (let i = 0; i < kept; i++) {
    const text = word(i, MAX_ARGUMENT_BYTES);
    const more = lengthOf(i) - MAX_ARGUMENT_BYTES;
    words.push(more > 0 ? `${text}... (${more} more bytes)` : text);
  }
  if (kept < count) words.push(`... (${count - kept} more arguments)`);
  return words;
}
