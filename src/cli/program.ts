import { Command } from 'commander';
import { clip, closest } from '../config/index.ts';
import type { CliIo } from './io.ts';
import { Shell } from './shell.ts';
import type { Verb } from './verb.ts';
import { agent } from './verbs/agent.ts';
import { bench } from './verbs/bench.ts';
import { converged } from './verbs/converged.ts';
import { coverage } from './verbs/coverage.ts';
import { decrease } from './verbs/decrease.ts';
import { dev } from './verbs/dev.ts';
import { forceLeave } from './verbs/force-leave.ts';
import { increase } from './verbs/increase.ts';
import { join } from './verbs/join.ts';
import { keygen } from './verbs/keygen.ts';
import { keys } from './verbs/keys.ts';
import { leave } from './verbs/leave.ts';
import { members } from './verbs/members.ts';
import { monitor } from './verbs/monitor.ts';
import { owners } from './verbs/owners.ts';
import { ranges } from './verbs/ranges.ts';
import { register } from './verbs/register.ts';
import { release } from './verbs/release.ts';
import { status } from './verbs/status.ts';
import { store } from './verbs/store.ts';
import { version } from './verbs/version.ts';
import { VERSION } from './version.ts';

const GROUPS: readonly (readonly [heading: string, verbs: readonly Verb[]])[] = [
  ['Run:', [agent, dev]],
  ['Group:', [status, members, join, leave, forceLeave]],
  ['Key space:', [register, release, increase, decrease, ranges, owners, coverage, converged]],
  ['Keyring:', [keygen, keys]],
  ['Store:', [store]],
  ['Other:', [monitor, bench, version]],
];

export const VERBS: readonly Verb[] = GROUPS.flatMap(([, verbs]) => verbs);

/** The group of verbs a verb is listed in. */
export function headingOf(verb: Verb): string {
  return GROUPS.find(([, verbs]) => verbs.includes(verb))?.[0].replace(/:$/, '') ?? '';
}

const EXIT_CODES = `
Exit codes: 0 done, 1 the daemon said no or the answer is no, 2 bad usage, 3 no daemon there.
'shoal VERB --help' has more, with examples.`;

/** The whole command line. `done` gets the exit code of the verb that ran. */
export function buildProgram(io: CliIo, done: (exitCode: number) => void): Command {
  const program = new Command('shoal')
    .description(
      'Leaderless group membership: one replicated map of key ranges and priorities on every node.',
    )
    .exitOverride()
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: io.stdout,
      writeErr: io.stderr,
      outputError: (text, write) => write(oneLine(text, 'shoal')),
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .version(`shoal ${VERSION}`, '--version', 'print the version')
    .helpOption('--help', 'show help')
    .addHelpText('after', EXIT_CODES);
  addDaemonOptions(program);
  for (const [heading, verbs] of GROUPS) {
    program.commandsGroup(heading);
    for (const verb of verbs) addVerb(program, verb, io, done);
  }
  addHelpVerb(program);
  const refuseUnknown = (): string => {
    const word = program.args[0] ?? '-';
    if (!word.startsWith('-')) findVerb(program, word);
    return '';
  };
  program.on('command:*', refuseUnknown);
  // Asked for the help of a verb that does not exist, commander gives its own.
  program.addHelpText('before', refuseUnknown);
  return program;
}

/** Commander's own takes any word, and prints the whole help. */
function addHelpVerb(program: Command): void {
  program.helpCommand(false);
  const command = program
    .command('help [verb]')
    .summary('show help of a verb')
    .description('Show help of a verb, or of the whole program.')
    .helpOption('--help', 'show this help')
    .configureOutput({ outputError: (text, write) => write(oneLine(text, 'shoal help')) });
  command.action((word: string | undefined) =>
    (word === undefined ? program : findVerb(program, word)).help(),
  );
}

function findVerb(program: Command, word: string): Command {
  const found = program.commands.find((command) => command.name() === word);
  if (found !== undefined) return found;
  const near = closest(
    word,
    program.commands.map((command) => command.name()),
  );
  const advice = near === undefined ? '' : ` (Did you mean ${near}?)`;
  return program.error(`unknown verb '${clip(word)}'${advice}`);
}

function addVerb(program: Command, verb: Verb, io: CliIo, done: (exitCode: number) => void): void {
  const command = program.command(verb.usage).summary(verb.summary).helpOption('--help', 'show this help');
  command.description([`${upperFirst(verb.summary)}.`, verb.details].filter(Boolean).join('\n'));
  command.configureOutput({ outputError: (text, write) => write(oneLine(text, `shoal ${command.name()}`)) });
  if (verb.options !== undefined) verb.options(command);
  if (verb.asksDaemon) addDaemonOptions(command);
  else if (verb.usage === 'version') addJsonOption(command);
  command.addHelpText('after', examplesText(verb));
  command.action(async () => {
    const options = { ...program.opts(), ...command.opts() };
    done(await verb.run(new Shell(io, options), command.args, options));
  });
}

/** The options that every verb that asks a daemon has; they may also stand in front of the verb. */
function addDaemonOptions(command: Command): void {
  command
    .option('--socket <path>', 'admin socket of the daemon (SHOAL_SOCKET)')
    .option('--url <url>', 'ask over TCP instead, like http://127.0.0.1:29980 (SHOAL_URL)')
    .option('--token-file <file>', 'file with the bearer token for --url (SHOAL_TOKEN_FILE)')
    .option('--timeout <seconds>', 'how long an answer may take; default 5 (SHOAL_TIMEOUT)');
  addJsonOption(command);
}

function addJsonOption(command: Command): void {
  command.option('--json', 'print JSON, for programs');
}

function examplesText(verb: Verb): string {
  const width = Math.max(...verb.examples.map(([line]) => line.length));
  const lines = verb.examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`.trimEnd());
  return `\nExamples:\n${lines.join('\n')}`;
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Commander's messages, which have a line of their own for a suggestion. */
function oneLine(text: string, where: string): string {
  const line = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  return `shoal: ${line}${line.includes('Did you mean') ? '' : `; see ${where} --help`}\n`;
}
