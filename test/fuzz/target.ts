/** What inputs look like inside, for changes that keep most of it: bytes, one msgpack value behind `at` bytes, or text. */
export type Shape =
  | { readonly kind: 'bytes' }
  | { readonly kind: 'msgpack'; readonly at: number }
  | { readonly kind: 'text'; readonly words: readonly string[] };

/** A decoder, and whoever acts on what it gives. */
export interface Target {
  readonly shape: Shape;
  /** Well-formed inputs to start from, made by the program itself. */
  seeds(): Uint8Array[];
  /**
   * Feeds one input; the target may keep it. Gives a word for what became of it, with a `+` in front when it was taken:
   * inputs with a new word are kept and changed further. Throws on a fault.
   */
  feed(input: Uint8Array): string | Promise<string>;
  close?(): void | Promise<void>;
}
