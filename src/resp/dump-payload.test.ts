import { describe, expect, it } from 'vitest';
import { Span } from '../store/index.ts';
import { crc64 } from './crc64.ts';
import { BAD_CHECKSUM, BAD_FORMAT, FRAME_BYTES, readPayload, writePayload } from './dump-payload.ts';

function written(value: Uint8Array): Uint8Array {
  const room = new Span(new Uint8Array(value.length + 2 * FRAME_BYTES));
  room.bytes.set(value, FRAME_BYTES);
  const { at, length } = writePayload(room, FRAME_BYTES, value.length);
  return room.bytes.slice(at, at + length);
}

/** With the version and the checksum that belong to it. */
function sealed(body: readonly number[], version = 10): Span {
  const bytes = Uint8Array.of(...body, version, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const span = new Span(bytes);
  const { low, high } = crc64(bytes, 0, bytes.length - 8);
  span.view.setInt32(bytes.length - 8, low, true);
  span.view.setInt32(bytes.length - 4, high, true);
  return span;
}

const read = (span: Span, most = 1000): string => {
  const found = readPayload(span, 0, span.bytes.length, most);
  if (typeof found === 'string') return found;
  return Buffer.from(found.span.bytes.subarray(found.at, found.at + found.length)).toString('latin1');
};

describe('the payload of DUMP', () => {
  it('ends with the checksum of all before it', () => {
    const { low, high } = crc64(Buffer.from('123456789'), 0, 9);
    expect([high >>> 0, low >>> 0]).toEqual([0xe9c6d914, 0xc4b8d9ca]);
  });

  it('is refused with any bit flipped, and cut anywhere', () => {
    const whole = written(Buffer.from('hello, world'));
    expect(read(new Span(whole))).toBe('hello, world');
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const other = whole.slice();
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(read(new Span(other))).toBe(BAD_CHECKSUM);
    }
    for (let end = 0; end < whole.length; end++)
      expect(read(new Span(whole.slice(0, end)))).toBe(BAD_CHECKSUM);
  });

  it.each([
    ['nothing', []],
    ['no string', [0]],
    ['less than its length', [0, 5, 65, 66]],
    ['half a length', [0, 0x41]],
    ['a length of 64 bits', [0, 0x81, 255, 255, 255, 255, 255, 255, 255, 255, 65]],
    ['a length that is none', [0, 0x82, 0, 0, 0, 1]],
    ['half a number', [0, 0xc1, 5]],
    ['a form that is none', [0, 0xc4, 1, 1]],
    ['LZF that is cut', [0, 0xc3, 9, 5, 1, 65]],
    ['LZF of less than it says', [0, 0xc3, 2, 5, 0, 65]],
    ['LZF of more than it says', [0, 0xc3, 4, 1, 2, 65, 66, 67]],
    ['LZF that copies from before the beginning', [0, 0xc3, 2, 3, 0x20, 0]],
    ['LZF that ends within a copy', [0, 0xc3, 3, 20, 0, 65, 0xe0]],
    ['LZF of more than can be in it', [0, 0xc3, 2, 0x80, 0x7f, 255, 255, 255, 0, 65]],
  ])('is refused when it holds %s', (_, body) => {
    expect(read(sealed(body))).toBe(BAD_FORMAT);
  });

  it('may be of later versions, so far as strings are the same, and of strings only', () => {
    expect(read(sealed([0, 1, 65], 12))).toBe('A');
    expect(read(sealed([0, 1, 65], 13))).toBe(BAD_CHECKSUM);
    expect(read(sealed([1, 1, 65]))).toMatch(/^ERR Bad data format: shoal has strings only/);
  });

  it('repeats what it has just written, as LZF says', () => {
    expect(read(sealed([0, 0xc3, 5, 10, 0, 65, 0xe0, 0, 0]))).toBe('A'.repeat(10));
  });
});
