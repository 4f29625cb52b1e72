import { ShoalError } from '../../base/index.ts';

interface Damage {
  /** Where it begins, and what is there; null: the whole file is missing. */
  readonly at: number | null;
  readonly what: string;
  readonly size: number;
  lostBytes: number;
}

/** What of the store's files cannot be read, though messages acknowledged as on disk may be in it. */
export class Damages {
  readonly #files = new Map<string, Damage>();

  get any(): boolean {
    return this.#files.size > 0;
  }

  /** Files that are there, and damaged. */
  get files(): readonly string[] {
    return [...this.#files].filter(([, { at }]) => at !== null).map(([name]) => name);
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  missing(name: string): void {
    this.#files.set(name, { at: null, what: '', size: 0, lostBytes: 0 });
  }

  /** `lostBytes` from `at` on cannot be read. */
  found(name: string, at: number, what: string, lostBytes: number, size: number): void {
    const before = this.#files.get(name);
    if (before === undefined) this.#files.set(name, { at, what, size, lostBytes });
    else before.lostBytes += lostBytes;
  }

  describe(): string {
    const lines = [...this.#files].map(([name, { at, what, size, lostBytes }]) =>
      at === null
        ? `${name} is missing`
        : `${name} is damaged at byte ${at} (${what}), and ${lostBytes} of its ${size} bytes cannot be read`,
    );
    return lines.join('; ');
  }

  /** Why nothing was done: `records` changes can be read. */
  refusal(directory: string, records: number): ShoalError {
    return new ShoalError(
      'store-damaged',
      `store directory ${directory}: ${this.describe()}; messages acknowledged as on disk may have been there; ${records} changes can be read: restore the files from a backup, or start with --store-salvage to go on with what can be read (damaged files are kept), or move the directory away to start with an empty store`,
      'store-dir',
    );
  }
}
