import { Span } from '../store/index.ts';

/** Room for what one client sends in one go, most of the time. */
export const SPARE_BYTES = 16 * 1024;
const KEPT = 64;

/**
 * Buffers that connections take for the input that has to wait for its turn, and give back when it was run: under load that is
 * every read, and new ones would have to be zeroed, tracked and collected (a twentieth of all time, measured).
 */
export class Spare {
  readonly #spans: Span[] = [];

  take(): Span {
    return this.#spans.pop() ?? new Span(new Uint8Array(SPARE_BYTES));
  }

  /** One that came from `take`, and that nobody reads any more. */
  give(span: Span): void {
    if (this.#spans.length < KEPT) this.#spans.push(span);
  }
}
