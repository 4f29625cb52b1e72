/**
 * An operating error: something a person can mend. `code` is stable and part of the interface; `message` is one line
 * that says what was wrong and what to do; `field` names the input at fault, when one is.
 */
export class ShoalError extends Error {
  readonly code: string;
  readonly field: string | undefined;

  constructor(code: string, message: string, field?: string) {
    super(message);
    this.name = 'ShoalError';
    this.code = code;
    this.field = field;
  }
}

/** Stops the process (the service manager restarts it) when the program contradicts itself. Stays on in production. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}

/** For the default branch of a switch that handles every case. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unexpected ${String(value)}`);
}
