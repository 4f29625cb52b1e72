import { Stamps } from './stamps.ts';
import { MessageTable } from './table.ts';

export class Store {
  readonly table = new MessageTable(new Stamps(1));

  /** A turn of commands begins. */
  begin(nowMs: number): void {
    this.table.nowMs = nowMs;
  }
}
