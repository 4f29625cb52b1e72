import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { murmur32, utf8 } from '../base/index.ts';
import { crc16, hashTag, positionOf, SLOT_COUNT, slotAt, slotOf, slotRange } from './index.ts';

const slotOfKey = (key: string): number => slotAt(positionOf(key));
const tagOf = (key: string): string => String.fromCharCode(...hashTag(utf8(key)));

describe('slots', () => {
  it('are numbered by CRC16/XMODEM, whose check value is 0x31c3', () => {
    expect(crc16(utf8('123456789'))).toBe(0x31c3);
    expect(crc16(new Uint8Array())).toBe(0);
  });

  it.each([
    ['foo', 12182],
    ['bar', 5061],
    ['hello', 866],
    ['', 0],
    ['123456789', 12739],
  ])('are those of Redis Cluster: %s is in %i', (key, slot) => {
    expect(slotOfKey(key)).toBe(slot);
    expect(slotOf(utf8(key))).toBe(slot);
  });

  it('are each a range of 2^18 positions, and together the key space', () => {
    let next = 0;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const { start, end } = slotRange(slot);
      expect(start).toBe(next);
      expect(end - start + 1).toBe(2 ** 18);
      next = end + 1;
    }
    expect(next).toBe(2 ** 32);
  });
});

describe('hash tags', () => {
  it.each([
    ['plain', 'plain'],
    ['{user1000}.following', 'user1000'],
    ['foo{}{bar}', 'foo{}{bar}'],
    ['foo{{bar}}zap', '{bar'],
    ['foo{bar}{zap}', 'bar'],
    ['}{a}', 'a'],
    ['{open', '{open'],
    ['{}', '{}'],
    ['shut}', 'shut}'],
  ])('are taken as Redis Cluster takes them: %s hashes %s', (key, tag) => {
    expect(tagOf(key)).toBe(tag);
  });

  it('put keys that share one at the same position', () => {
    expect(positionOf('{user1000}.following')).toBe(positionOf('{user1000}.followers'));
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]+$/),
        fc.stringMatching(/^[^{]*$/),
        fc.string(),
        (tag, head, tail) => {
          expect(positionOf(`${head}{${tag}}${tail}`)).toBe(positionOf(tag));
        },
      ),
    );
  });
});

describe('positions', () => {
  it('lie in the slot of the tag, at the low 18 bits of its murmur hash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (key) => {
        const position = positionOf(key);
        const tag = hashTag(key);
        const { start, end } = slotRange(slotOf(tag));
        expect(position).toBeGreaterThanOrEqual(start);
        expect(position).toBeLessThanOrEqual(end);
        expect(position % 2 ** 18).toBe(murmur32(tag) % 2 ** 18);
      }),
    );
  });

  it('never change from one release to the next', () => {
    expect(['foo', 'bar', 'hello', '', 'naïve €'].map((key) => positionOf(key))).toEqual(PINNED);
  });

  it('are the same for a string and its UTF-8 bytes', () => {
    expect(positionOf('naïve €')).toBe(positionOf(utf8('naïve €')));
  });
});

/** Stored data is found by these: a change of the hash is a change of every store. */
const PINNED = [3193553952, 1326881165, 227277383, 0, 3175754816];
