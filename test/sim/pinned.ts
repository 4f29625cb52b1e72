/**
 * Seeds of the fault scenario that once failed, each with what was wrong. A seed is pinned when its bug is mended, after a
 * check that it fails with the bug put back. When a change to the simulator makes other draws of a seed, find another seed
 * with the bug put back (the commit that mended it says how it looked), or let the named test stand for it alone.
 */
export interface Pin {
  readonly bug: string;
  readonly seeds: readonly number[];
}

export const PINS: readonly Pin[] = [
  { bug: 'a node with a digest round open asked to be woken at once, again and again', seeds: [4, 7, 9] },
  { bug: 'a leaving node asked to be woken for work that leaving nodes do not do', seeds: [23, 45, 67] },
  {
    bug: 'a node that believed all others gone never spoke again, though its contacts were back',
    seeds: [1239, 102385],
  },
];
