import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PIECE_BYTES, Rope, RopeBuilder, zeros } from './rope.ts';

const HALF = PIECE_BYTES / 2;

function flat(rope: Rope): Buffer {
  const out = new Uint8Array(rope.length);
  rope.copyTo(out, 0);
  return Buffer.from(out);
}

function noise(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i += 997) out[i] = (i * 31 + seed) & 0xff;
  return out;
}

function sound(rope: Rope): void {
  rope.pieces.forEach((piece, i) => {
    expect(piece.length).toBeLessThanOrEqual(PIECE_BYTES);
    if (i + 1 < rope.pieces.length) expect(piece.length).toBeGreaterThanOrEqual(HALF);
  });
  if (rope.length <= PIECE_BYTES) expect(rope.pieces.length).toBeLessThanOrEqual(1);
}

const length = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.integer({ min: HALF - 5, max: HALF + 5 }),
  fc.integer({ min: PIECE_BYTES - 5, max: PIECE_BYTES + 5 }),
  fc.integer({ min: 0, max: 3 * PIECE_BYTES }),
);

describe('a rope', () => {
  it('is the bytes of its parts, in pieces neither small nor large', () => {
    fc.assert(
      fc.property(fc.array(length, { maxLength: 6 }), (lengths) => {
        const parts = lengths.map(noise);
        const rope = Rope.of(parts);
        sound(rope);
        expect(flat(rope).equals(Buffer.concat(parts))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('written over at any place is what an array would be, and the one before stays as it was', () => {
    fc.assert(
      fc.property(length, length, length, (size, at, count) => {
        const before = noise(size, 1);
        const written = noise(count, 2);
        const rope = Rope.copy(before);
        const after = rope.with(at, [written]);
        sound(after);
        const expected = Buffer.alloc(Math.max(size, at + count));
        expected.set(before);
        expected.set(written, at);
        expect(flat(after).equals(expected)).toBe(true);
        expect(flat(rope).equals(before)).toBe(true);
        expect(after.byteAt(at)).toBe(expected[at] ?? 0);
        expect(after.equals(Rope.copy(expected))).toBe(true);
        const middle = Buffer.concat(after.parts(at >> 1, at));
        expect(middle.equals(expected.subarray(at >> 1, at))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('shares what did not change', () => {
    const rope = Rope.copy(noise(8 * PIECE_BYTES, 3));
    const after = rope.with(3 * PIECE_BYTES + 17, [Uint8Array.of(1)]);
    expect(after.pieces.filter((piece) => !rope.pieces.includes(piece))).toHaveLength(1);
    expect(after.equals(rope)).toBe(false);
    const sparse = Rope.of([]).with(100 * PIECE_BYTES, [Uint8Array.of(1)]);
    expect(sparse.length).toBe(100 * PIECE_BYTES + 1);
    expect(new Set(sparse.pieces).size).toBe(2);
    expect(zeros(3).length).toBe(1);
  });

  it('takes memory as bytes come, not as they are announced', () => {
    const builder = new RopeBuilder(512 << 20);
    expect(builder.heldBytes).toBe(0);
    expect(builder.add(new Uint8Array(10))).toBe(10);
    expect(builder.heldBytes).toBeLessThanOrEqual(PIECE_BYTES);
    const small = new RopeBuilder(5);
    expect(small.add(Uint8Array.of(1, 2, 3, 4, 5, 6, 7))).toBe(5);
    expect(small.whole).toBe(true);
    expect([...flat(small.take())]).toEqual([1, 2, 3, 4, 5]);
  });
});
