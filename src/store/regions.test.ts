import { expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { PIECE_BYTES, Regions } from './regions.ts';

const MB = 2 ** 20;

it('takes what is expected from the system at once, and no more while that is handed out', async () => {
  const regions = new Regions(300 * MB);
  await regions.reserve();
  const buffers = new Set<ArrayBuffer>();
  for (let i = 0; i < 300; i++) buffers.add(regions.take().buffer);
  expect(buffers.size).toBe(4);
  const more = regions.take();
  expect(buffers.has(more.buffer)).toBe(false);
});

it('uses pieces again, and gives a region back when all of it is free', () => {
  const regions = new Regions(0);
  const pieces = Array.from({ length: 64 }, () => regions.take());
  expect(new Set(pieces.map(({ buffer, offset }) => `${buffer === pieces[0]?.buffer} ${offset}`)).size).toBe(
    64,
  );
  for (const piece of pieces.slice(0, 32)) regions.give(piece);
  expect(regions.take().buffer).not.toBe(pieces[0]?.buffer);
  regions.give(pieces[40] as (typeof pieces)[0]);
  expect(regions.take()).toEqual(pieces[40]);
});

it('keeps, when it is cleared, regions of which little was in use', async () => {
  const regions = new Regions(300 * MB);
  await regions.reserve();
  const [first] = Array.from({ length: 80 }, () => regions.take());
  regions.clear();
  const again = Array.from({ length: 225 }, () => regions.take());
  expect(again.some(({ buffer }) => buffer === first?.buffer)).toBe(false);
  expect(new Set(again.map(({ buffer }) => buffer)).size).toBe(3);
  expect(
    new Set(again.map(({ buffer, offset }) => `${again.findIndex((one) => one.buffer === buffer)} ${offset}`))
      .size,
  ).toBe(225);
});

it('counts what an arena of more than 2 GiB holds', () => {
  const regions = new Regions(2200 * MB);
  const arena = new Arena(regions);
  // 16 blocks of 64 KB a piece.
  for (let i = 0; i < 16 * 2100; i++) arena.allocate(4096);
  expect(arena.heldBytes).toBeGreaterThanOrEqual(2100 * PIECE_BYTES);
});
