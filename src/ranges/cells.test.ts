import { describe, expect, it } from 'vitest';
import { SeededRng } from '../base/index.ts';
import { type CellNode, Cells, eachCell } from './cells.ts';

interface Shape {
  cells: number;
  leaves: number;
  levels: number;
}

/** Walks the tree and checks what must hold of every node. */
function shapeOf(node: CellNode, from = 0): Shape {
  expect(node.starts.length).toBeGreaterThan(0);
  expect(node.starts.length).toBeLessThanOrEqual(64);
  expect(node.starts[0]).toBe(from);
  for (let i = 1; i < node.starts.length; i++) {
    expect(node.starts[i]).toBeGreaterThan(node.starts[i - 1] as number);
  }
  if (node.isLeaf) {
    expect(node.covers.length).toBe(node.starts.length);
    return { cells: node.starts.length, leaves: 1, levels: 1 };
  }
  expect(node.children.length).toBe(node.starts.length);
  const shapes = node.children.map((child, i) => shapeOf(child, node.starts[i] as number));
  expect(new Set(shapes.map((shape) => shape.levels)).size).toBe(1);
  return {
    cells: shapes.reduce((sum, shape) => sum + shape.cells, 0),
    leaves: shapes.reduce((sum, shape) => sum + shape.leaves, 0),
    levels: (shapes[0] as Shape).levels + 1,
  };
}

describe('the tree of cells', () => {
  it('stays level, sorted and well filled while cells are cut and welded', () => {
    const rng = new SeededRng(11);
    const cells = new Cells();
    const borders = [...new Set(Array.from({ length: 20_000 }, () => 1 + rng.below(2 ** 32 - 1)))];
    for (const border of borders) cells.cut(border);
    const full = shapeOf(cells.root);
    expect(full.cells).toBe(borders.length + 1);
    expect(full.levels).toBe(3);
    const frozen = cells.freeze();
    borders.splice(0, 18_000).forEach((border, i) => {
      cells.weld(border);
      if (i % 7 === 0) cells.freeze();
    });
    const thin = shapeOf(cells.root);
    expect(thin.cells).toBe(borders.length + 1);
    expect(thin.leaves).toBeLessThan(thin.cells / 12);
    const starts: number[] = [];
    eachCell(cells.root, (start) => starts.push(start));
    expect(starts).toEqual([0, ...borders.sort((a, b) => a - b)]);
    for (const border of borders) cells.weld(border);
    expect(shapeOf(cells.root)).toEqual({ cells: 1, leaves: 1, levels: 1 });
    expect(shapeOf(frozen)).toEqual(full);
  });

  it('does nothing when cut where a cell starts or welded where none does', () => {
    const cells = new Cells();
    cells.cut(0);
    cells.cut(9);
    cells.cut(9);
    cells.weld(0);
    cells.weld(8);
    expect(shapeOf(cells.root).cells).toBe(2);
    expect(cells.cellsTouched).toBe(1);
  });
});
