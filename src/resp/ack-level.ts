/** How many owners: a number, a majority of the current ones, or all of them. */
export type Copies = number | 'q' | 'all';

/**
 * What a client wants to be true before its write is answered: `memory` owners hold it, `disk` of them have it on disk.
 * `timeoutMs` 0 waits as long as it takes.
 */
export interface AckLevel {
  readonly memory: Copies;
  readonly disk: Copies;
  readonly timeoutMs: number;
}

export const PLAIN_LEVEL: AckLevel = { memory: 1, disk: 0, timeoutMs: 0 };

/** More machines than any key will have. */
const MAX_COPIES = 255;
const MAX_TIMEOUT_MS = 3_600_000;

/** `1m1d`, `qm1d`, `allmalld`; null when it is none. */
export function parseLevel(text: string): AckLevel | null {
  const found = /^(\d{1,3}|q|all)m(\d{1,3}|q|all)d$/i.exec(text);
  return found === null ? null : levelOf(found[1] as string, found[2] as string, '');
}

/** From the words of `ACKS m d [ms]`; null when they are no level. */
export function levelOf(memoryText: string, diskText: string, timeoutText: string): AckLevel | null {
  const memory = copiesOf(memoryText);
  const disk = copiesOf(diskText);
  const timeoutMs = timeoutText === '' ? 0 : /^\d{1,9}$/.test(timeoutText) ? Number(timeoutText) : -1;
  if (memory === null || disk === null || timeoutMs < 0 || timeoutMs > MAX_TIMEOUT_MS) return null;
  // The writer's own machine always has it in memory; what is on disk is in memory too.
  if (memory === 0 || (typeof memory === 'number' && typeof disk === 'number' && disk > memory)) return null;
  return { memory, disk, timeoutMs };
}

function copiesOf(text: string): Copies | null {
  const lower = text.toLowerCase();
  if (lower === 'q' || lower === 'all') return lower;
  if (!/^\d{1,3}$/.test(text)) return null;
  const copies = Number(text);
  return copies > MAX_COPIES ? null : copies;
}

/** The level that a client's name asks for, as in `app;ack=2m1d`: null when it asks for none, undefined when it is wrong. */
export function levelInName(name: string): AckLevel | null | undefined {
  const found = /;ack=([^;]*)/.exec(name);
  return found === null ? null : (parseLevel(found[1] as string) ?? undefined);
}

/** What is said, before a write is begun, where one node cannot give what is asked of so many owners; '' where it can. */
export function shortfall(level: AckLevel, owners: number, durable: boolean): string {
  const memory = copiesNeeded(level.memory, owners);
  const disk = copiesNeeded(level.disk, owners);
  if (memory <= 1 && disk <= (durable ? 1 : 0)) return '';
  return `NOREPLICAS need ${showLevel(level)}, reachable ${memory <= 1 ? '1m0d' : '1'}`;
}

export function copiesNeeded(copies: Copies, owners: number): number {
  if (copies === 'q') return (owners >> 1) + 1;
  return copies === 'all' ? Math.max(owners, 1) : copies;
}

export function showLevel(level: AckLevel): string {
  return `${level.memory}m${level.disk}d`;
}

export function isPlain(level: AckLevel): boolean {
  return level.memory === 1 && level.disk === 0;
}
