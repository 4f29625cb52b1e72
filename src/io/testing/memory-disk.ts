/** For tests only: a file system in memory that can crash as a real one does, and fail on demand. */
import type { Rng } from '../../base/index.ts';
import type { Disk, DiskFile } from '../state/disk.ts';

type FileOp = { readonly at: number; readonly bytes: Uint8Array } | { readonly length: number };
type DirectoryOp =
  | { readonly set: string; readonly inode: Inode }
  | { readonly remove: string }
  | { readonly rename: string; readonly to: string };

function apply(data: Uint8Array, op: FileOp): Uint8Array {
  const length = 'length' in op ? op.length : Math.max(data.length, op.at + op.bytes.length);
  const next = new Uint8Array(length);
  next.set(data.subarray(0, length));
  if ('bytes' in op) next.set(op.bytes, op.at);
  return next;
}

class Inode {
  lasting = new Uint8Array(0);
  current = new Uint8Array(0);
  pending: FileOp[] = [];

  do(op: FileOp): void {
    this.current = apply(this.current, op) as Uint8Array<ArrayBuffer>;
    this.pending.push(op);
  }

  sync(): void {
    this.lasting = this.current;
    this.pending = [];
  }

  /** What was not synced is there up to some point, the last write perhaps in part. */
  crash(rng: Rng): void {
    const kept = rng.below(this.pending.length + 1);
    let data = this.lasting;
    for (const op of this.pending.slice(0, kept)) data = apply(data, op) as Uint8Array<ArrayBuffer>;
    const next = this.pending[kept];
    if (next !== undefined && 'bytes' in next) {
      const part = next.bytes.slice(0, rng.below(next.bytes.length + 1));
      data = apply(data, { at: next.at, bytes: part }) as Uint8Array<ArrayBuffer>;
    }
    this.lasting = data;
    this.current = data;
    this.pending = [];
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

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export class MemoryDisk implements Disk {
  #lasting = new Map<string, Inode>();
  #current = new Map<string, Inode>();
  #pending: DirectoryOp[] = [];
  /** Every process has its own: after a crash the old one's calls fail. */
  #epoch = 0;
  /** Changes made since the start. */
  changes = 0;
  /** Called before each change; returns the code to fail with, or null. A write that fails has written half. */
  fail: (what: 'create' | 'write' | 'sync' | 'truncate' | 'rename', path: string) => string | null = () =>
    null;

  /** The disk as the running process sees it. */
  session(): Disk {
    const epoch = this.#epoch;
    const alive = (): void => {
      if (epoch !== this.#epoch) throw failure('EIO');
    };
    const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
      alive();
      // A turn of the loop between call and effect, so that a crash can come in between.
      await new Promise((resolve) => setImmediate(resolve));
      alive();
      return run();
    };
    return {
      makeDirectory: async () => {},
      list: (path) => guarded(() => this.list(path)),
      read: (path) => guarded(() => this.read(path)),
      create: (path) => guarded(async () => guardFile(await this.create(path), guarded)),
      open: (path) => guarded(async () => guardFile(await this.open(path), guarded)),
      rename: (from, to) => guarded(() => this.rename(from, to)),
      remove: (path) => guarded(() => this.remove(path)),
      syncDirectory: () => guarded(() => this.syncDirectory()),
    };
  }

  crash(rng: Rng): void {
    this.#epoch++;
    const kept = rng.below(this.#pending.length + 1);
    for (const op of this.#pending.slice(0, kept)) change(this.#lasting, op);
    this.#pending = [];
    this.#current = new Map(this.#lasting);
    for (const inode of this.#lasting.values()) inode.crash(rng);
  }

  async makeDirectory(): Promise<void> {}

  async list(directory: string): Promise<string[]> {
    return [...this.#current.keys()]
      .filter((path) => path.startsWith(`${directory}/`))
      .map((path) => path.slice(directory.length + 1));
  }

  async read(path: string): Promise<Uint8Array | null> {
    return this.#current.get(path)?.current.slice() ?? null;
  }

  async create(path: string): Promise<DiskFile> {
    this.#check('create', path);
    const existing = this.#current.get(path);
    const inode = existing ?? new Inode();
    if (existing === undefined) this.#change({ set: path, inode });
    else inode.do({ length: 0 });
    return this.#file(path, inode);
  }

  async open(path: string): Promise<DiskFile> {
    const inode = this.#current.get(path);
    if (inode === undefined) throw failure('ENOENT');
    return this.#file(path, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#check('rename', to);
    this.#change({ rename: from, to });
  }

  async remove(path: string): Promise<void> {
    if (!this.#current.has(path)) throw failure('ENOENT');
    this.#change({ remove: path });
  }

  async syncDirectory(): Promise<void> {
    for (const op of this.#pending) change(this.#lasting, op);
    this.#pending = [];
  }

  #check(what: 'create' | 'write' | 'sync' | 'truncate' | 'rename', path: string): void {
    const code = this.fail(what, path);
    if (code !== null) throw failure(code);
    this.changes++;
  }

  #change(op: DirectoryOp): void {
    this.changes++;
    change(this.#current, op);
    this.#pending.push(op);
  }

  #file(path: string, inode: Inode): DiskFile {
    return {
      write: async (bytes, at) => {
        const code = this.fail('write', path);
        const part = code === null ? bytes : bytes.subarray(0, bytes.length >> 1);
        inode.do({ at, bytes: part.slice() });
        this.changes++;
        if (code !== null) throw failure(code);
      },
      truncate: async (length) => {
        this.#check('truncate', path);
        inode.do({ length });
      },
      sync: async () => {
        this.#check('sync', path);
        inode.sync();
      },
      close: async () => {},
    };
  }
}

function guardFile(file: DiskFile, guarded: <T>(run: () => Promise<T>) => Promise<T>): DiskFile {
  return {
    write: (bytes, at) => guarded(() => file.write(bytes, at)),
    truncate: (length) => guarded(() => file.truncate(length)),
    sync: () => guarded(() => file.sync()),
    close: async () => {},
  };
}
