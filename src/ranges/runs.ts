/**
 * Runs: the segments as they are shown. A run is a longest stretch of positions with the same ordered owners: cells cut
 * at tile borders where a tie turns out differently, and joined wherever it does not matter.
 */
import { type CellNode, eachCell } from './cells.ts';
import { type Cover, TILE_BITS, TILE_MASK } from './cover.ts';
import { type Owner, sameOwners } from './registration.ts';

export interface Segment {
  readonly start: number;
  readonly end: number;
  readonly owners: readonly Owner[];
}

/** The runs of a tree node's span, counted. Depends on where the span ends, which its right neighbour decides. */
export interface Runs {
  readonly end: number;
  readonly count: number;
  readonly first: readonly Owner[];
  readonly last: readonly Owner[];
}

/** Splits a cell at the tile borders when its order may differ between tiles. */
export function eachPiece(
  start: number,
  end: number,
  cover: Cover,
  visit: (start: number, end: number, owners: readonly Owner[]) => void,
): void {
  const lastTile = end >>> TILE_BITS;
  if (!cover.tied) {
    visit(start, end, cover.ownersIn(lastTile));
    return;
  }
  let from = start;
  for (let tile = start >>> TILE_BITS; tile <= lastTile; tile++) {
    const to = tile === lastTile ? end : ((tile << TILE_BITS) | TILE_MASK) >>> 0;
    visit(from, to, cover.ownersIn(tile));
    from = to + 1;
  }
}

/** All runs, in order. */
export function listRuns(root: CellNode): Segment[] {
  const runs: Segment[] = [];
  let start = 0;
  let end = -1;
  let owners: readonly Owner[] = [];
  const visit = (pieceStart: number, pieceEnd: number, pieceOwners: readonly Owner[]): void => {
    if (end >= 0 && !sameOwners(owners, pieceOwners)) {
      runs.push({ start, end, owners });
      start = pieceStart;
    }
    end = pieceEnd;
    owners = pieceOwners;
  };
  eachCell(root, (cellStart, cellEnd, cover) => eachPiece(cellStart, cellEnd, cover, visit));
  runs.push({ start, end, owners });
  return runs;
}

/** Counts runs; what was counted is remembered per tree node, so that a new snapshot counts only what changed. */
export function countRuns(node: CellNode, nodeEnd: number): Runs {
  if (node.runs !== null && node.runs.end === nodeEnd) return node.runs;
  let count = 0;
  let first: readonly Owner[] = [];
  let last: readonly Owner[] = [];
  const append = (pieceCount: number, pieceFirst: readonly Owner[], pieceLast: readonly Owner[]): void => {
    if (count === 0) first = pieceFirst;
    else if (sameOwners(last, pieceFirst)) count--;
    count += pieceCount;
    last = pieceLast;
  };
  for (let i = 0; i < node.starts.length; i++) {
    const end = i + 1 < node.starts.length ? (node.starts[i + 1] as number) - 1 : nodeEnd;
    if (node.isLeaf) {
      eachPiece(node.starts[i] as number, end, node.covers[i] as Cover, (_start, _end, owners) =>
        append(1, owners, owners),
      );
    } else {
      const below = countRuns(node.children[i] as CellNode, end);
      append(below.count, below.first, below.last);
    }
  }
  node.runs = { end: nodeEnd, count, first, last };
  return node.runs;
}
