import type { Socket } from 'node:net';
import { copySpan, Span } from '../store/index.ts';

const FIRST_BYTES = 16 * 1024;
/** A fuller buffer is left as it is, and the next one begun; an emptied one that is larger is given back. */
const FULL_BYTES = 256 * 1024;
/** Longer pieces are kept as they are: they have memory of their own. */
export const COPIED_BYTES = 64 * 1024;

/** Bytes for a socket, collected during a tick and written at its end at once: a small piece costs a copy, not a write. */
export class Outgoing {
  #span = NOTHING;
  #filled = 0;
  /** What comes before. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  get length(): number {
    return this.#pieceBytes + this.#filled;
  }

  /** Memory that it takes, with the buffer that is kept for what comes next. */
  get heldBytes(): number {
    return this.#pieceBytes + this.#span.bytes.length;
  }

  /** Adds a copy of `length` bytes of `from` at `at`; many that nobody changes later, as `isOwn` says, as they are. */
  add(from: Span, at: number, length: number, isOwn: boolean): void {
    if (length > COPIED_BYTES) {
      this.keep(isOwn ? from.bytes.subarray(at, at + length) : from.bytes.slice(at, at + length));
      return;
    }
    this.#reserve(length);
    copySpan(from, at, this.#span, this.#filled, length);
    this.#filled += length;
  }

  /** Adds bytes that nobody changes later if there are more than COPIED_BYTES, else a copy of them. */
  keep(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length > COPIED_BYTES) {
      this.#seal();
      this.#pieces.push(bytes);
      this.#pieceBytes += length;
      return;
    }
    this.#reserve(length);
    this.#span.bytes.set(bytes, this.#filled);
    this.#filled += length;
  }

  clear(): void {
    this.#filled = 0;
    this.#pieces = [];
    this.#pieceBytes = 0;
  }

  /** Writes all of it; of what the kernel took at once the buffer is used again. */
  send(socket: Socket): void {
    if (this.#pieces.length === 0) {
      if (this.#filled === 0) return;
      socket.write(this.#span.bytes.subarray(0, this.#filled));
      this.#filled = 0;
      if (socket.writableLength > 0 || this.#span.bytes.length > FULL_BYTES) this.#span = NOTHING;
      return;
    }
    this.#seal();
    const pieces = this.#pieces;
    this.clear();
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
  }

  #reserve(more: number): void {
    if (this.#filled + more <= this.#span.bytes.length) return;
    if (this.#filled + more > FULL_BYTES) this.#seal();
    const need = this.#filled + more;
    if (need <= this.#span.bytes.length) return;
    const wider = new Span(new Uint8Array(Math.max(FIRST_BYTES, need, this.#span.bytes.length * 2)));
    wider.bytes.set(this.#span.bytes.subarray(0, this.#filled));
    this.#span = wider;
  }

  /** What is in the buffer becomes a piece. */
  #seal(): void {
    if (this.#filled === 0) return;
    this.#pieces.push(this.#span.bytes.subarray(0, this.#filled));
    this.#pieceBytes += this.#filled;
    this.#span = NOTHING;
    this.#filled = 0;
  }
}

const NOTHING = new Span(new Uint8Array(0));
