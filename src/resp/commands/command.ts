import type { Call } from '../call.ts';
import { type Command, type KeyRange, type Known, keyPlaces } from '../command.ts';
import { Glob, NAME_LOOKS } from '../glob.ts';
import type { ReplyWriter } from '../reply.ts';
import { entries } from './entry.ts';
import { SYNTAX } from './errors.ts';
import { container } from './help.ts';

/** Groups whose name is not that of their ACL category; of others it is. */
const CATEGORY_OF_GROUP: Readonly<Record<string, string>> = {
  generic: 'keyspace',
  transactions: 'transaction',
};
/** Groups that have a category. */
const WITH_CATEGORY = new Set([
  'string',
  'generic',
  'bitmap',
  'connection',
  'transactions',
  'scripting',
  'pubsub',
]);

/** ACL categories, without the `@`: those that flags say, and those of the group or the entry. */
function categoriesOf(command: Command): string[] {
  const flags = new Set<string>(command.flags);
  const own: readonly string[] =
    command.categories ??
    (WITH_CATEGORY.has(command.group) ? [CATEGORY_OF_GROUP[command.group] ?? command.group] : []);
  const all = new Set(own);
  if (flags.has('write')) all.add('write');
  if (flags.has('readonly') && command.group !== 'scripting') all.add('read');
  if (flags.has('admin')) for (const name of ['admin', 'dangerous']) all.add(name);
  if (flags.has('pubsub')) all.add('pubsub');
  if (flags.has('blocking')) all.add('blocking');
  all.add(flags.has('fast') ? 'fast' : 'slow');
  return [...all].sort();
}

function writeKnown(reply: ReplyWriter, known: Known): void {
  const { command } = known;
  const { keys } = command;
  reply.array(10);
  reply.bulkText(known.name);
  reply.integer(command.arity);
  reply.set(command.flags.length);
  for (const flag of command.flags) reply.simple(flag);
  reply.integer(keys?.first ?? 0);
  reply.integer(rangesOf(command).at(-1)?.last ?? 0);
  reply.integer(keys?.step ?? 0);
  const categories = categoriesOf(command);
  reply.set(categories.length);
  for (const name of categories) reply.simple(`@${name}`);
  const tips = command.tips ?? [];
  reply.set(tips.length);
  for (const tip of tips) reply.bulkText(tip);
  const specs = rangesOf(command);
  reply.set(specs.length);
  for (const spec of specs) writeSpec(reply, command, spec);
  const subcommands = known.subcommands?.all ?? [];
  reply.array(subcommands.length);
  for (const subcommand of subcommands) writeKnown(reply, subcommand);
}

/** Where a command has several, one begins where the one before ends. */
function rangesOf(command: Command): readonly KeyRange[] {
  return command.keys === null ? [] : [command.keys, ...(command.moreKeys ?? [])];
}

function flagsOf(command: Command, range: KeyRange): readonly string[] {
  return range.flags ?? (command.flags.includes('write') ? ['RW', 'access', 'update'] : ['RO', 'access']);
}

function writeSpec(reply: ReplyWriter, command: Command, range: KeyRange): void {
  reply.map(3);
  reply.bulkText('flags');
  const flags = flagsOf(command, range);
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
  reply.bulkText('begin_search');
  reply.map(2);
  pair(reply, 'type', 'index');
  reply.bulkText('spec');
  reply.map(1);
  reply.bulkText('index');
  reply.integer(range.first);
  reply.bulkText('find_keys');
  reply.map(2);
  pair(reply, 'type', 'range');
  reply.bulkText('spec');
  reply.map(3);
  reply.bulkText('lastkey');
  reply.integer(range.last < 0 ? range.last : range.last - range.first);
  reply.bulkText('keystep');
  reply.integer(range.step);
  reply.bulkText('limit');
  reply.integer(0);
}

function pair(reply: ReplyWriter, name: string, value: string): void {
  reply.bulkText(name);
  reply.bulkText(value);
}

function writeDocs(reply: ReplyWriter, known: Known): void {
  const { command } = known;
  const subcommands = known.subcommands?.all ?? [];
  reply.map(3 + (command.complexity === undefined ? 0 : 1) + (subcommands.length > 0 ? 1 : 0));
  pair(reply, 'summary', command.summary);
  pair(reply, 'since', command.since);
  pair(reply, 'group', command.group);
  if (command.complexity !== undefined) pair(reply, 'complexity', command.complexity);
  if (subcommands.length === 0) return;
  reply.bulkText('subcommands');
  reply.map(subcommands.length);
  for (const subcommand of subcommands) {
    reply.bulkText(subcommand.name);
    writeDocs(reply, subcommand);
  }
}

function commandAll(call: Call): void {
  const { all } = call.server.commands;
  call.reply.array(all.length);
  for (const known of all) writeKnown(call.reply, known);
}

/** Names can be given again and again: no more of them are taken than there are commands, after which there is an error. */
function hasTooMany(call: Call): boolean {
  const most = [...call.server.commands.every()].length;
  if (call.count - 2 <= most) return false;
  call.reply.error(`ERR too many names: there are ${most} commands`);
  return true;
}

