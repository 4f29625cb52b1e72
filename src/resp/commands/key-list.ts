import { LIMITS } from '../../base/index.ts';
import type { Span } from '../../store/index.ts';
import type { Client } from '../client.ts';
import { type Glob, TOO_CLOSE_A_LOOK } from '../glob.ts';
import { ReplyWriter } from '../reply.ts';

/** An answer comes in parts of about so much. */
const PART_BYTES = 256 * 1024;

/** An answer of keys that are found by and by, and are no more than any answer may hold. */
export class KeyList {
  readonly #client: Client;
  readonly #out = new ReplyWriter(PART_BYTES);
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  count = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  add(key: Span, at: number, length: number): void {
    this.#out.bulk(key, at, length);
    this.count++;
    if (this.#out.length > PART_BYTES) this.#endPart();
  }

  /** They are too many: no more need be found. */
  get isOver(): boolean {
    return this.#bytes > LIMITS.respKeysBytes;
  }

  answer(reply: ReplyWriter, glob: Glob | null = null): void {
    this.#endPart();
    this.#client.gatheredBytes = 0;
    if (glob?.gaveUp === true) {
      reply.error(TOO_CLOSE_A_LOOK);
      return;
    }
    if (this.isOver) {
      reply.error(`ERR the keys are more than ${LIMITS.respKeysBytes >> 20} MB: use SCAN`);
      return;
    }
    reply.array(this.count);
    reply.rawParts(this.#parts);
  }

  #endPart(): void {
    this.#bytes += this.#out.length;
    this.#parts.push(this.#out.take());
    this.#client.gatheredBytes = this.#bytes;
  }
}
