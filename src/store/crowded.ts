import { ShoalError } from '../base/index.ts';

/** A key has no room in its slot's index; nothing was changed. It needs keys made for it: see slot-index.ts. */
export class Crowded extends ShoalError {
  constructor() {
    super('store-crowded', 'too many keys of one slot have hashes that are alike: use other keys');
  }
}
