/**
 * A set of counters as sorted, disjoint, non-adjacent closed intervals, flat: [lo0, hi0, lo1, hi1, ...].
 * Being maximal the form is canonical: two sets are equal exactly when the arrays are.
 */
export type Intervals = number[];
export type ReadonlyIntervals = readonly number[];

/** Index of the first pair whose upper end is at least `counter`, as an offset into the flat array. */
function firstEndingAt(set: ReadonlyIntervals, counter: number): number {
  const pairs = set.length >> 1;
  // Nearly every look-up is at or behind the last pair.
  if (pairs === 0 || (set[set.length - 1] as number) < counter) return set.length;
  let low = 0;
  let high = pairs - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[2 * middle + 1] as number) < counter) low = middle + 1;
    else high = middle;
  }
  return 2 * low;
}

export function contains(set: ReadonlyIntervals, counter: number): boolean {
  const at = firstEndingAt(set, counter);
  return at < set.length && (set[at] as number) <= counter;
}

/** Adds [lo, hi]. Calls `lost` and `gained` for the intervals of the canonical form that went and came. */
export function addInterval(
  set: Intervals,
  lo: number,
  hi: number,
  lost?: (lo: number, hi: number) => void,
  gained?: (lo: number, hi: number) => void,
): boolean {
  const from = firstEndingAt(set, lo - 1);
  let newLo = lo;
  let newHi = hi;
  let to = from;
  while (to < set.length && (set[to] as number) <= hi + 1) {
    const oldLo = set[to] as number;
    const oldHi = set[to + 1] as number;
    if (oldLo <= lo && oldHi >= hi) return false;
    if (oldLo < newLo) newLo = oldLo;
    if (oldHi > newHi) newHi = oldHi;
    lost?.(oldLo, oldHi);
    to += 2;
  }
  gained?.(newLo, newHi);
  if (to === from + 2) {
    set[from] = newLo;
    set[from + 1] = newHi;
  } else if (from === set.length) {
    set.push(newLo, newHi);
  } else {
    set.splice(from, to - from, newLo, newHi);
  }
  return true;
}

/** What is in `a` and not in `b`. */
export function subtract(a: ReadonlyIntervals, b: ReadonlyIntervals): Intervals {
  const out: Intervals = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let lo = a[i] as number;
    const hi = a[i + 1] as number;
    while (j < b.length && (b[j + 1] as number) < lo) j += 2;
    let k = j;
    while (k < b.length && (b[k] as number) <= hi) {
      if ((b[k] as number) > lo) out.push(lo, (b[k] as number) - 1);
      lo = (b[k + 1] as number) + 1;
      k += 2;
    }
    if (lo <= hi) out.push(lo, hi);
  }
  return out;
}

/** The part of `set` within [lo, hi]. */
export function clip(set: ReadonlyIntervals, lo: number, hi: number): Intervals {
  const out: Intervals = [];
  for (let at = firstEndingAt(set, lo); at < set.length && (set[at] as number) <= hi; at += 2)
    out.push(Math.max(lo, set[at] as number), Math.min(hi, set[at + 1] as number));
  return out;
}
