/** From here on the engine's copy is faster than a loop; it needs an object for the part to copy. */
const LOOP_BYTES = 512;

/** Bytes to read and write in every way that the hot paths want: the engine reads and writes words of a view at any place. */
export class Span {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

/**
 * Copies `length` bytes; the two must not overlap. By unaligned words of a DataView, four a round: 100 bytes take a quarter of
 * what bytes take, two thirds of what `set` takes, and nothing is left for the collector. (Aligned words, shifted together where the
 * two lie differently, were slower; 64-bit words are no use: BigInt makes objects, and a double need not keep its bits.)
 */
export function copySpan(from: Span, fromAt: number, to: Span, toAt: number, length: number): void {
  if (length > LOOP_BYTES) {
    to.bytes.set(from.bytes.subarray(fromAt, fromAt + length), toAt);
    return;
  }
  const source = from.view;
  const target = to.view;
  let i = 0;
  for (const rounds = length & ~15; i < rounds; i += 16) {
    target.setInt32(toAt + i, source.getInt32(fromAt + i, true), true);
    target.setInt32(toAt + i + 4, source.getInt32(fromAt + i + 4, true), true);
    target.setInt32(toAt + i + 8, source.getInt32(fromAt + i + 8, true), true);
    target.setInt32(toAt + i + 12, source.getInt32(fromAt + i + 12, true), true);
  }
  for (const words = length & ~3; i < words; i += 4)
    target.setInt32(toAt + i, source.getInt32(fromAt + i, true), true);
  for (; i < length; i++) target.setUint8(toAt + i, source.getUint8(fromAt + i));
}

/** Whether `length` bytes of the two are the same. */
export function equalSpan(a: Span, aAt: number, b: Span, bAt: number, length: number): boolean {
  const left = a.view;
  const right = b.view;
  const words = length & ~3;
  let i = 0;
  for (; i < words; i += 4) if (left.getInt32(aAt + i, true) !== right.getInt32(bAt + i, true)) return false;
  for (; i < length; i++) if (left.getUint8(aAt + i) !== right.getUint8(bAt + i)) return false;
  return true;
}
