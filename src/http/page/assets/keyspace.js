/** The segment table as the page needs it: sums over all of it, lookup of a position, and bins for drawing. Pure. */

/** @typedef {import('../../../node/contract.ts').SegmentView} Segment */
/** @typedef {{ start: number, end: number }} Gap */
/** @typedef {{ first: Map<string, number>, names: Map<string, string>, depth: number[], gaps: Gap[], maxOwners: number, minOwners: number }} Summary */

export const KEY_SPACE = 2 ** 32;

/**
 * `first`: positions per node where it is the first owner. `names`: of all owners. `depth[n]`: positions with exactly n owners.
 * Gaps that touch are one.
 * @param {readonly Segment[]} segments
 * @returns {Summary}
 */
export function summarize(segments) {
  /** @type {Map<string, number>} */
  const first = new Map();
  /** @type {Map<string, string>} */
  const names = new Map();
  /** @type {number[]} */
  const depth = [];
  /** @type {Gap[]} */
  const gaps = [];
  let minOwners = Infinity;
  let maxOwners = 0;
  for (const { start, end, owners } of segments) {
    const size = end - start + 1;
    const owner = owners[0];
    if (owner !== undefined) first.set(owner.node, (first.get(owner.node) ?? 0) + size);
    else {
      const last = gaps.at(-1);
      if (last !== undefined && last.end + 1 === start) last.end = end;
      else gaps.push({ start, end });
    }
    for (const { node, name } of owners) names.set(node, name);
    depth[owners.length] = (depth[owners.length] ?? 0) + size;
    minOwners = Math.min(minOwners, owners.length);
    maxOwners = Math.max(maxOwners, owners.length);
  }
  return { first, names, depth, gaps, maxOwners, minOwners: segments.length === 0 ? 0 : minOwners };
}

/**
 * Index of the segment that holds a position; -1 when the table is empty.
 * @param {readonly Segment[]} segments sorted, without holes
 * @param {number} position
 */
export function indexAt(segments, position) {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (/** @type {Segment} */ (segments[middle]).start <= position) low = middle;
    else high = middle - 1;
  }
  return high < 0 ? -1 : low;
}

/**
 * One rank of the table as runs of the same owner (null: nobody at that rank), cut to [from, to).
 * @param {readonly Segment[]} segments
 * @param {number} rank
 * @param {number} from
 * @param {number} to
 */
export function runs(segments, rank, from, to) {
  /** @type {{ node: string | null, name: string, from: number, to: number }[]} */
  const out = [];
  for (let i = Math.max(0, indexAt(segments, from)); i < segments.length; i++) {
    const segment = /** @type {Segment} */ (segments[i]);
    if (segment.start >= to) break;
    const owner = segment.owners[rank];
    const node = owner?.node ?? null;
    const last = out.at(-1);
    const end = Math.min(to, segment.end + 1);
    if (last !== undefined && last.node === node) last.to = end;
    else out.push({ node, name: owner?.name ?? '', from: Math.max(from, segment.start), to: end });
  }
  return out;
}

/**
 * [from, to) cut into equal bins, and for each the share of every owner at one rank. What is missing to 1 has none.
 * @param {readonly Segment[]} segments
 * @param {number} rank
 * @param {number} from
 * @param {number} to
 * @param {number} bins
 * @returns {Map<string, number>[]}
 */
export function binned(segments, rank, from, to, bins) {
  /** @type {Map<string, number>[]} */
  const out = Array.from({ length: bins }, () => new Map());
  const width = (to - from) / bins;
  for (let i = Math.max(0, indexAt(segments, from)); i < segments.length; i++) {
    const segment = /** @type {Segment} */ (segments[i]);
    if (segment.start >= to) break;
    const owner = segment.owners[rank];
    if (owner === undefined) continue;
    const start = Math.max(from, segment.start);
    const end = Math.min(to, segment.end + 1);
    for (let b = Math.floor((start - from) / width); b < bins && from + b * width < end; b++) {
      const part = Math.min(end, from + (b + 1) * width) - Math.max(start, from + b * width);
      if (part <= 0) continue;
      const shares = /** @type {Map<string, number>} */ (out[b]);
      shares.set(owner.node, (shares.get(owner.node) ?? 0) + part / width);
    }
  }
  return out;
}

/**
 * A step between axis ticks: the smallest power of two that leaves at most `most` of them.
 * @param {number} span
 * @param {number} most
 */
export function tickStep(span, most) {
  let step = 1;
  while (span / step > most) step *= 2;
  return step;
}
