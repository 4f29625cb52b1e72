import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import type { Store } from '../store/index.ts';

const MB = 2 ** 20;
/** What the rest of the process needs. */
const PROCESS_MB = 64;
const LEAST_MB = 8;

/** Megabytes for messages when nobody says: half of what the machine, or this process's control group, has beyond the process. */
export function memoryBudgetMb(totalMb = totalmem() / MB, groupMb = controlGroupMb()): number {
  const have = Math.min(totalMb, groupMb);
  return Math.max(LEAST_MB, Math.floor((have - PROCESS_MB) / 2));
}

/**
 * Megabytes that clients may hold together, in commands that are not whole and replies that they do not take: half of what messages
 * get. The other half of what is left is for the disk's queue and the collector.
 */
export function clientBudgetMb(memoryMb: number): number {
  return Math.max(LEAST_MB, Math.floor(memoryMb / 2));
}

/** The tightest limit of this process's control group and those above it (version 2 only); Infinity: none. */
function controlGroupMb(): number {
  let limit = Infinity;
  try {
    const path = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('/'))) {
      for (const file of ['memory.max', 'memory.high'])
        limit = Math.min(limit, limitIn(`/sys/fs/cgroup${at}/${file}`));
      if (at === '' || at === '/') return limit;
    }
  } catch {
    return limit;
  }
}

function limitIn(path: string): number {
  try {
    const bytes = Number(readFileSync(path, 'utf8').trim());
    return bytes > 0 ? bytes / MB : Infinity;
  } catch {
    return Infinity;
  }
}

/** What a store without room for messages says to its operator. */
export function fullText(store: Store, memoryMb: number): string {
  const why =
    store.lacks === 'memory'
      ? `OOM its memory (store_memory, ${memoryMb} MB) is used up: delete messages, or raise it`
      : store.refusal;
  return `the store takes no more messages: ${why}`;
}
