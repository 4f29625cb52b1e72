import { describe, expect, it } from 'vitest';
import { SeededRng } from '../base/index.ts';
import { FrameReader } from './frame-reader.ts';

function framed(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      const header = Buffer.alloc(4);
      header.writeUInt32BE(frame.length);
      return [header, frame];
    }),
  );
}

function read(chunks: readonly Uint8Array[], maxBytes = 1 << 20): { frames: string[]; sound: boolean } {
  const reader = new FrameReader(() => maxBytes);
  const frames: string[] = [];
  for (const chunk of chunks) {
    if (!reader.push(chunk, (frame) => frames.push(Buffer.from(frame).toString('latin1'))))
      return { frames, sound: false };
  }
  return { frames, sound: true };
}

describe('frame reader', () => {
  const frames = [0, 1, 5, 4096, 4097, 70_000].map((length, i) => Buffer.alloc(length, i + 1));
  const stream = framed(frames);
  const texts = frames.map((frame) => frame.toString('latin1'));

  it('reads frames from one chunk, from single bytes and from any split', () => {
    expect(read([stream]).frames).toEqual(texts);
    expect(read([...stream].map((byte) => Uint8Array.of(byte))).frames).toEqual(texts);
    for (let seed = 1; seed <= 50; seed++) {
      const rng = new SeededRng(seed);
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; ) {
        const length = 1 + rng.below(rng.below(2) === 0 ? 10 : 40_000);
        chunks.push(stream.subarray(at, at + length));
        at += length;
      }
      expect(read(chunks).frames, `seed ${seed}`).toEqual(texts);
    }
  });

  it('takes a frame of the limit and refuses one byte more, before any of it arrived', () => {
    expect(read([framed([Buffer.alloc(100)])], 100).frames).toHaveLength(1);
    expect(read([Buffer.from([0, 0, 0, 101])], 100)).toEqual({ frames: [], sound: false });
  });

  it('holds memory for what arrived, not for what was announced', () => {
    const reader = new FrameReader(() => 1 << 20);
    const header = Buffer.alloc(4);
    header.writeUInt32BE(1 << 20);
    reader.push(header, () => {});
    expect(reader.heldBytes).toBe(0);
    let arrived = 0;
    while (arrived < 1 << 19) {
      reader.push(new Uint8Array(1000), () => {});
      arrived += 1000;
      expect(reader.heldBytes).toBeLessThanOrEqual(Math.max(4096, 2 * arrived));
    }
  });

  it('gives out frames that are not overwritten by what comes later', () => {
    const reader = new FrameReader(() => 100);
    const kept: Uint8Array[] = [];
    const chunk = framed([Buffer.from('abc')]);
    reader.push(chunk, (frame) => kept.push(frame));
    chunk.fill(0);
    expect(Buffer.from(kept[0] ?? []).toString()).toBe('abc');
  });
});
