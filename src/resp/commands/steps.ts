import type { Call } from '../call.ts';
import type { WriteReply } from '../client.ts';

/** What one step may take of a round of the event loop, in ms. */
const STEP_MS = 1;

/**
 * Does work that is too much for one turn in steps, and answers after the last: `step` does some, a fraction of a millisecond, and says
 * whether there is more. Within a transaction it is done at once.
 */
export function inSteps(call: Call, step: () => boolean, write: WriteReply): void {
  if (call.inTransaction) {
    while (step());
    write(call.reply);
    return;
  }
  let gone = false;
  const answer = call.defer(undefined, () => {
    gone = true;
  });
  const go = (): void => {
    if (gone) return;
    const end = performance.now() + STEP_MS;
    while (step()) {
      if (performance.now() < end) continue;
      setImmediate(go);
      return;
    }
    answer(write);
  };
  setImmediate(go);
}
