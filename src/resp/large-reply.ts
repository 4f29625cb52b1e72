import type { Socket } from 'node:net';
import type { Rope } from '../store/index.ts';
import { isStreamFull } from './flow.ts';

/** For pieces at a time, in ms. */
const SEND_MS = 1;
/** How far `sendTo` came: to the end, until the socket was full, or until others should have their turn. */
export const SENT = { all: 0, untilFull: 1, enoughForNow: 2 } as const;

/** A reply with large values in it, which goes out piece by piece; the values are not copied. */
export class LargeReply {
  readonly #parts: readonly Uint8Array[];
  readonly #ropes: readonly Rope[];
  #next = 0;
  /** Bytes that were not taken yet. */
  length: number;

  constructor(parts: readonly Uint8Array[], ropes: readonly Rope[] = []) {
    this.#parts = parts;
    this.#ropes = ropes;
    this.length = parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** As much as the socket and this turn have room for. */
  sendTo(socket: Socket): (typeof SENT)[keyof typeof SENT] {
    const end = performance.now() + SEND_MS;
    for (;;) {
      if (isStreamFull(socket)) return SENT.untilFull;
      if (performance.now() > end) return SENT.enoughForNow;
      const part = this.#parts[this.#next];
      if (part === undefined) return SENT.all;
      this.#next++;
      this.length -= part.length;
      socket.write(part);
    }
  }

  /** Memory that it keeps from being used again: none for values that are in the store still. */
  get heldBytes(): number {
    const stored = this.#ropes.length > 0 && this.#ropes.every((rope) => rope.stored > 0);
    return stored ? 0 : this.length;
  }

  /** All of it as one. */
  whole(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#parts));
  }
}
