import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copySpan, equalSpan, Span } from './index.ts';

/** A span that begins `offset` bytes into a buffer, which ends with it. */
function spanOf(bytes: Uint8Array, offset: number): Span {
  const buffer = new ArrayBuffer(offset + bytes.length);
  const inside = new Uint8Array(buffer, offset);
  inside.set(bytes);
  return new Span(inside);
}

describe('a span', () => {
  it('is copied exactly, however the two lie in memory, and nothing beside it is touched', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 900 }),
        fc.nat(7),
        fc.nat(7),
        fc.nat(40),
        fc.nat(40),
        (bytes, fromOffset, toOffset, fromAt, toAt) => {
          const padded = new Uint8Array(fromAt + bytes.length).fill(0xaa);
          padded.set(bytes, fromAt);
          const to = spanOf(new Uint8Array(toAt + bytes.length + 5).fill(0x55), toOffset);
          copySpan(spanOf(padded, fromOffset), fromAt, to, toAt, bytes.length);
          const expected = new Uint8Array(toAt + bytes.length + 5).fill(0x55);
          expected.set(bytes, toAt);
          expect(Buffer.compare(to.bytes, expected)).toBe(0);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('equals another when every byte does', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 50 }),
        fc.nat(3),
        fc.nat(),
        (bytes, offset, at) => {
          const one = spanOf(bytes, offset);
          const other = spanOf(bytes, 0);
          expect(equalSpan(one, 0, other, 0, bytes.length)).toBe(true);
          other.bytes[at % bytes.length] = ((other.bytes[at % bytes.length] as number) + 1) & 0xff;
          expect(equalSpan(one, 0, other, 0, bytes.length)).toBe(false);
        },
      ),
    );
  });
});
