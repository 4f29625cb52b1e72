import { type CellNode, coverAt, eachCell, eachCellIn } from './cells.ts';
import { TILE_BITS } from './cover.ts';
import { checkPosition, KEY_SPACE_END } from './range.ts';
import type { Owner } from './registration.ts';
import { countRuns, eachPiece, listRuns, type Segment } from './runs.ts';

/** A stretch of positions with the same, too small, number of owners. */
export interface Gap {
  readonly start: number;
  readonly end: number;
  readonly owners: number;
}

export interface Coverage {
  /** Positions with fewer owners than asked for. */
  readonly missingPositions: number;
  /** Gaps there are; `gaps` lists the first of them. */
  readonly gapCount: number;
  readonly gaps: readonly Gap[];
}

/** The ownership view at one moment; never changes and stays valid for ever. */
export class OwnershipSnapshot {
  /** Equal versions of one view are equal snapshots. */
  readonly version: number;
  /** Registrations held, whether their nodes are live or not. */
  readonly registrations: number;
  /** Positions without a live owner, up to 2^32. */
  readonly unownedPositions: number;
  readonly #root: CellNode;

  constructor(root: CellNode, version: number, registrations: number, unownedPositions: number) {
    this.#root = root;
    this.version = version;
    this.registrations = registrations;
    this.unownedPositions = unownedPositions;
  }

  /** The owners of a position, first choice first. O(log segments); allocates only when an order is first asked for. */
  ownersAt(position: number): readonly Owner[] {
    if (!(position >= 0 && position <= KEY_SPACE_END)) checkPosition(position);
    return coverAt(this.#root, position).ownersIn(position >>> TILE_BITS);
  }

  /** Sorted, covering the key space without holes; neighbours differ in their owners. Built anew by each call. */
  segments(): readonly Segment[] {
    return listRuns(this.#root);
  }

  /** The owners of every position of a span, in order, in pieces that need not be the longest; costs the cells it touches. */
  eachIn(
    start: number,
    end: number,
    visit: (start: number, end: number, owners: readonly Owner[]) => void,
  ): void {
    eachCellIn(this.#root, start, end, (cellStart, cellEnd, cover) =>
      eachPiece(Math.max(start, cellStart), Math.min(end, cellEnd), cover, visit),
    );
  }

  /** The length of `segments()`, counted again only where something changed. */
  get segmentCount(): number {
    return countRuns(this.#root, KEY_SPACE_END).count;
  }

  /** Where fewer than `copies` nodes own; at most `gapLimit` gaps are listed, all are counted. */
  coverage(copies: number, gapLimit = 1000): Coverage {
    const gaps: Gap[] = [];
    let missingPositions = 0;
    let gapCount = 0;
    let gap: Gap | null = null;
    const close = (): void => {
      if (gap === null) return;
      gapCount++;
      if (gaps.length < gapLimit) gaps.push(gap);
      gap = null;
    };
    if (copies <= 1 && (copies < 1 || this.unownedPositions === 0))
      return { missingPositions, gapCount, gaps };
    eachCell(this.#root, (start, end, cover) => {
      const owners = cover.ownerCount;
      if (owners < copies) missingPositions += end - start + 1;
      if (gap !== null && gap.owners === owners) {
        gap = { start: gap.start, end, owners };
        return;
      }
      close();
      if (owners < copies) gap = { start, end, owners };
    });
    close();
    return { missingPositions, gapCount, gaps };
  }
}