function commandInfo(call: Call): void {
  const { commands } = call.server;
  if (call.count === 2) {
    commandAll(call);
    return;
  }
  if (hasTooMany(call)) return;
  call.reply.array(call.count - 2);
  for (let i = 2; i < call.count; i++) {
    const known = commands.named(call.text(i));
    if (known === undefined) call.reply.none();
    else writeKnown(call.reply, known);
  }
}

function commandDocs(call: Call): void {
  if (hasTooMany(call)) return;
  const { commands } = call.server;
  const found: Known[] = [];
  if (call.count === 2) found.push(...commands.all);
  for (let i = 2; i < call.count; i++) {
    const known = commands.named(call.text(i));
    if (known !== undefined) found.push(known);
  }
  call.reply.map(found.length);
  for (const known of found) {
    call.reply.bulkText(known.name);
    writeDocs(call.reply, known);
  }
}

/** Of the command that follows `COMMAND GETKEYS`: the places of its keys, with their range; or the fault. */
function keysOf(call: Call): { command: Command; found: [place: number, range: KeyRange][] } | string {
  const { commands } = call.server;
  const { bytes } = call.span;
  let known = commands.find(bytes, call.startOf(2), call.lengthOf(2));
  if (known?.subcommands !== undefined && known.subcommands !== null && call.count > 3)
    known = known.subcommands.find(bytes, call.startOf(3), call.lengthOf(3));
  if (known === undefined) return 'ERR Invalid command specified';
  const { command } = known;
  const count = call.count - 2;
  const ranges = rangesOf(command).filter((range) => range.flags?.includes('not_key') !== true);
  if (ranges.length === 0) return 'ERR The command has no key arguments';
  if (command.arity > 0 ? count !== command.arity : count < -command.arity)
    return 'ERR Invalid number of arguments specified for command';
  const found = ranges.flatMap((range) =>
    keyPlaces(range, count).map((place): [number, KeyRange] => [place + 2, range]),
  );
  return { command, found };
}

function getKeys(call: Call): void {
  const keys = keysOf(call);
  if (typeof keys === 'string') {
    call.reply.error(keys);
    return;
  }
  call.reply.array(keys.found.length);
  for (const [place] of keys.found) call.reply.bulk(call.span, call.startOf(place), call.lengthOf(place));
}

function getKeysAndFlags(call: Call): void {
  const keys = keysOf(call);
  if (typeof keys === 'string') {
    call.reply.error(keys);
    return;
  }
  call.reply.array(keys.found.length);
  for (const [place, range] of keys.found) {
    call.reply.array(2);
    call.reply.bulk(call.span, call.startOf(place), call.lengthOf(place));
    const flags = flagsOf(keys.command, range);
    call.reply.set(flags.length);
    for (const flag of flags) call.reply.simple(flag);
  }
}

function list(call: Call): void {
  const all = [...call.server.commands.every()];
  let chosen: Known[] = all;
  if (call.count === 5 && call.is(2, 'FILTERBY')) {
    const word = call.text(4).toLowerCase();
    if (call.is(3, 'MODULE')) chosen = [];
    else if (call.is(3, 'ACLCAT')) chosen = all.filter((known) => categoriesOf(known.command).includes(word));
    else if (call.is(3, 'PATTERN')) {
      const glob = new Glob(call.bytes(4), true, NAME_LOOKS);
      chosen = all.filter((known) => glob.matches(new TextEncoder().encode(known.name)));
    } else {
      call.reply.error(SYNTAX);
      return;
    }
  } else if (call.count !== 2) {
    call.reply.error(SYNTAX);
    return;
  }
  call.reply.array(chosen.length);
  for (const known of chosen) call.reply.bulkText(known.name);
}

const entry = entries('server', ['connection']);
const FLAGS = 'loading stale';
const ORDER = { tips: ['nondeterministic_output_order'] };

export const COMMAND = container(
  entry('command', -1, FLAGS, null, '2.8.13', 'All commands, with where their keys are.', commandAll, ORDER),
  [
    entry('count', 2, FLAGS, null, '2.8.13', 'How many commands there are.', (call) =>
      call.reply.integer(call.server.commands.all.length),
    ),
    entry('docs', -2, FLAGS, null, '7.0.0', 'What commands do: [name ...].', commandDocs, ORDER),
    entry('info', -2, FLAGS, null, '2.8.13', 'Flags and keys of commands: [name ...].', commandInfo, ORDER),
    entry('getkeys', -4, FLAGS, null, '2.8.13', 'The keys of a whole command.', getKeys),
    entry(
      'getkeysandflags',
      -4,
      FLAGS,
      null,
      '7.0.0',
      'The keys of a whole command, and what it does to them.',
      getKeysAndFlags,
    ),
    entry(
      'list',
      -2,
      FLAGS,
      null,
      '7.0.0',
      'Names of commands: [FILTERBY ACLCAT|PATTERN|MODULE x].',
      list,
      ORDER,
    ),
  ],
  ['connection'],
);
