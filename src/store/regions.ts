/** Bytes of a piece, and pieces of a region. */
export const PIECE_BYTES = 1 << 20;
const PIECES = 32;

interface Region {
  readonly buffer: ArrayBuffer;
  /** Offsets of pieces that are not given out. */
  readonly free: number[];
}

/** A piece of memory: `PIECE_BYTES` of a buffer from an offset on, all zero when it is new and not when it is used again. */
export interface Piece {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
}

/**
 * Cuts memory from the system into pieces of 1 MiB. It is asked for 32 MiB at a time, of which the system gives only what is
 * touched, and so that huge pages fit where the allocator asks for them (`GLIBC_TUNABLES=glibc.malloc.hugetlb=1`, see
 * deploy/debian/store.conf): a store reads at random, and each page it has not read lately costs a walk through the page tables.
 */
export class Regions {
  #regions: Region[] = [];
  #used = 0;

  /** Bytes in pieces given out. */
  get usedBytes(): number {
    return this.#used * PIECE_BYTES;
  }

  take(): Piece {
    let region = this.#regions.find(({ free }) => free.length > 0);
    if (region === undefined) {
      region = { buffer: new ArrayBuffer(PIECES * PIECE_BYTES), free: [] };
      for (let piece = PIECES - 1; piece >= 0; piece--) region.free.push(piece * PIECE_BYTES);
      this.#regions.push(region);
    }
    this.#used++;
    return { buffer: region.buffer, offset: region.free.pop() as number };
  }

  /** Takes a piece back; a region without any piece given out goes back to the system. */
  give({ buffer, offset }: Piece): void {
    this.#used--;
    const region = this.#regions.find((one) => one.buffer === buffer) as Region;
    region.free.push(offset);
    if (region.free.length === PIECES) this.#regions = this.#regions.filter((one) => one !== region);
  }
}
