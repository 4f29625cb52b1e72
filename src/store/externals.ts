import { assert } from '../base/index.ts';
import { Span } from './span.ts';

/** Key and value of a record that is too large for the arena. */
export interface External {
  readonly key: Span;
  readonly value: Span;
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

  /** Copies both; gives the number. */
  add(key: Uint8Array, value: Uint8Array): number {
    this.#all.set(this.#next, { key: new Span(key.slice()), value: new Span(value.slice()) });
    this.bytes += key.length + value.length;
    return this.#next++;
  }

  drop(number: number): void {
    const { key, value } = this.get(number);
    this.#all.delete(number);
    this.bytes -= key.bytes.length + value.bytes.length;
  }

  clear(): void {
    this.#all.clear();
    this.bytes = 0;
  }
}
