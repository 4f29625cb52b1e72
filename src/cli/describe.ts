import type { Command } from 'commander';
import { LOG_FORMATS, LOG_LEVELS } from '../config/index.ts';
import { EVENT_TYPES } from '../node/contract.ts';
import type { CliIo } from './io.ts';
import { buildProgram, headingOf, VERBS } from './program.ts';
import { KEY_OPERATIONS } from './verbs/keys.ts';
import { STATUSES } from './verbs/members.ts';
import { STORE_OPERATIONS } from './verbs/store.ts';

export interface OptionDescription {
  /** `--node`. */
  readonly name: string;
  /** What stands for its value; null for a switch. */
  readonly value: string | null;
  readonly help: string;
  /** The values there are; empty when they cannot be listed. */
  readonly choices: readonly string[];
}

export interface VerbDescription {
  readonly name: string;
  /** With its arguments: `register <start> <end>`. */
  readonly usage: string;
  readonly heading: string;
  readonly summary: string;
  readonly details: string;
  /** Without those that stand in `ProgramDescription.options`. */
  readonly options: readonly OptionDescription[];
  /** It takes the options that say where the daemon is. */
  readonly asksDaemon: boolean;
  /** What the first argument may be, where that can be listed. */
  readonly firstArgument: readonly string[];
  readonly examples: readonly (readonly [command: string, what: string])[];
}

/** The command line as data, for what is made from it: man pages and completions (deploy/package). */
export interface ProgramDescription {
  readonly summary: string;
  /** Options of every verb that asks a daemon. */
  readonly options: readonly OptionDescription[];
  readonly verbs: readonly VerbDescription[];
}

/** Values that commander does not know, by verb and option; an argument by its verb alone. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  'agent --log-level': LOG_LEVELS,
  'agent --log-format': LOG_FORMATS,
  'members --status': STATUSES,
  'monitor --filter': EVENT_TYPES,
  keys: KEY_OPERATIONS,
  store: STORE_OPERATIONS,
};

export function describeProgram(): ProgramDescription {
  const program = buildProgram(NOWHERE, () => {});
  const shared = new Set(program.options.map(({ long }) => long));
  const verbs = program.commands.flatMap((command): VerbDescription[] => {
    const verb = VERBS.find(({ usage }) => usage.split(' ')[0] === command.name());
    if (verb === undefined) return [];
    const { usage, summary, details = '', examples, asksDaemon } = verb;
    const options = optionsOf(command, verb.asksDaemon ? shared : new Set());
    const firstArgument = CHOICES[command.name()] ?? [];
    const heading = headingOf(verb);
    return [
      {
        name: command.name(),
        usage,
        heading,
        summary,
        details,
        options,
        asksDaemon,
        firstArgument,
        examples,
      },
    ];
  });
  return { summary: program.description(), options: optionsOf(program, new Set(['--version'])), verbs };
}

function optionsOf(command: Command, without: ReadonlySet<string | null | undefined>): OptionDescription[] {
  return command.options
    .filter(({ long }) => !without.has(long))
    .map(({ long, flags, description }) => {
      const name = long ?? flags;
      const value = /<(.*)>/.exec(flags)?.[1] ?? null;
      return { name, value, help: description, choices: CHOICES[`${command.name()} ${name}`] ?? [] };
    });
}

/** A world for a program that is looked at and never run. */
const NOWHERE: CliIo = {
  stdout: () => {},
  stderr: () => {},
  env: {},
  isTerminal: false,
  isErrorTerminal: false,
  columns: 100,
  hostname: '',
  homedir: '',
  readFile: () => '',
  exists: () => false,
  isLocked: () => false,
  writeSecret: () => {},
  interrupted: () => new AbortController().signal,
  daemon: () => Promise.reject(new Error('nothing is run')),
};
