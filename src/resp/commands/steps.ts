import type { Call } from '../call.ts';
import type { WriteReply } from '../client.ts';
import { TAKES_TOO_LONG } from './errors.ts';

/** What steps may take of a round of the event loop, in ms. */
const STEP_MS = 1;

/**
 * Does work that may be too much for one turn in steps, and answers after the last: `step` does some, a fraction of a millisecond, and
 * says whether there is more. Within a transaction it is all done at once, see `atOnce`.
 */
export function inSteps(call: Call, step: () => boolean, write: WriteReply): void {
  if (call.inTransaction) {
    if (atOnce(call, step)) write(call.reply);
    return;
  }
  if (!some(step, STEP_MS)) {
    write(call.reply);
    return;
  }
  let gone = false;
  const answer = call.defer(undefined, () => {
    gone = true;
  });
  const go = (): void => {
    if (gone) return;
    if (some(step, STEP_MS)) setImmediate(go);
    else answer(write);
  };
  setImmediate(go);
}

/** Does all steps, for a transaction; false after an error was given, for together they took too much of the turn. */
export function atOnce(call: Call, step: () => boolean): boolean {
  const started = performance.now();
  const isDone = call.stepsLeftMs > 0 && !some(step, call.stepsLeftMs);
  call.stepsLeftMs -= performance.now() - started;
  if (!isDone) call.reply.error(TAKES_TOO_LONG);
  return isDone;
}

/** Does all steps, and then has the command run again, as if it came anew. */
export function beforehand(call: Call, step: () => boolean): void {
  const { client, known } = call;
  if (known === null) return;
  let gone = false;
  client.blocked = {
    unblock: () => false,
    cancel: () => {
      gone = true;
    },
  };
  call.putBack(known);
  const go = (): void => {
    if (gone) return;
    if (some(step, STEP_MS)) setImmediate(go);
    else {
      client.blocked = null;
      client.outlet.resume();
    }
  };
  setImmediate(go);
}

/** Steps for so long; true when there is more to do. */
function some(step: () => boolean, ms: number): boolean {
  const end = performance.now() + ms;
  while (step()) if (performance.now() > end) return true;
  return false;
}
