/** Bytes of a piece. */
export const PIECE_BYTES = 1 << 20;
/** Pieces of a region, at least and at most; between them as many as a part of what is expected. */
const PIECES = { min: 32, max: 2048 } as const;
const PARTS = 4;

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
 * Cuts memory from the system into pieces of 1 MiB. It is asked for in large regions, of which the system gives only what is
 * touched, and so that huge pages fit where the allocator asks for them (`GLIBC_TUNABLES=glibc.malloc.hugetlb=1`, see
 * deploy/debian/store.conf): a store reads at random, and each page it has not read lately costs a walk through the page tables.
 *
 * The engine counts what its buffers hold, touched or not, and collects garbage whenever that has grown by some megabytes: 5 to
 * 15 ms for each region, measured. So `reserve` takes all that is expected at the start, while no client waits, and one a turn: gossip runs already.
 */
export class Regions {
  readonly #pieces: number;
  readonly #expectedBytes: number;
  #regions: Region[] = [];

  /** `expectedBytes`: what may be taken in all, as far as that is known. */
  constructor(expectedBytes: number) {
    this.#expectedBytes = expectedBytes;
    const part = Math.ceil(expectedBytes / PARTS / PIECE_BYTES);
    this.#pieces = Math.max(PIECES.min, Math.min(PIECES.max, part));
  }

  async reserve(): Promise<void> {
    const bytes = this.#pieces * PIECE_BYTES;
    try {
      while (this.#regions.length * bytes < this.#expectedBytes) {
        this.#add();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    } catch {
      // A system that promises no more than it has: the rest is asked for when it is needed.
    }
  }

  /**
   * Takes all pieces back. Regions of which much was in use go back to the system, when the engine collects garbage; the others stay,
   * or who clears a small table over and over would have it collect each time.
   */
  clear(): void {
    this.#regions = this.#regions.filter(({ free }) => this.#pieces - free.length <= PIECES.min);
    for (const region of this.#regions) this.#fill(region);
  }

  take(): Piece {
    const region = this.#regions.find(({ free }) => free.length > 0) ?? this.#add();
    return { buffer: region.buffer, offset: region.free.pop() as number };
  }

  /** Takes a piece back; a region without any piece given out goes back to the system. */
  give({ buffer, offset }: Piece): void {
    const region = this.#regions.find((one) => one.buffer === buffer) as Region;
    region.free.push(offset);
    if (region.free.length === this.#pieces) this.#regions = this.#regions.filter((one) => one !== region);
  }

  #add(): Region {
    const region: Region = { buffer: new ArrayBuffer(this.#pieces * PIECE_BYTES), free: [] };
    this.#fill(region);
    this.#regions.push(region);
    return region;
  }

  #fill({ free }: Region): void {
    free.length = 0;
    for (let piece = this.#pieces - 1; piece >= 0; piece--) free.push(piece * PIECE_BYTES);
  }
}
