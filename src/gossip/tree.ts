/** One message to send: to the target at `head`, who answers for the `length` targets from `from` on. */
export interface Handover {
  readonly head: number;
  readonly from: number;
  readonly length: number;
}

/**
 * Splits the targets [from, from+length) for one holder of a message: it keeps a part of the list and hands the others,
 * each to its first target, then splits what it kept, until nothing is left. With two parts this is halving: a holder
 * of n-1 targets needs ceil(log2 n) rounds of one send each. Wider splits trade sends per round for fewer rounds.
 * In all cases there is exactly one handover per target in the whole tree.
 */
export function splitTargets(from: number, length: number, parts: number): Handover[] {
  const out: Handover[] = [];
  let at = from;
  let left = length;
  while (left > 0) {
    const share = Math.ceil(left / parts);
    for (let part = 1; part < parts && left > 0; part++) {
      const size = Math.min(share, left);
      out.push({ head: at, from: at + 1, length: size - 1 });
      at += size;
      left -= size;
    }
  }
  return out;
}

/**
 * Into how many parts to split: the width with the shortest time over a whole tree of `targets`, where a level costs
 * one hop and each of its sends costs `sendMs` at the holder. Two where sending is as dear as a hop (the classic
 * logarithmic tree), more where the network is the slow part. Bounded, so that one node's uplink is not the tree.
 */
export function treeWidth(targets: number, hopMs: number, sendMs: number): number {
  let best = 2;
  let bestMs = Infinity;
  for (let width = 2; width <= 16; width++) {
    const levels = Math.ceil(Math.log(targets + 1) / Math.log(width) - 1e-9);
    const ms = levels * (hopMs + (width - 1) * sendMs);
    if (ms < bestMs - 1e-9) {
      best = width;
      bestMs = ms;
    }
  }
  return best;
}
