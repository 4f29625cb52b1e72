/**
 * The elementary segments ("cells") of the key space in order: a B+ tree from a cell's start to its cover. A cell ends
 * where the next one starts, and the first starts at 0, so there are no holes by construction. Nodes are copied on
 * write: `freeze()` hands out a root that never changes, at no cost, and an edit then copies the nodes it touches once.
 */
import { assert } from '../base/index.ts';
import { type Cover, EMPTY_COVER } from './cover.ts';
import { KEY_SPACE_END } from './range.ts';
import type { Runs } from './runs.ts';

/** Entries per tree node at most, and the number below which a node looks for a neighbour to join. */
const NODE_MAX = 64;
const NODE_MIN = 16;
/** Joined nodes keep some room, so that cutting and welding in one place does not split and join for ever. */
const JOIN_MAX = 48;

/** `starts[i]` is where `covers[i]` begins. */
export class Leaf {
  readonly isLeaf = true;
  readonly edit: number;
  readonly starts: number[];
  readonly covers: Cover[];
  /** What is known of the runs in here, see runs.ts. Only frozen nodes are asked, so no edit has to forget it. */
  runs: Runs | null = null;

  constructor(edit: number, starts: number[], covers: Cover[]) {
    this.edit = edit;
    this.starts = starts;
    this.covers = covers;
  }
}

/** `starts[i]` is where `children[i]` begins. */
export class Branch {
  readonly isLeaf = false;
  readonly edit: number;
  readonly starts: number[];
  readonly children: CellNode[];
  runs: Runs | null = null;

  constructor(edit: number, starts: number[], children: CellNode[]) {
    this.edit = edit;
    this.starts = starts;
    this.children = children;
  }
}

export type CellNode = Leaf | Branch;

/** The last index whose start is not above the position; 0 when there is none. */
export function indexAt(starts: readonly number[], position: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if ((starts[mid] as number) <= position) low = mid;
    else high = mid - 1;
  }
  return low;
}

function leafAt(root: CellNode, position: number): Leaf {
  let node = root;
  while (!node.isLeaf) node = node.children[indexAt(node.starts, position)] as CellNode;
  return node;
}

export function coverAt(root: CellNode, position: number): Cover {
  const leaf = leafAt(root, position);
  return leaf.covers[indexAt(leaf.starts, position)] as Cover;
}

/** Calls back for each cell in order, with its inclusive end. */
export function eachCell(
  node: CellNode,
  visit: (start: number, end: number, cover: Cover) => void,
  nodeEnd = KEY_SPACE_END,
): void {
  for (let i = 0; i < node.starts.length; i++) {
    const end = i + 1 < node.starts.length ? (node.starts[i + 1] as number) - 1 : nodeEnd;
    if (node.isLeaf) visit(node.starts[i] as number, end, node.covers[i] as Cover);
    else eachCell(node.children[i] as CellNode, visit, end);
  }
}

/** As {@link eachCell}, for the cells that touch a span, whole ones, at the cost of those and of the way down to them. */
export function eachCellIn(
  node: CellNode,
  from: number,
  to: number,
  visit: (start: number, end: number, cover: Cover) => void,
  nodeEnd = KEY_SPACE_END,
): void {
  for (let i = indexAt(node.starts, from); i < node.starts.length; i++) {
    const start = node.starts[i] as number;
    if (start > to) return;
    const end = i + 1 < node.starts.length ? (node.starts[i + 1] as number) - 1 : nodeEnd;
    if (node.isLeaf) visit(start, end, node.covers[i] as Cover);
    else eachCellIn(node.children[i] as CellNode, from, to, visit, end);
  }
}

/** What an edit makes of one cell's cover. */
export type Rewrite = (cover: Cover, start: number, end: number) => Cover;

export class Cells {
  #root: CellNode = new Leaf(1, [0], [EMPTY_COVER]);
  /** Tree nodes that carry this number are in no frozen tree and are changed in place. */
  #edit = 1;
  /** Work done so far, for the cost test: cells rewritten, cut or welded, and tree entries copied. */
  cellsTouched = 0;
  entriesCopied = 0;

  get root(): CellNode {
    return this.#root;
  }

  freeze(): CellNode {
    this.#edit++;
    return this.#root;
  }

