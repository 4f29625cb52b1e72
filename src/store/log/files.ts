import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ShoalError, systemReason } from '../../base/index.ts';
import type { StoreDisk, StoreFile } from './disk.ts';
import { FILE_HEADER_BYTES, type FileHeader, type FileKind, fileHeader, readFileHeader } from './format.ts';

/** `log.N`, `snapshot.N`: the snapshot stands for everything before log N. */
export function fileName(kind: FileKind, generation: number): string {
  return `${kind}.${generation}`;
}

export function generationOf(kind: FileKind, name: string): number | null {
  const match = /^(log|snapshot)\.([1-9][0-9]{0,9})$/.exec(name);
  return match === null || match[1] !== kind ? null : Number(match[2]);
}

/** A half-written file, from before a crash. */
export function isLeftover(name: string): boolean {
  return /^(log|snapshot)\.[1-9][0-9]{0,9}\.tmp$/.test(name);
}

/** What a damaged file that was given up is kept as. */
export function keptName(name: string): string {
  return `${name}.damaged`;
}

/** A new file with its header, and the salt in it, on the medium; nothing of it stays when that fails. */
export async function createStoreFile(
  disk: StoreDisk,
  directory: string,
  name: string,
  header: Omit<FileHeader, 'salt'>,
): Promise<{ readonly file: StoreFile; readonly salt: number }> {
  const path = join(directory, name);
  const salt = randomBytes(4).readInt32LE();
  const file = await disk.create(path);
  try {
    await file.write(fileHeader({ ...header, salt }), 0);
    await file.sync();
    await disk.syncDirectory(directory);
  } catch (error) {
    await file.close().catch(() => {});
    await disk.remove(path).catch(() => {});
    throw error;
  }
  return { file, salt };
}

/** Null: not even the header is sound. @throws ShoalError `store-newer` */
export async function readHeader(file: StoreFile, path: string): Promise<FileHeader | null> {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  const count = await file.read(bytes, 0);
  const header = readFileHeader(bytes.subarray(0, count));
  if (typeof header !== 'number') return header;
  throw new ShoalError(
    'store-newer',
    `${path} was written by a newer version of shoal (format ${header}): install that version again, or move the directory away to start with an empty store`,
    'store-dir',
  );
}

/** No room: what was refused can be tried again when there is some. */
export function isFull(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

/** An error of the disk while the store runs. */
export function diskError(cause: unknown, directory: string): ShoalError {
  const reason = systemReason(cause);
  return isFull(cause)
    ? new ShoalError('disk-full', `cannot write ${directory}: ${reason}: free some space`)
    : new ShoalError(
        'disk-failed',
        `cannot write ${directory}: ${reason}: look at the disk, its cable or card, and its mount`,
      );
}
