import { readFileSync } from 'node:fs';

/** Clock ticks a second in /proc; 100 on every Linux that node runs on. */
const TICKS = 100;

export interface Memory {
  readonly rssMb: number;
  /** Shared pages counted in proportion: what one more process really costs. */
  readonly pssMb: number;
  /** Heap and other memory that is this process's alone. */
  readonly anonymousMb: number;
}

export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kb = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0);
  return { rssMb: kb('Rss') / 1024, pssMb: kb('Pss') / 1024, anonymousMb: kb('Anonymous') / 1024 };
}

/** Processor time used so far by all threads, milliseconds. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

/** The machine's processors in use, 0 to 1, between two calls: says how much to trust a figure. */
export class Busy {
  #last = totals();

  since(): number {
    const now = totals();
    const busy = 1 - (now.idle - this.#last.idle) / Math.max(1, now.all - this.#last.all);
    this.#last = now;
    return busy;
  }
}

function totals(): { idle: number; all: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const times = line.split(/\s+/).slice(1, 9).map(Number);
  const all = times.reduce((sum, time) => sum + time, 0);
  return { idle: (times[3] ?? 0) + (times[4] ?? 0), all };
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Polls until the condition holds; an error with `what` when it does not in time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs = 20,
): Promise<void> {
  const endMs = performance.now() + withinMs;
  let last = '';
  for (;;) {
    try {
      if (await condition()) return;
      last = '';
    } catch (error) {
      last = `: ${(error as Error).message}`;
    }
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}${last}`);
    await sleep(everyMs);
  }
}
