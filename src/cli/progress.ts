import type { CliIo } from './io.ts';

const CLEAR_LINE = '\r\x1b[K';

/** One line on standard error that tells how far something is, where that is a terminal; written over and over, and gone at the end. */
export class ProgressLine {
  readonly #io: CliIo;
  #shown = false;

  constructor(io: CliIo) {
    this.#io = io;
  }

  show(text: string): void {
    if (!this.#io.isErrorTerminal) return;
    this.#io.stderr(`${CLEAR_LINE}${text}`);
    this.#shown = true;
  }

  /** Before anything else is printed. */
  clear(): void {
    if (this.#shown) this.#io.stderr(CLEAR_LINE);
    this.#shown = false;
  }
}
