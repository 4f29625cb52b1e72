import * as fs from 'node:fs';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, statfs, unlink } from 'node:fs/promises';

/** One open file. */
export interface StoreFile {
  size(): Promise<number>;
  /** Fills `into` from `at` on; returns the bytes there were: fewer only at the file's end. */
  read(into: Uint8Array, at: number): Promise<number>;
  /** Writes all of `bytes` at `at`, or throws. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Returns when what was written is on the medium. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What the log needs of a file system, so that tests can put a crashing one in its place. */
export interface StoreDisk {
  makeDirectory(path: string): Promise<void>;
  list(directory: string): Promise<string[]>;
  /** Creates or empties. */
  create(path: string): Promise<StoreFile>;
  /** For reading and writing. */
  open(path: string): Promise<StoreFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in it lasting. */
  syncDirectory(path: string): Promise<void>;
  /** That the file system has left. */
  freeBytes(path: string): Promise<number>;
}

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** By number, not by FileHandle, which costs twice as much for each call. */
class RealFile implements StoreFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): Promise<number> {
    return promised<fs.Stats>((done) => fs.fstat(this.#fd, done)).then((stats) => stats.size);
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    let count = 0;
    while (count < into.length) {
      const bytes = await promised<number>((done) =>
        fs.read(this.#fd, into, count, into.length - count, at + count, done),
      );
      if (bytes === 0) break;
      count += bytes;
    }
    return count;
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    let count = 0;
    while (count < bytes.length) {
      // A full disk may take part of it first and fail only on the next try.
      count += await promised<number>((done) =>
        fs.write(this.#fd, bytes, count, bytes.length - count, at + count, done),
      );
    }
  }

  truncate(length: number): Promise<void> {
    return promised((done) => fs.ftruncate(this.#fd, length, done));
  }

  sync(): Promise<void> {
    return promised((done) => fs.fdatasync(this.#fd, done));
  }

  close(): Promise<void> {
    return promised((done) => fs.close(this.#fd, done));
  }
}

function promised<T>(call: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    call((error, value) => (error ? reject(error) : resolve(value as T)));
  });
}

function openFile(path: string, flags: number): Promise<StoreFile> {
  return promised<number>((done) => fs.open(path, flags, FILE_MODE, done)).then((fd) => new RealFile(fd));
}

export const realDisk: StoreDisk = {
  async makeDirectory(path) {
    try {
      await mkdir(path, { mode: DIRECTORY_MODE });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  },
  list: (directory) => readdir(directory),
  create: (path) => openFile(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC),
  open: (path) => openFile(path, constants.O_RDWR),
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
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};
