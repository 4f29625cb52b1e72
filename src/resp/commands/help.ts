import type { Call } from '../call.ts';
import type { Command } from '../command.ts';
import { entries } from './entry.ts';

/** A command with subcommands, with HELP among them: made of what the table knows. */
export function container(
  command: Command,
  subcommands: readonly Command[],
  helpCategories?: readonly string[],
): Command {
  const name = command.name.toUpperCase();
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const { name: own, summary } of [...subcommands].sort((a, b) => (a.name < b.name ? -1 : 1)))
    lines.push(own.toUpperCase(), `    ${summary}`);
  lines.push('HELP', '    Prints this help.');
  const help = (call: Call): void => {
    call.reply.array(lines.length);
    for (const line of lines) call.reply.simple(line);
  };
  const entry = entries(command.group, helpCategories)(
    'help',
    2,
    'loading stale',
    null,
    command.since,
    'Prints this help.',
    help,
  );
  return { ...command, subcommands: [...subcommands, entry] };
}
