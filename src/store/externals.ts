import { assert } from '../base/index.ts';
import type { Rope } from './rope.ts';
import { Span } from './span.ts';

/** Key and value of a record that is too large for the arena. */
export interface External {
  readonly key: Span;
  readonly value: Rope;
}

/** Large records by number; the arena has the number and the record's header. */
export class Externals {
  readonly #all = new Map<number, External>();
  #next = 1;
  /** Of keys and values. */
  bytes = 0;

  get(number: number): External {
    const external = this.#all.get(number);
    assert(external !== undefined, 'what is outside the arena is there');
    return external;
  }

  /** Copies the key; gives the number. What ropes share counts for each of them. */
  add(key: Uint8Array, value: Rope): number {
    this.#all.set(this.#next, { key: new Span(key.slice()), value });
    value.stored++;
    this.bytes += key.length + value.length;
    return this.#next++;
  }

  drop(number: number): void {
    const { key, value } = this.get(number);
    this.#all.delete(number);
    value.stored--;
    this.bytes -= key.bytes.length + value.length;
  }

  clear(): void {
    for (const { value } of this.#all.values()) value.stored--;
    this.#all.clear();
    this.bytes = 0;
  }
}
