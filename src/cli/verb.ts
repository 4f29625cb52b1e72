import type { Command } from 'commander';
import type { OptionValues, Shell } from './shell.ts';

/** One verb of the command line: a file of its own under verbs/. */
export interface Verb {
  /** The name and its arguments, as commander writes them: `register <start> <end>`. */
  readonly usage: string;
  readonly summary: string;
  /** Behind the summary in the verb's own help. */
  readonly details?: string;
  /** Command line and what it does. */
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** False for a verb that asks no daemon. */
  readonly asksDaemon: boolean;
  /** Adds the verb's own options. */
  readonly options?: (command: Command) => void;
  /** `args` in order, optional ones missing at the end undefined. */
  readonly run: (shell: Shell, args: readonly string[], options: OptionValues) => Promise<number>;
}
