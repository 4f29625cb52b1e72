/** For tests only: a file system in memory that crashes as real ones do, and fails on demand. */
import { dirname, join } from 'node:path';
import type { Rng } from '../../../base/index.ts';
import type { StoreDisk, StoreFile } from '../disk.ts';

type FileOp = { readonly at: number; readonly bytes: Uint8Array } | { readonly length: number };
type DirectoryOp =
  | { readonly set: string; readonly inode: Inode }
  | { readonly remove: string }
  | { readonly rename: string; readonly to: string };
export type Action = 'create' | 'write' | 'sync' | 'truncate' | 'rename' | 'remove' | 'syncDirectory';

const SECTOR_BYTES = 512;

/** Bytes that grow. */
class Content {
  bytes = new Uint8Array(0);
  length = 0;

  do(op: FileOp): void {
    if ('length' in op) {
      this.#reserve(op.length);
      this.bytes.fill(0, Math.min(op.length, this.length), this.bytes.length);
      this.length = op.length;
      return;
    }
    this.#reserve(op.at + op.bytes.length);
    this.bytes.set(op.bytes, op.at);
    this.length = Math.max(this.length, op.at + op.bytes.length);
  }

  get used(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  copy(): Content {
    const copy = new Content();
    copy.do({ at: 0, bytes: this.used });
    return copy;
  }

  #reserve(length: number): void {
    if (length <= this.bytes.length) return;
    const wider = new Uint8Array(length * 2);
    wider.set(this.used);
    this.bytes = wider;
  }
}

class Inode {
  readonly lasting = new Content();
  current = new Content();
  pending: FileOp[] = [];

  do(op: FileOp): void {
    this.current.do(op);
    this.pending.push(op);
  }

  sync(): void {
    for (const op of this.pending) this.lasting.do(op);
    this.pending = [];
  }

  /** Of what was not synced, either the first writes are there and one in part, or any sectors of any of them. */
  crash(rng: Rng): void {
    const ordered = rng.below(2) === 0;
    const kept = rng.below(this.pending.length + 1);
    for (const [i, op] of this.pending.entries()) {
      if ('length' in op) {
        if (i < kept) this.lasting.do(op);
      } else if (ordered) {
        if (i < kept) this.lasting.do(op);
        else if (i === kept)
          this.lasting.do({ at: op.at, bytes: op.bytes.slice(0, rng.below(op.bytes.length + 1)) });
      } else if (i < kept) this.#sectors(op.at, op.bytes, rng);
    }
    this.pending = [];
    this.current = this.lasting.copy();
  }

  #sectors(at: number, bytes: Uint8Array, rng: Rng): void {
    if (this.lasting.length < at + bytes.length) this.lasting.do({ length: at + bytes.length });
    for (let from = at; from < at + bytes.length; ) {
      const end = Math.min(at + bytes.length, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      if (rng.below(3) > 0) this.lasting.do({ at: from, bytes: bytes.slice(from - at, end - at) });
      from = end;
    }
  }
}

function change(names: Map<string, Inode>, op: DirectoryOp): void {
  if ('set' in op) names.set(op.set, op.inode);
  else if ('remove' in op) names.delete(op.remove);
  else {
    const inode = names.get(op.rename);
    if (inode !== undefined) names.set(op.to, inode);
    names.delete(op.rename);
  }
}

