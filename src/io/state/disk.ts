import { constants, type FileHandle, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One open file. */
export interface DiskFile {
  /** Writes all of `bytes` at `at`, or throws. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Returns when what was written is on the medium. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What the state directory needs of a file system, so that tests can put a failing or crashing one in its place. */
export interface Disk {
  makeDirectory(path: string): Promise<void>;
  list(directory: string): Promise<string[]>;
  /** Null when there is no such file. */
  read(path: string): Promise<Uint8Array | null>;
  /** Creates or empties. */
  create(path: string): Promise<DiskFile>;
  open(path: string): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in it lasting. */
  syncDirectory(path: string): Promise<void>;
}

/** Private to the user: the map tells who owns what. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

class RealFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      // A full disk may take part of it first and fail only on the next try.
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, at + done);
      done += bytesWritten;
    }
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

export const realDisk: Disk = {
  makeDirectory,
  list: (directory) => readdir(directory),
  async read(path) {
    try {
      const bytes = await readFile(path);
      // Not as a Buffer, whose `slice` does not copy: that surprises whoever reads `Uint8Array`.
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  },
  async create(path) {
    return new RealFile(await open(path, 'w', FILE_MODE));
  },
  async open(path) {
    return new RealFile(await open(path, constants.O_RDWR));
  },
  rename,
  remove: unlink,
  async syncDirectory(path) {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Writes a whole file so that after a crash either the old or the new one is there. The directory is not yet synced. */
export async function replaceFile(disk: Disk, path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await disk.create(temporary);
  try {
    let at = 0;
    for (const part of parts) {
      await file.write(part, at);
      at += part.length;
    }
    await file.sync();
  } catch (error) {
    await file.close();
    // Gives the space back: on a full disk the half-written file would be in the way of everything else.
    await disk.remove(temporary).catch(() => {});
    throw error;
  }
  await file.close();
  await disk.rename(temporary, path);
}

/**
 * Makes a directory and those above it, private to the user. Not by mkdir's own `recursive`, which in Node 20 never comes back where the
 * system answers ENOENT under a parent that exists, as /proc does.
 */
export async function makeDirectory(path: string): Promise<void> {
  const make = async (): Promise<Error | null> => {
    try {
      await mkdir(path, { mode: DIRECTORY_MODE });
      return null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return null;
      if (code === 'ENOENT' && dirname(path) !== path) return error as Error;
      throw error;
    }
  };
  if ((await make()) === null) return;
  await makeDirectory(dirname(path));
  const again = await make();
  if (again !== null) throw again;
}
