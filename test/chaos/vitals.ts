import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from '../bench/proc.ts';
import { getText } from './client.ts';
import type { Board } from './fleet.ts';
import type { Trial } from './trial.ts';

const SAMPLE_MS = 2_000;
/** Sockets of sessions under way come and go; more than so many above the first count is a leak. */
const SPARE = 8;
const SETTLE_MS = 15_000;
/**
 * A process must have lived for so long before its memory is judged, and for this share of its life it settles: the heap of one
 * that is new grows for some eight minutes, from 57 to 70 MB under a soak's load, and stays there.
 */
const LIVED_MS = 900_000;
const SETTLING_SHARE = 0.4;
/** By so much its high level may rise from the first third of the rest to the last. */
export const RISE_MB = 3;

interface Sample {
  readonly atMs: number;
  readonly rssMb: number;
}

interface Life {
  readonly name: string;
  readonly pid: number;
  readonly samples: Sample[];
}

/** What a board holds open while nothing is asked of it. */
export interface Holdings {
  readonly fds: number;
  readonly sockets: number;
  readonly timers: number;
}

/** The figures of a process that must not grow: memory, descriptors, sockets, timers. */
export class Vitals {
  readonly #trial: Trial;
  readonly #lives = new Map<string, Life>();
  #timer: NodeJS.Timeout | null = null;
  #first: Holdings | null = null;
  #last: readonly Holdings[] = [];

  constructor(trial: Trial) {
    this.#trial = trial;
  }

  begin(): void {
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Smallest and largest at present, MB. */
  rss(): [number, number] {
    const all = this.#trial.fleet.boards.map(({ pid }) => rssMb(pid)).filter((mb) => mb > 0);
    return [Math.min(...all), Math.max(...all)];
  }

  /** As last counted at rest, over all boards. */
  holdings(): readonly Holdings[] {
    return this.#last;
  }

  /**
   * Counts what is open, when all agree and nothing is asked: the most of any board the first time is the measure for
   * later. What is above it has some seconds to go away.
   */
  async check(): Promise<void> {
    const endMs = performance.now() + SETTLE_MS;
    for (;;) {
      const counts = await Promise.all(this.#trial.fleet.boards.map((board) => this.#count(board)));
      this.#last = counts;
      const most = (of: (one: Holdings) => number): number => Math.max(...counts.map(of));
      const now = { fds: most((c) => c.fds), sockets: most((c) => c.sockets), timers: most((c) => c.timers) };
      this.#first ??= now;
      const { fds, sockets, timers } = this.#first;
      const fits = now.fds <= fds + SPARE && now.sockets <= sockets + SPARE && now.timers <= timers + SPARE;
      if (fits) return;
      if (performance.now() > endMs) {
        const names = this.#trial.fleet.boards.map(({ name }, i) => `${name} ${JSON.stringify(counts[i])}`);
        this.#trial.violate(
          `leak: more is open than at first (${JSON.stringify(this.#first)}): ${names.join(' ')}`,
        );
        return;
      }
      await sleep(500);
    }
  }

  /** Of processes that lived long enough: the high level of their memory at first, and how far it rose. */
  memory(): { name: string; fromMb: number; riseMb: number; minutes: number }[] {
    const judged = [];
    for (const { name, samples } of this.#lives.values()) {
      const [first] = samples;
      const last = samples.at(-1);
      if (first === undefined || last === undefined || last.atMs - first.atMs < LIVED_MS) continue;
      const fromMs = first.atMs + (last.atMs - first.atMs) * SETTLING_SHARE;
      const settled = samples.filter(({ atMs }) => atMs >= fromMs);
      const minutes = (last.atMs - fromMs) / 60_000;
      const { fromMb, riseMb } = rise(settled.map(({ rssMb: mb }) => mb));
      judged.push({ name, fromMb, riseMb, minutes });
    }
    return judged;
  }

  #sample(): void {
    const atMs = performance.now();
    for (const { name, pid } of this.#trial.fleet.boards) {
      const mb = pid === 0 ? 0 : rssMb(pid);
      if (mb === 0) continue;
      const key = `${name} ${pid}`;
      const life = this.#lives.get(key) ?? { name, pid, samples: [] };
      this.#lives.set(key, life);
      life.samples.push({ atMs, rssMb: mb });
    }
  }

  async #count(board: Board): Promise<Holdings> {
    const text = await getText(board, '/metrics');
    let sockets = 0;
    let timers = 0;
    for (const [, type, count] of text.matchAll(/^shoal_process_active_resources\{type="(\w+)"\} (\d+)$/gm)) {
      if (type === 'Timeout') timers += Number(count);
      else sockets += Number(count);
    }
    return { fds: readdirSync(`/proc/${board.pid}/fd`).length, sockets, timers };
  }
}

/** 0 when the process is gone. */
function rssMb(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/**
 * How far the high level (the ninth decile) rises from the first third to the last. The heap goes up and down by five megabytes in
 * periods of many minutes: a line through a life of half an hour rises or falls with where it begins and ends, while a leak
 * raises the tops.
 */
export function rise(mbs: readonly number[]): { fromMb: number; riseMb: number } {
  const third = Math.floor(mbs.length / 3);
  const high = (some: readonly number[]): number =>
    some.toSorted((a, b) => a - b)[Math.floor(some.length * 0.9)] ?? 0;
  const fromMb = high(mbs.slice(0, third));
  return { fromMb, riseMb: high(mbs.slice(-third)) - fromMb };
}
