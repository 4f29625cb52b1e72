import { join } from 'node:path';
import { isNodeId, type NodeId } from '../../base/index.ts';
import { crc32c } from './crc32c.ts';
import { type Disk, replaceFile } from './disk.ts';
import { type DiskError, runtimeDiskError } from './errors.ts';

/** What must never go back: kept in `boot` and, against a damaged sector, again in `boot.bak`. */
export interface BootValues {
  readonly id: NodeId;
  /** Every counter below it may have been used; from 1. */
  readonly leaseTo: number;
  /** Every incarnation up to it may have been used. */
  readonly incarnation: number;
  /** The id that this one replaced: files that still name it are older, not another node's. */
  readonly former?: NodeId | null;
}

export const BOOT_FILES = ['boot', 'boot.bak'] as const;

export function encodeBoot(values: BootValues): Uint8Array {
  const body = `${values.id} ${values.leaseTo} ${values.incarnation}`;
  const former = values.former ? { former: values.former } : {};
  return Buffer.from(
    `${JSON.stringify({ version: BOOT_VERSION, id: values.id, leaseTo: values.leaseTo, incarnation: values.incarnation, ...former, crc: crc32c(Buffer.from(body)) })}\n`,
  );
}

const BOOT_VERSION = 1;

/** The version of a boot file in a later format, or null. */
export function newerBoot(bytes: Uint8Array): number | null {
  try {
    const { version } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { version?: unknown };
    return isCount(version) && version > BOOT_VERSION ? version : null;
  } catch {
    return null;
  }
}

/** Null when it is damaged. */
export function decodeBoot(bytes: Uint8Array): BootValues | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { version, id, leaseTo, incarnation, former, crc } = value as Record<string, unknown>;
  if (version !== BOOT_VERSION || typeof id !== 'string' || !isNodeId(id)) return null;
  if (!isCount(leaseTo) || !isCount(incarnation)) return null;
  if (crc32c(Buffer.from(`${id} ${leaseTo} ${incarnation}`)) !== crc) return null;
  const replaced = typeof former === 'string' && isNodeId(former) ? { former } : {};
  return { id, leaseTo, incarnation, ...replaced };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Writes both copies and makes them lasting. Until it returns, nobody may act on the new values. */
export async function writeBoot(disk: Disk, directory: string, values: BootValues): Promise<void> {
  const bytes = encodeBoot(values);
  for (const name of BOOT_FILES) await replaceFile(disk, join(directory, name), [bytes]);
  await disk.syncDirectory(directory);
}

type LeaseDone = (upTo: number, error: DiskError | null) => void;

/** Raises the boot values while the node runs: one write at a time, what is asked meanwhile goes into the next. */
export class BootKeeper {
  readonly #disk: Disk;
  readonly #directory: string;
  #written: BootValues;
  #wanted: BootValues;
  #waiting: { upTo: number; done: LeaseDone }[] = [];
  #running: Promise<void> | null = null;

  constructor(disk: Disk, directory: string, written: BootValues) {
    this.#disk = disk;
    this.#directory = directory;
    this.#written = written;
    this.#wanted = written;
  }

  get id(): NodeId {
    return this.#written.id;
  }

  get incarnation(): number {
    return this.#wanted.incarnation;
  }

  lease(upTo: number, done: LeaseDone): void {
    this.#wanted = { ...this.#wanted, leaseTo: Math.max(upTo, this.#wanted.leaseTo) };
    this.#waiting.push({ upTo, done });
    this.#start();
  }

  raiseIncarnation(incarnation: number): void {
    if (incarnation <= this.#wanted.incarnation) return;
    this.#wanted = { ...this.#wanted, incarnation };
    this.#start();
  }

  /** Until what was asked for is on disk and told: the files may be written by another then. */
  async settled(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** For a clean stop: the values as they are, so that no counter and no incarnation is skipped at the next start. */
  async finish(leaseTo: number, incarnation: number): Promise<void> {
    await this.settled();
    const last = { id: this.#written.id, leaseTo, incarnation };
    if (last.leaseTo === this.#written.leaseTo && last.incarnation === this.#written.incarnation) return;
    await writeBoot(this.#disk, this.#directory, last);
    this.#written = last;
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // A lease asked for by the callbacks of the last round.
      if (this.#waiting.length > 0) this.#start();
    });
  }

  async #run(): Promise<void> {
    // Lets the callers of this turn get into one write; also keeps the callbacks out of the caller's stack.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const values = this.#wanted;
    const waiting = this.#waiting;
    this.#waiting = [];
    let error: DiskError | null = null;
    if (values.leaseTo > this.#written.leaseTo || values.incarnation > this.#written.incarnation) {
      try {
        await writeBoot(this.#disk, this.#directory, values);
        this.#written = values;
      } catch (cause) {
        error = runtimeDiskError(cause, this.#directory);
      }
    }
    for (const { upTo, done } of waiting) done(upTo, error);
  }
}
