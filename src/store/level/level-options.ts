import type { DiskOptions } from '../disk-backend.ts';
import type { Database } from './database.ts';

export interface LevelOptions extends DiskOptions {
  /** Most bytes of memory for the table; 0: everything is kept in it. */
  readonly maxMemoryBytes: number;
  readonly open?: (directory: string) => Promise<Database>;
  readonly tuning?: Partial<LevelTuning>;
}

export interface LevelTuning {
  /** What records may take of the memory, index and large ones included; the rest is for what is free for a moment. */
  readonly cacheShare: number;
  /** A change nobody waits for is written at most so late, if not much else waits. */
  readonly flushMs: number;
  /** And synced at most so late. */
  readonly syncMs: number;
  /** Bytes that may wait to be written before commands wait. */
  readonly queueBytes: number;
  /** Room of the file system that is left for LevelDB's own work. */
  readonly reserveBytes: number;
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** Between two looks at the files' sizes, while something is written. */
  readonly usageMs: number;
  /** Between two compactions to come back below the disk budget. */
  readonly compactMs: number;
  readonly progressMs: number;
}

export const TUNING: LevelTuning = {
  cacheShare: 0.8,
  flushMs: 10,
  syncMs: 1000,
  queueBytes: 4 << 20,
  reserveBytes: 32 << 20,
  retryMs: 1000,
  maxRetryMs: 10_000,
  usageMs: 1000,
  compactMs: 10_000,
  progressMs: 5000,
};
