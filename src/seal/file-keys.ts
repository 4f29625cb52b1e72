import { keyIdOf } from './key.ts';
import type { KeyRing } from './ring.ts';

/** The key file is read again at most so often, and only while it is out of date. */
const REREAD_MS = 2000;

export interface KeyFile {
  readonly keys: readonly Uint8Array[];
  /** Its name, for people. */
  readonly path?: string;
  /** The file again, for the warning when it is out of date; may throw. */
  readonly reread?: () => readonly Uint8Array[];
}

/** What the key file says beside the ring, which it only begins. */
export class FileKeys {
  readonly #file: KeyFile;
  readonly #ring: KeyRing;
  readonly #cluster: string;
  #ids: readonly string[];
  #rereadMs = -Infinity;

  constructor(file: KeyFile, ring: KeyRing, cluster: string) {
    this.#file = file;
    this.#ring = ring;
    this.#cluster = cluster;
    this.#ids = this.#idsOf(file.keys);
  }

  /** Neither in the ring nor removed from it. */
  get unused(): readonly string[] {
    return this.#ids.filter((id) => this.#ring.get(id) === null && !this.#ring.isRemoved(id));
  }

  /** `opened`: something was, with a key of the ring. `foreign`: others use the file's key, and their ring is not kin to ours. */
  warnings(nowMs: number, opened: boolean, foreign: boolean): string[] {
    this.#look(nowMs);
    const file = this.#file.path === undefined ? '' : ` ${this.#file.path}`;
    const out: string[] = [];
    for (const id of this.#ids) {
      if (this.#ring.isRemoved(id)) {
        out.push(
          `key ${id} of the key file was removed from the ring: put the primary key in its place (no restart is needed)`,
        );
      }
    }
    const anew =
      "to give up that keyring and begin with the file's key, stop this agent and remove the file keyring from its state directory";
    for (const id of this.unused) {
      let what = "'shoal keys install' brings it in, or put a key of the ring into the file";
      if (foreign)
        what = `another group seals with it, and its ring has nothing in common with this one: ${anew}`;
      else if (!opened) what = `${what}; nothing was opened with the ring's keys since the start: ${anew}`;
      out.push(`key ${id} of the key file${file} is not in the group's keyring: it was not used; ${what}`);
    }
    return out;
  }

  /** While it is out of date, it is looked at again: the warning is to go when its advice is followed. */
  #look(nowMs: number): void {
    if (nowMs - this.#rereadMs < REREAD_MS || this.#ids.every((id) => this.#ring.get(id) !== null)) return;
    this.#rereadMs = nowMs;
    try {
      const keys = this.#file.reread?.();
      if (keys !== undefined) this.#ids = this.#idsOf(keys);
    } catch {
      // It is being written, or gone: the warning stays.
    }
  }

  #idsOf(keys: readonly Uint8Array[]): string[] {
    return keys.map((key) => keyIdOf(key, this.#cluster));
  }
}
