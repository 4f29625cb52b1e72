/** Exit codes: contract (INTERFACE.md, Verbs). */
export const EXIT = { done: 0, no: 1, usage: 2, noDaemon: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the verb with one line on standard error and this exit code. */
export class VerbError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = 'VerbError';
    this.exitCode = exitCode;
  }
}

export function usage(message: string): VerbError {
  return new VerbError(EXIT.usage, message);
}
