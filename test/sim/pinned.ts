/**
 * Seeds of the fault scenario that once failed, each with what was wrong. A seed is pinned when its bug is mended, after a
 * check that it fails with the bug put back. When a change to the simulator makes other draws of a seed, find another seed
 * with the bug put back (the commit that mended it says how it looked), or let the named test stand for it alone.
 */
export interface Pin {
  readonly bug: string;
  readonly seeds: readonly number[];
}

export const PINS: readonly Pin[] = [];
