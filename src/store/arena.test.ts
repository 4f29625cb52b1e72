import { describe, expect, it } from 'vitest';
import { SeededRng } from '../base/index.ts';
import { Arena, MAX_BLOCK_UNITS, roundUnits } from './arena.ts';
import { Regions } from './regions.ts';

const CHUNK_UNITS = 1 << 16;

describe('the arena', () => {
  it.each([1, 2, 3])('gives blocks that are whole within their chunk and do not overlap, seed %i', (seed) => {
    const rng = new SeededRng(seed);
    const model = new Model();
    for (let step = 0; step < 2_000; step++) {
      const units = roundUnits(1 + rng.below(rng.below(3) === 0 ? MAX_BLOCK_UNITS : 200));
      const block = model.allocate(units);
      expect((block % CHUNK_UNITS) + units).toBeLessThanOrEqual(CHUNK_UNITS);
      const [first] = model.units.keys();
      if (rng.below(2) === 1 && first !== undefined) model.free(first);
    }
  });

  it('does not give what is left of a chunk to a record that is larger', () => {
    const arena = new Arena(new Regions(0));
    // Unit 0 is nobody's; 70 units are left.
    for (let left = CHUNK_UNITS - 1; left > 70; ) {
      const units = Math.min(left - 70, 64);
      arena.allocate(units);
      left -= units;
    }
    expect(arena.allocate(96) >>> 16).toBe(1);
    expect(arena.allocate(80) >>> 16).toBe(1);
    expect(arena.allocate(64) >>> 16).toBe(0);
  });

  it.each([1, 2, 3])('empties chunks in small steps while others allocate and free, seed %i', (seed) => {
    const rng = new SeededRng(seed);
    const model = new Model();
    const sizes = [2, 9, 30];
    for (let i = 0; i < 60_000; i++) model.allocate(sizes[rng.below(3)] as number);
    for (const block of [...model.units.keys()]) if (rng.below(5) > 0) model.free(block);
    const heldBytes = model.arena.heldBytes;
    let steps = 0;
    for (let chunk = model.arena.victim(); chunk >= 0; chunk = model.arena.victim()) {
      const { freeBytes } = model.arena;
      let moves = 0;
      model.arena.drain(chunk, 16, (block) => {
        moves++;
        const units = model.units.get(block);
        if (units === undefined) expect.fail(`block ${block} is moved, and free`);
        model.allocate(units);
        model.free(block);
      });
      expect(moves).toBeLessThanOrEqual(16);
      // Of the free blocks so many leave their lists.
      expect(freeBytes - model.arena.freeBytes).toBeLessThanOrEqual(16 * 8 * 30 * 16);
      model.allocate(sizes[rng.below(3)] as number);
      const [oldest] = model.units.keys();
      if (oldest !== undefined && rng.below(3) > 0) model.free(oldest);
      steps++;
    }
    expect(steps).toBeGreaterThan(500);
    expect(model.arena.heldBytes).toBeLessThan(heldBytes);
    // Unit 0 is nobody's.
    let units = model.arena.words[0]?.length === 0 ? 0 : 1;
    for (const size of model.units.values()) units += size;
    expect(model.arena.usedBytes).toBe(units * 16);
  });
});

/** Blocks given out, and that no two of them overlap. */
class Model {
  readonly arena = new Arena(new Regions(0));
  readonly units = new Map<number, number>();
  /** Of each unit: whether it was given out. */
  readonly #taken = new Uint8Array(64 * CHUNK_UNITS);

  allocate(units: number): number {
    const block = this.arena.allocate(units);
    // As a record has it: no free block's mark.
    (this.arena.words[block >>> 16] as Int32Array)[((block & 0xffff) << 2) + 1] = 0;
    if (this.#taken.subarray(block, block + units).includes(1))
      expect.fail(`block ${block} overlaps another`);
    this.#taken.fill(1, block, block + units);
    this.units.set(block, units);
    return block;
  }

  free(block: number): void {
    const units = this.units.get(block) ?? 0;
    this.arena.free(block);
    this.units.delete(block);
    this.#taken.fill(0, block, block + units);
  }
}
