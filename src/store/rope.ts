import { Span } from './span.ts';

/** Shorter values are one piece. */
export const PIECE_BYTES = 1 << 20;
const HALF_BYTES = PIECE_BYTES / 2;

/**
 * A value too large for the arena: pieces of up to 1 MiB that nobody writes to any more. Ropes share pieces, and whoever reads one may
 * keep it as long as he likes: a copy, a change in the middle, a reply and the log cost no more than the pieces that differ. (Boehm, Atkinson,
 * Plass, "Ropes: an alternative to strings", 1995; flat, for there are never more than a thousand pieces.)
 *
 * Invariant: all pieces but the last have at least half of PIECE_BYTES.
 */
export class Rope {
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
  /** The first piece: all of a value of up to PIECE_BYTES. */
  readonly first: Span;
  /** Records of the table that have it. */
  stored = 0;

  private constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
    this.first = new Span(pieces[0] ?? new Uint8Array(0));
    this.length = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** Of parts that become the rope's. Small neighbours are joined; what is joined is copied. */
  static of(parts: readonly Uint8Array[]): Rope {
    const pieces: Uint8Array[] = [];
    let waiting: Uint8Array[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (bytes > 0) pieces.push(joined(waiting, bytes));
      waiting = [];
      bytes = 0;
    };
    for (const part of parts)
      for (let at = 0; at < part.length; ) {
        const left = part.length - at;
        // Of what does not fit a small one is filled up to half: what is left of the part is more than half then.
        const room = bytes + left <= PIECE_BYTES ? left : Math.max(0, HALF_BYTES - bytes);
        const take = bytes === 0 ? Math.min(left, PIECE_BYTES) : room;
        if (take > 0) {
          waiting.push(take === part.length ? part : part.subarray(at, at + take));
          bytes += take;
          at += take;
        }
        if (at < part.length) flush();
      }
    flush();
    return new Rope(pieces);
  }

  /** With a copy of these bytes. */
  static copy(bytes: Uint8Array): Rope {
    const builder = new RopeBuilder(bytes.length);
    builder.add(bytes);
    return builder.take();
  }

  byteAt(at: number): number {
    let from = at;
    for (const piece of this.pieces) {
      if (from < piece.length) return piece[from] as number;
      from -= piece.length;
    }
    return 0;
  }

  /** The bytes from `from` up to `to`, in pieces. */
  parts(from: number, to: number): Uint8Array[] {
    const out: Uint8Array[] = [];
    let at = 0;
    for (const piece of this.pieces) {
      const first = Math.max(from - at, 0);
      const last = Math.min(to - at, piece.length);
      if (first < last) out.push(first === 0 && last === piece.length ? piece : piece.subarray(first, last));
      at += piece.length;
    }
    return out;
  }

  copyTo(to: Uint8Array, at: number, from = 0, end = this.length): void {
    let place = at;
    for (const part of this.parts(from, end)) {
      to.set(part, place);
      place += part.length;
    }
  }

  /** As if `parts` were written over it from `at` on, which may be behind its end: zeros are between then. */
  with(at: number, parts: readonly Uint8Array[]): Rope {
    const end = parts.reduce((sum, { length }) => sum + length, at);
    return Rope.of([
      ...this.parts(0, at),
      ...zeros(at - this.length),
      ...parts,
      ...this.parts(end, this.length),
    ]);
  }

  equals(other: Rope): boolean {
    if (other.length !== this.length) return false;
    let at = 0;
    for (const piece of this.pieces) {
      let from = 0;
      for (const part of other.parts(at, at + piece.length)) {
        const mine = piece.subarray(from, from + part.length);
        const same = mine.buffer === part.buffer && mine.byteOffset === part.byteOffset;
        if (!same && Buffer.compare(mine, part) !== 0) return false;
        from += part.length;
      }
      at += piece.length;
    }
    return true;
  }
}

/** Puts a rope together of bytes as they come, in memory taken as they come. */
export class RopeBuilder {
  readonly #pieces: Uint8Array[] = [];
  #last = new Uint8Array(0);
  #filled = 0;
  readonly total: number;
  length = 0;

  constructor(total: number) {
    this.total = total;
  }

  /** Copies what of these bytes belongs to it; how many. */
  add(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.total - this.length);
    for (let at = 0; at < count; ) {
      if (this.#filled === this.#last.length) {
        this.#last = new Uint8Array(Math.min(PIECE_BYTES, this.total - this.length));
        this.#pieces.push(this.#last);
        this.#filled = 0;
      }
      const part = bytes.subarray(at, Math.min(count, at + this.#last.length - this.#filled));
      this.#last.set(part, this.#filled);
      this.#filled += part.length;
      this.length += part.length;
      at += part.length;
    }
    return count;
  }

  get whole(): boolean {
    return this.length === this.total;
  }

  /** What was taken. */
  get heldBytes(): number {
    return this.length + this.#last.length - this.#filled;
  }

  take(): Rope {
    return Rope.of(this.#pieces);
  }
}

const ZEROS = new Uint8Array(PIECE_BYTES);

/** So many zeros, all of them the same. */
export function zeros(length: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let left = length; left > 0; left -= PIECE_BYTES)
    out.push(left >= PIECE_BYTES ? ZEROS : ZEROS.subarray(0, left));
  return out;
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = parts;
  // A small part of a large buffer would hold all of it.
  if (only !== undefined && parts.length === 1 && bytes * 2 >= only.buffer.byteLength) return only;
  const out = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
