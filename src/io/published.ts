export type PublishedListener = (channel: Uint8Array, message: Uint8Array) => void;

/** Messages that other nodes published, kept while the machine runs and told to the listener after it. */
export class Published {
  #listener: PublishedListener | null = null;
  #waiting: { readonly channel: Uint8Array; readonly message: Uint8Array }[] = [];

  /** There is one store. Gives how to stop. */
  listen(listener: PublishedListener): () => void {
    this.#listener = listener;
    return () => {
      if (this.#listener === listener) this.#listener = null;
    };
  }

  add(channel: Uint8Array, message: Uint8Array): void {
    if (this.#listener !== null) this.#waiting.push({ channel, message });
  }

  deliver(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { channel, message } of waiting) this.#listener?.(channel, message);
  }
}
