/** Milliseconds of a clock that never goes back; its zero is arbitrary. */
export function monotonicMs(): number {
  return performance.now();
}

/** Milliseconds of the wall clock: only its jumps mean anything. */
export function wallMs(): number {
  return Date.now();
}

/** Wall-clock time for people, ISO 8601. Never used to decide anything. */
export function wallTime(): string {
  return new Date().toISOString();
}
