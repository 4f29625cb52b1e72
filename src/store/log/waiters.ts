import type { ShoalError } from '../../base/index.ts';
import type { OnDisk } from '../backend.ts';

/** Places of those that were called are given back when there are so many, and half of all. */
const CALLED = 256;

interface Waiter {
  readonly sequence: number;
  readonly done: OnDisk;
}

/** Who waits for changes to be on disk, in the order of the changes. */
export class Waiters {
  #waiting: Waiter[] = [];
  #from = 0;

  get any(): boolean {
    return this.#from < this.#waiting.length;
  }

  /** Places taken, of those called too. */
  get places(): number {
    return this.#waiting.length;
  }

  /** The change that the first of them waits for. */
  get first(): number {
    return this.#waiting[this.#from]?.sequence ?? Infinity;
  }

  add(sequence: number, done: OnDisk): void {
    // Nearly always the last: connections wait for what they have just written.
    let at = this.#waiting.length;
    while (at > this.#from && (this.#waiting[at - 1] as Waiter).sequence > sequence) at--;
    if (at === this.#waiting.length) this.#waiting.push({ sequence, done });
    else this.#waiting.splice(at, 0, { sequence, done });
  }

  /** Calls those that wait for changes up to this one. */
  reached(sequence: number): void {
    while (this.first <= sequence) (this.#waiting[this.#from++] as Waiter).done(null);
    // Under load somebody always waits: it never runs empty.
    if (this.any && (this.#from < CALLED || this.#from * 2 < this.#waiting.length)) return;
    this.#waiting.splice(0, this.#from);
    this.#from = 0;
  }

  fail(error: ShoalError): void {
    const waiting = this.#waiting.slice(this.#from);
    this.#waiting = [];
    this.#from = 0;
    for (const { done } of waiting) done(error);
  }
}
