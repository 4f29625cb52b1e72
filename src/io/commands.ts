import { assert, LIMITS, ShoalError } from '../base/index.ts';
import type { Answer } from '../node/index.ts';

type Value = Extract<Answer, { ok: unknown }>['ok'];
interface Waiting {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: ShoalError) => void;
}

/** Promises for commands the machine has not answered yet. */
export class Commands {
  readonly #waiting = new Map<number, Waiting>();
  #lastToken = 0;

  get size(): number {
    return this.#waiting.size;
  }

  /** @throws ShoalError `overloaded` (as a rejection) when too many wait. */
  add(run: (token: number) => void): Promise<Value> {
    if (this.#waiting.size >= LIMITS.pendingCommands) {
      return Promise.reject(
        new ShoalError(
          'overloaded',
          `${LIMITS.pendingCommands} commands are waiting already: try again later`,
        ),
      );
    }
    const token = ++this.#lastToken;
    const promise = new Promise<Value>((resolve, reject) => {
      this.#waiting.set(token, { resolve, reject });
    });
    run(token);
    return promise;
  }

  settle(token: number, answer: Answer): void {
    const waiting = this.#waiting.get(token);
    assert(waiting !== undefined, 'one answer to each command');
    this.#waiting.delete(token);
    if ('ok' in answer) waiting.resolve(answer.ok);
    else waiting.reject(new ShoalError(answer.error.code, answer.error.message, answer.error.field));
  }

  /** The node goes. A command under way may have changed the map already, and others may know: that is no refusal. */
  abandon(why: string): void {
    const message = `this node ${why}: whether it was done is not known; look on another node`;
    for (const { reject } of this.#waiting.values()) reject(new ShoalError('timeout', message));
    this.#waiting.clear();
  }
}