  /** Makes a cell start at the position; both parts keep the cover. */
  cut(position: number): void {
    const leaf = leafAt(this.#root, position);
    if (leaf.starts[indexAt(leaf.starts, position)] === position) return;
    this.cellsTouched++;
    const [root, sibling] = this.#cut(this.#root, position);
    this.#root = sibling === null ? root : this.#branch([root, sibling]);
  }

  /** Gives every cell from start to end another cover; cells must already be cut there. */
  rewrite(start: number, end: number, change: Rewrite): void {
    this.#root = this.#rewrite(this.#root, start, end, KEY_SPACE_END, change);
  }

  /** Takes away the border at the position when both sides have the same registrations. */
  weld(position: number): void {
    if (position === 0) return;
    const leaf = leafAt(this.#root, position);
    const at = indexAt(leaf.starts, position);
    if (leaf.starts[at] !== position) return;
    if (!coverAt(this.#root, position - 1).same(leaf.covers[at] as Cover)) return;
    this.cellsTouched++;
    let root = this.#remove(this.#root, position);
    while (!root.isLeaf && root.children.length === 1) root = root.children[0] as CellNode;
    this.#root = root;
  }

  #cut(node: CellNode, position: number): [CellNode, CellNode | null] {
    const mine = this.#own(node);
    const at = indexAt(mine.starts, position);
    if (mine.isLeaf) {
      mine.starts.splice(at + 1, 0, position);
      mine.covers.splice(at + 1, 0, mine.covers[at] as Cover);
    } else {
      const [child, sibling] = this.#cut(mine.children[at] as CellNode, position);
      mine.children[at] = child;
      if (sibling !== null) {
        mine.starts.splice(at + 1, 0, sibling.starts[0] as number);
        mine.children.splice(at + 1, 0, sibling);
      }
    }
    if (mine.starts.length <= NODE_MAX) return [mine, null];
    const starts = mine.starts.splice(NODE_MAX / 2);
    return [
      mine,
      mine.isLeaf
        ? new Leaf(this.#edit, starts, mine.covers.splice(NODE_MAX / 2))
        : new Branch(this.#edit, starts, mine.children.splice(NODE_MAX / 2)),
    ];
  }

  #rewrite(node: CellNode, start: number, end: number, nodeEnd: number, change: Rewrite): CellNode {
    const mine = this.#own(node);
    for (let i = indexAt(mine.starts, start); i < mine.starts.length; i++) {
      const from = mine.starts[i] as number;
      if (from > end) break;
      const to = i + 1 < mine.starts.length ? (mine.starts[i + 1] as number) - 1 : nodeEnd;
      if (mine.isLeaf) {
        this.cellsTouched++;
        mine.covers[i] = change(mine.covers[i] as Cover, from, to);
      } else {
        mine.children[i] = this.#rewrite(mine.children[i] as CellNode, start, end, to, change);
      }
    }
    return mine;
  }

  /** Removes the cell that starts at the position; the one before it grows over it. */
  #remove(node: CellNode, position: number): CellNode {
    const mine = this.#own(node);
    const at = indexAt(mine.starts, position);
    if (mine.isLeaf) {
      assert(mine.starts[at] === position, 'a cell to remove starts at the position');
      mine.starts.splice(at, 1);
      mine.covers.splice(at, 1);
      return mine;
    }
    const child = this.#remove(mine.children[at] as CellNode, position);
    if (child.starts.length === 0) {
      mine.starts.splice(at, 1);
      mine.children.splice(at, 1);
      return mine;
    }
    mine.children[at] = child;
    mine.starts[at] = child.starts[0] as number;
    if (child.starts.length < NODE_MIN) this.#join(mine, at === 0 ? 0 : at - 1);
    return mine;
  }

  /** Joins the children at and at + 1 when they fit into one. */
  #join(parent: Branch, at: number): void {
    const left = parent.children[at];
    const right = parent.children[at + 1];
    if (left === undefined || right === undefined) return;
    if (left.starts.length + right.starts.length > JOIN_MAX) return;
    const mine = this.#own(left);
    mine.starts.push(...right.starts);
    if (mine.isLeaf && right.isLeaf) mine.covers.push(...right.covers);
    else if (!mine.isLeaf && !right.isLeaf) mine.children.push(...right.children);
    parent.children[at] = mine;
    parent.starts.splice(at + 1, 1);
    parent.children.splice(at + 1, 1);
  }

  #branch(children: CellNode[]): Branch {
    return new Branch(
      this.#edit,
      children.map((child) => child.starts[0] as number),
      children,
    );
  }

  #own<T extends CellNode>(node: T): T;
  #own(node: CellNode): CellNode {
    if (node.edit === this.#edit) return node;
    this.entriesCopied += node.starts.length;
    return node.isLeaf
      ? new Leaf(this.#edit, node.starts.slice(), node.covers.slice())
      : new Branch(this.#edit, node.starts.slice(), node.children.slice());
  }
}
