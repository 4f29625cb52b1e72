import { CommanderError } from 'commander';
import { ShoalError } from '../base/index.ts';
import { EXIT, VerbError } from './errors.ts';
import type { CliIo } from './io.ts';
import { clean } from './layout.ts';
import { buildProgram } from './program.ts';

/** Runs one command line (without the program's own name) and resolves with the exit code. */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = buildProgram(io, (code) => {
    exitCode = code;
  });
  try {
    if (argv.length === 0) {
      program.outputHelp({ error: true });
      return EXIT.usage;
    }
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, io);
  }
}

function report(error: unknown, io: CliIo): number {
  // Commander has printed its own message. Its code is 0 for help and version that were asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const message = error instanceof Error ? error.message : String(error);
  io.stderr(`shoal: ${clean(message.split('\n')[0] ?? '')}\n`);
  if (error instanceof VerbError) return error.exitCode;
  // Below this line a ShoalError is about what was typed or configured: what the daemon says comes as a VerbError.
  return error instanceof ShoalError ? EXIT.usage : EXIT.no;
}
