import { join } from 'node:path';
import { type Disk, replaceFile } from './disk.ts';
import { type DiskError, runtimeDiskError } from './errors.ts';

const KEYRING_FILE = 'keyring';

/** The keyring in the state directory, mode 0600 like all of it. What its bytes mean, the room `seal` knows. */
export class KeyringFile {
  readonly #disk: Disk;
  readonly #directory: string;
  #wanted: Uint8Array | null = null;
  #writing: Promise<void> | null = null;
  /** Why the last write failed. */
  error: DiskError | null = null;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  read(): Promise<Uint8Array | null> {
    return this.#disk.read(join(this.#directory, KEYRING_FILE));
  }

  /** Writes soon; of several asked for meanwhile, the last. */
  write(bytes: Uint8Array): void {
    this.#wanted = bytes;
    this.#writing ??= this.#run().finally(() => {
      this.#writing = null;
    });
  }

  /** Resolves when what was asked for is on disk, or failed: see `error`. */
  async settled(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async #run(): Promise<void> {
    for (let next = this.#wanted; next !== null; next = this.#wanted) {
      this.#wanted = null;
      try {
        await replaceFile(this.#disk, join(this.#directory, KEYRING_FILE), [next]);
        await this.#disk.syncDirectory(this.#directory);
        this.error = null;
      } catch (cause) {
        this.error = runtimeDiskError(cause, this.#directory);
      }
    }
  }
}
