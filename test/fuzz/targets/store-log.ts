import { ShoalError } from '../../../src/base/index.ts';
import { MessageTable, Span, Stamps } from '../../../src/store/index.ts';
import { Batch, BatchPool } from '../../../src/store/log/batch.ts';
import { crc32 } from '../../../src/store/log/crc32.ts';
import type { StoreDisk, StoreFile } from '../../../src/store/log/disk.ts';
import type { ExternalChange } from '../../../src/store/log/external.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBytes,
  FILE_HEADER_BYTES,
  fileHeader,
  frameBatch,
  MAX_BATCH_BYTES,
  PART,
} from '../../../src/store/log/format.ts';
import { Recorder } from '../../../src/store/log/recorder.ts';
import { Recovery } from '../../../src/store/log/recovery.ts';
import type { Target } from '../target.ts';

/** First byte of an input. */
const SEALED = 1;
const SNAPSHOT = 2;
const SALVAGE = 4;
const GENERATION = 3;
const SALT = 0x5a17;
/** A table takes long to make, and holds little of what is fed. */
const TABLE_INPUTS = 500;
/** A region of the table, and what reads. */
const SLACK_BYTES = 40 << 20;
const LIMIT_MS = 2000;

/** A disk that holds files, and forgets what is written. */
class Files implements StoreDisk {
  readonly #files: Map<string, Uint8Array>;

  constructor(files: Readonly<Record<string, Uint8Array>>) {
    this.#files = new Map(Object.entries(files));
  }