export function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export class FakeDisk {
  #lasting = new Map<string, Inode>();
  #current = new Map<string, Inode>();
  #pending: DirectoryOp[] = [];
  /** Every process has its own: after a crash the old one's calls fail. */
  #epoch = 0;
  /** Changes and syncs so far, and the one at which the power fails. */
  actions = 0;
  crashAt = Infinity;
  /** While it is there, the disk stands still until it is resolved. */
  still: Promise<void> | null = null;
  /** What it has room for. */
  sizeBytes = Infinity;
  /** So often it was asked what is left of that; who asks waits for this. */
  looks = 0;
  measured: Promise<void> | null = null;
  /** Opened and not closed. */
  readonly open = new Set<StoreFile>();
  /** Called before each; returns the code to fail with, or null. A write that fails has written half. */
  fail: (what: Action, path: string) => string | null = () => null;

  /** The disk as the running process sees it. */
  session(): StoreDisk {
    const epoch = this.#epoch;
    const { open } = this;
    const alive = (): void => {
      if (epoch !== this.#epoch || this.actions >= this.crashAt) throw failure('EIO');
    };
    const run = async <T>(what: () => T): Promise<T> => {
      alive();
      await new Promise((resolve) => setImmediate(resolve));
      if (this.still !== null) await this.still;
      alive();
      return what();
    };
    const act = <T>(action: Action, path: string, what: () => T): Promise<T> =>
      run(() => {
        this.actions++;
        const code = this.fail(action, path);
        if (code !== null) throw failure(code);
        return what();
      });
    const file = (path: string, inode: Inode): StoreFile => {
      const opened = fileOf(path, inode);
      this.open.add(opened);
      return opened;
    };
    const fileOf = (path: string, inode: Inode): StoreFile => ({
      size: () => run(() => inode.current.length),
      read: (into, at) =>
        run(() => {
          const part = inode.current.used.subarray(at, at + into.length);
          into.set(part);
          return part.length;
        }),
      write: (bytes, at) =>
        run(() => {
          this.actions++;
          const isFull = this.#usedBytes + bytes.length > this.sizeBytes;
          const code = this.fail('write', path) ?? (isFull ? 'ENOSPC' : null);
          inode.do({ at, bytes: code === null ? bytes.slice() : bytes.slice(0, bytes.length >> 1) });
          if (code !== null) throw failure(code);
        }),
      truncate: (length) => act('truncate', path, () => inode.do({ length })),
      sync: () => act('sync', path, () => inode.sync()),
      async close() {
        open.delete(this);
      },
    });
    return {
      makeDirectory: async () => {},
      list: (directory) => run(() => this.list(directory)),
      create: (path) => act('create', path, () => file(path, this.#create(path))),
      open: (path) =>
        run(() => {
          const inode = this.#current.get(path);
          if (inode === undefined) throw failure('ENOENT');
          return file(path, inode);
        }),
      rename: (from, to) => act('rename', to, () => this.#change({ rename: from, to })),
      remove: (path) =>
        act('remove', path, () => {
          if (!this.#current.has(path)) throw failure('ENOENT');
          this.#change({ remove: path });
        }),
      syncDirectory: (path) => act('syncDirectory', path, () => this.#syncDirectory()),
      freeBytes: async () => {
        this.looks++;
        await this.measured;
        return run(() => this.sizeBytes - this.#usedBytes);
      },
    };
  }

  /** The power fails, and comes back. */
  crash(rng: Rng): void {
    this.#epoch++;
    this.open.clear();
    this.crashAt = Infinity;
    const kept = rng.below(this.#pending.length + 1);
    for (const op of this.#pending.slice(0, kept)) change(this.#lasting, op);
    this.#pending = [];
    this.#current = new Map(this.#lasting);
    for (const inode of this.#lasting.values()) inode.crash(rng);
  }

  /** The process ends, the machine does not: everything written is there. */
  kill(): void {
    this.#epoch++;
    this.open.clear();
    this.crashAt = Infinity;
  }

  list(directory: string): string[] {
    return [...this.#current.keys()]
      .filter((path) => path.startsWith(`${directory}/`))
      .map((path) => path.slice(directory.length + 1))
      .sort();
  }

  /** What is in a file, to be changed by the test. */
  bytes(path: string): Uint8Array {
    const inode = this.#current.get(path);
    if (inode === undefined) throw failure('ENOENT');
    return inode.current.used;
  }

  cut(path: string, length: number): void {
    this.#current.get(path)?.do({ length });
  }

  remove(path: string): void {
    this.#change({ remove: path });
  }

  rename(from: string, to: string): void {
    this.#change({ rename: from, to });
  }

  /** A file with these bytes and no other in its directory, on the medium. */
  only(path: string, bytes: Uint8Array): void {
    for (const name of this.list(dirname(path))) this.remove(join(dirname(path), name));
    this.#create(path).do({ at: 0, bytes: bytes.slice() });
    this.#syncDirectory();
  }

  get #usedBytes(): number {
    let bytes = 0;
    for (const { current } of this.#current.values()) bytes += current.length;
    return bytes;
  }

  #create(path: string): Inode {
    const existing = this.#current.get(path);
    const inode = existing ?? new Inode();
    if (existing === undefined) this.#change({ set: path, inode });
    else inode.do({ length: 0 });
    return inode;
  }

  #change(op: DirectoryOp): void {
    change(this.#current, op);
    this.#pending.push(op);
  }

  #syncDirectory(): void {
    for (const op of this.#pending) change(this.#lasting, op);
    this.#pending = [];
  }
}
