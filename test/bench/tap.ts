import type { Socket } from 'node:net';

/** A text awaited on a stream, and when it came. */
export interface Sighting {
  readonly text: string;
  /** When it was read, by this process's clock; NaN while it was not. */
  atMs: number;
}

/**
 * Watches one stream of a node for texts. The same for every program measured: no decoding, one search per chunk, the
 * time taken first.
 */
export class Tap {
  #awaited: Sighting | null = null;
  #tail = '';
  #seen: (() => void) | null = null;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      const atMs = performance.now();
      const awaited = this.#awaited;
      if (awaited === null) return;
      // Latin-1, so that every byte is one character, whatever it means.
      const text = this.#tail + chunk.toString('latin1');
      if (text.includes(awaited.text)) {
        awaited.atMs = atMs;
        this.#awaited = null;
        this.#tail = '';
        this.#seen?.();
      } else {
        this.#tail = text.slice(-awaited.text.length);
      }
    });
  }

  /** `seen` is called once, when it comes. */
  await(text: string, seen: () => void): Sighting {
    const sighting: Sighting = { text, atMs: Number.NaN };
    this.#awaited = sighting;
    this.#tail = '';
    this.#seen = seen;
    return sighting;
  }
}