  async list(): Promise<string[]> {
    return [...this.#files.keys()];
  }

  async open(path: string): Promise<StoreFile> {
    return fileOf(this.#files.get(path.slice(path.lastIndexOf('/') + 1)) ?? new Uint8Array(0));
  }

  async create(): Promise<StoreFile> {
    return fileOf(new Uint8Array(0));
  }

  async makeDirectory(): Promise<void> {}
  async rename(): Promise<void> {}
  async remove(): Promise<void> {}
  async syncDirectory(): Promise<void> {}
  async freeBytes(): Promise<number> {
    return Infinity;
  }
}

function fileOf(bytes: Uint8Array): StoreFile {
  return {
    size: async () => bytes.length,
    read: async (into, at) => {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
    write: async () => {},
    truncate: async () => {},
    sync: async () => {},
    close: async () => {},
  };
}

/** A log or a snapshot, as the store writes it. */
function written(
  kind: 'log' | 'snapshot',
  write: (table: MessageTable, recorder: Recorder) => void,
): Uint8Array {
  const parts: Uint8Array[] = [
    fileHeader({ kind, generation: GENERATION, afterFailure: false, trustedBytes: 0, salt: SALT }),
  ];
  const frame = ({ words, bytes }: Batch, stored: number, flags: number, records: number): void => {
    const number = parts.length - 1;
    const marks = {
      flags,
      records,
      number,
      generation: GENERATION,
      synced: Math.max(0, number - 1),
      salt: SALT,
    };
    parts.push(frameBatch(words, bytes, stored, stored, marks).slice());
  };
  const recorder = new Recorder(
    {
      batch: (batch) => frame(batch, batch.rawBytes, 0, batch.records),
      external: (change: ExternalChange) => {
        const batch = new Batch();
        frame(batch, change.fill(batch.words, batch.bytes), PART, 1);
      },
    },
    new BatchPool(1),
  );
  const table = new MessageTable(new Stamps(1));
  table.sink = recorder;
  table.nowMs = 1000;
  recorder.lease(1, new Float64Array(256).fill(2 ** 24));
  recorder.seal();
  write(table, recorder);
  if (kind === 'snapshot') recorder.finish();
  recorder.seal();
  return Uint8Array.from(Buffer.concat(parts));
}

function put(table: MessageTable, key: string, value: Uint8Array, expiryMs = 0): void {
  const bytes = Buffer.from(key);
  table.lookup(new Span(bytes), 0, bytes.length);
  table.put(new Span(value), 0, value.length, expiryMs);
}

/** Makes the checksums right again, as whoever forges a file would. */
function seal(file: Uint8Array): void {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length >= FILE_HEADER_BYTES) view.setUint32(44, crc32(file.subarray(0, 44)), true);
  for (let at = FILE_HEADER_BYTES; at + BATCH_HEADER_BYTES <= file.length; ) {
    const total = batchBytes(Math.min(view.getUint32(at + 8, true), MAX_BATCH_BYTES));
    const isBatch =
      view.getInt32(at, true) === BATCH_MAGIC && total <= MAX_BATCH_BYTES && at + total <= file.length;
    if (isBatch) view.setUint32(at + 4, crc32(file.subarray(at + 8, at + total)), true);
    at += isBatch ? total : 16;
  }
}

/**
 * Files of the message log, as bytes and with sums that are right: either they are refused, or read; in no time to speak of, and
 * with no more memory than they have bytes. What is refused is salvaged the same.
 */
export function storeLogTarget(): Target {
  let table = new MessageTable(new Stamps(1));
  let inputs = 0;
  return {
    shape: { kind: 'bytes' },
    seeds: () => {
      const log = written('log', (made, recorder) => {
        put(made, 'a', new Uint8Array(30).fill(65));
        recorder.seal();
        put(made, 'b', new Uint8Array(3), 5000);
        put(made, 'large', new Uint8Array(70_000).fill(66));
        recorder.cleared();
        put(made, 'a', new Uint8Array(5));
        const key = new Span(Buffer.from('a'));
        if (made.lookup(key, 0, 1)) made.remove();
      });
      const small = written('log', (made) => put(made, 'key', new Uint8Array(9)));
      const snapshot = written('snapshot', (made) => put(made, 'kept', new Uint8Array(20)));
      const first = (mode: number, file: Uint8Array): Uint8Array => Uint8Array.from([mode, ...file]);
      return [
        first(0, log),
        first(SEALED, small),
        first(SEALED | SALVAGE, log.subarray(0, 2600)),
        first(SNAPSHOT, snapshot),
        first(SNAPSHOT | SEALED | SALVAGE, snapshot),
        first(SALVAGE, small.subarray(0, small.length - 30)),
      ];
    },
    async feed(input) {
      if (inputs++ % TABLE_INPUTS === 0) table = new MessageTable(new Stamps(1));
      const mode = input[0] ?? 0;
      const file = input.slice(1);
      if ((mode & SEALED) !== 0) seal(file);
      const name = (mode & SNAPSHOT) === 0 ? 'log' : 'snapshot';
      const disk = new Files({ [`${name}.${GENERATION}`]: file });
      const words: string[] = [];
      const say = (text: string): number => words.push(text);
      const before = process.memoryUsage().arrayBuffers;
      const from = process.cpuUsage();
      const recovery = new Recovery({
        ...{ disk, directory: '/d', table, stamps: new Stamps(1), progressMs: 1e9 },
        ...{ notices: { info: say, warn: say }, salvage: (mode & SALVAGE) !== 0 },
      });
      let word: string;
      try {
        const { records } = await recovery.run();
        word = `+${Math.min(records, 8)} ${words.map((text) => text.replace(/[0-9]+/g, 'N').slice(0, 60))}`;
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error;
        word = `${error.code} ${error.message.replace(/[0-9]+/g, 'N').slice(20, 90)}`;
      }
      const taken = process.memoryUsage().arrayBuffers - before;
      if (taken > file.length * 4 + SLACK_BYTES) throw new Error(`took ${taken} bytes for ${file.length}`);
      const ms = process.cpuUsage(from).user / 1000;
      if (ms > LIMIT_MS) throw new Error(`took ${ms} ms`);
      return word;
    },
  };
}
