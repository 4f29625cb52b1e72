import type { StoreHistoryView } from '../node/contract.ts';

/** A sample each so many milliseconds, and so many of them: the last ten minutes. */
const EVERY_MS = 2000;
const SAMPLES = 300;
const MINUTE = 60_000 / EVERY_MS;

const COLUMNS = [
  'commandsPerSecond',
  'keys',
  'usedBytes',
  'heldBytes',
  'diskBytes',
  'clients',
  'busyPercent',
  'lagMs',
] as const;
/** What is read for a sample; `commands` counts up. */
export type Figures = Record<
  Exclude<(typeof COLUMNS)[number], 'commandsPerSecond' | 'busyPercent'>,
  number
> & {
  readonly commands: number;
};

/** Of a store that is not in use. */
export const NO_HISTORY = columnsOf((): number[] => []);

/**
 * The store's figures of the last minutes, so that a page that is opened after the fact has something to show: a ring of numbers,
 * 22 KB, filled only while the store is in use.
 */
export class StoreHistory {
  readonly #atMs = new Float64Array(SAMPLES);
  readonly #columns = COLUMNS.map(() => new Float64Array(SAMPLES));
  readonly #read: () => Figures;
  #timer: NodeJS.Timeout | null = null;
  #taken = 0;
  #before: { atMs: number; commands: number; used: ReturnType<typeof performance.eventLoopUtilization> };

  constructor(read: () => Figures) {
    this.#read = read;
    this.#before = {
      atMs: performance.now(),
      commands: read().commands,
      used: performance.eventLoopUtilization(),
    };
  }

  start(): void {
    this.#timer = setInterval(() => this.sample(), EVERY_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  sample(wallMs = Date.now(), atMs = performance.now()): void {
    const figures = this.#read();
    const used = performance.eventLoopUtilization();
    const before = this.#before;
    const seconds = (atMs - before.atMs) / 1000;
    // CONFIG RESETSTAT sets the count back.
    const commands = Math.max(0, figures.commands - before.commands);
    const row = {
      ...figures,
      commandsPerSecond: seconds > 0 ? Math.round(commands / seconds) : 0,
      busyPercent: Math.round(1000 * performance.eventLoopUtilization(used, before.used).utilization) / 10,
    };
    const place = this.#taken++ % SAMPLES;
    this.#atMs[place] = wallMs;
    COLUMNS.forEach((name, i) => {
      (this.#columns[i] as Float64Array)[place] = row[name];
    });
    this.#before = { atMs, commands: figures.commands, used };
  }

  /** Commands a second, as of the last sample, and over the last minute. */
  rates(): { readonly second: number; readonly minute: number } {
    const places = this.#places(MINUTE);
    const column = this.#columns[0] as Float64Array;
    const sum = places.reduce((total, place) => total + (column[place] as number), 0);
    return {
      second: column[places.at(-1) ?? 0] as number,
      minute: Math.round(sum / Math.max(1, places.length)),
    };
  }

  /** Samples after that time; all when it is later than the last one, as after a clock was set back. */
  since(afterMs: number): StoreHistoryView {
    const all = this.#places(SAMPLES);
    const newest = this.#atMs[all.at(-1) ?? 0] as number;
    const places = afterMs > newest ? all : all.filter((place) => (this.#atMs[place] as number) > afterMs);
    const pick = (column: Float64Array): number[] => places.map((place) => column[place] as number);
    return { ...columnsOf((i) => pick(this.#columns[i] as Float64Array)), atMs: pick(this.#atMs) };
  }

  /** Of the newest samples, oldest first. */
  #places(most: number): number[] {
    const count = Math.min(most, this.#taken, SAMPLES);
    return Array.from({ length: count }, (_, i) => (this.#taken - count + i) % SAMPLES);
  }
}

function columnsOf(column: (i: number) => number[]): StoreHistoryView {
  const named = Object.fromEntries(COLUMNS.map((name, i) => [name, column(i)]));
  return { everyMs: EVERY_MS, atMs: [], ...(named as Record<(typeof COLUMNS)[number], number[]>) };
}
