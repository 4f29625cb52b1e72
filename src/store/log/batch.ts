import { BATCH_HEADER_BYTES, BATCH_HEADER_WORDS, MAX_BATCH_BYTES } from './format.ts';

/** Room for records, behind room for the batch's header. */
export class Batch {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Words filled, with the header's. */
  end = BATCH_HEADER_WORDS;
  records = 0;
  /** Sequence of the last change in it. */
  sequence = 0;

  constructor() {
    const buffer = new ArrayBuffer(MAX_BATCH_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }

  get rawBytes(): number {
    return this.end * 4 - BATCH_HEADER_BYTES;
  }
}

/** Batches to be filled again. */
export class BatchPool {
  readonly #spare: Batch[] = [];
  readonly #keep: number;

  constructor(keep: number) {
    this.#keep = keep;
  }

  take(): Batch {
    return this.#spare.pop() ?? new Batch();
  }

  give(batch: Batch): void {
    if (this.#spare.length >= this.#keep) return;
    batch.end = BATCH_HEADER_WORDS;
    batch.records = 0;
    this.#spare.push(batch);
  }
}
