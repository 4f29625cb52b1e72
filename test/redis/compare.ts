import type { Words } from './connection.ts';
import { type Reply, show } from './reply.ts';

/** Between the same command here and there, on a busy machine. */
const CLOCK_MS = 10_000;

/** Later times are not kept: see src/resp/README.md. */
const FAR_MS = 9e15;

/** Their HELP is in our own words. */
const CONTAINERS =
  'acl client cluster command config function latency memory module object pubsub script slowlog'.split(' ');

/** Texts whose lengths and one multiply to more LCS refuses: see src/resp/README.md. */
const MAX_LCS = 4_194_304;

/** `before` are our answers to the commands before. */
type Same = (ours: Reply, theirs: Reply, words: Words, before: readonly Reply[]) => boolean;

const exact: Same = (ours, theirs) => show(ours) === show(theirs);
const sameType: Same = (ours, theirs) =>
  ours.type === theirs.type &&
  (ours.type === '-' ? exact(ours, theirs, [], []) : (ours.text === null) === (theirs.text === null));
/** Times that are left, or of the clock, `unit` milliseconds each; negative ones are answers of their own. */
const about =
  (unit: number): Same =>
  (ours, theirs) => {
    if (exact(ours, theirs, [], [])) return true;
    const a = Math.min(Number(ours.text) * unit, FAR_MS);
    const b = Math.min(Number(theirs.text) * unit, FAR_MS);
    return ours.type === ':' && theirs.type === ':' && a >= 0 && b >= 0 && Math.abs(a - b) <= CLOCK_MS;
  };
const seconds = about(1000);
const anyOrder: Same = (ours, theirs) =>
  ours.type === theirs.type && ours.text === theirs.text && sorted(ours) === sorted(theirs);
const scan: Same = (ours, theirs, words, before) => {
  if (ours.type !== '*' || theirs.type !== '*') return exact(ours, theirs, words, before);
  const [[cursor, found], [end, all]] = [ours.parts, theirs.parts] as [Reply[], Reply[]];
  // A disk is read a piece at a time, however much is asked for.
  if (cursor?.text !== '0' && end?.text === '0') {
    const names = new Set(all?.parts.map(show));
    return found?.parts.every((part) => names.has(show(part))) === true;
  }
  return (
    exact(cursor as Reply, end as Reply, words, before) &&
    anyOrder(found as Reply, all as Reply, words, before)
  );
};
/** In a transaction, where the answer is on a disk, none is given: see src/resp/README.md. */
const unlessOnDisk =
  (same: Same): Same =>
  (ours, ...more) =>
    (ours.type === '-' && ours.text?.startsWith('ERR not inside a transaction: ') === true) ||
    same(ours, ...more);
const lcs: Same = (ours, theirs, words, before) => {
  const [x, y] = before.slice(-2).map(({ text }) => Number(text));
  const tooLong =
    ((x ?? 0) + 1) * ((y ?? 0) + 1) > MAX_LCS && ours.text?.startsWith('ERR Insufficient memory') === true;
  return tooLong || exact(ours, theirs, words, before);
};

/** All but the numbers, versions and ids in it. */
function shape(reply: Reply): string {
  return show(reply)
    .replace(/[0-9a-f]{40}/g, 'id')
    .replace(/\d+(\.\d+)*/g, 'n');
}

const alike: Same = (ours, theirs, words, before) =>
  ours.type === '-' ? exact(ours, theirs, words, before) : shape(ours) === shape(theirs);

function sorted(reply: Reply): string {
  return reply.parts.map(show).sort().join(' ');
}

/** An entry of COMMAND INFO with its sets in order, without subcommands, and without notes, which are for people. */
export function entryText(entry: Reply): string {
  if (entry.parts.length === 0) return show(entry);
  const [name, arity, flags, first, last, step, categories, tips, specs] = entry.parts;
  const sorted = (part: Reply | undefined) => (part?.parts ?? []).map(show).sort().join(' ');
  const specText = (spec: Reply) =>
    spec.parts
      .flatMap((part, i) =>
        i % 2 === 0 && part.text !== 'notes' ? [`${part.text} ${show(spec.parts[i + 1] as Reply)}`] : [],
      )
      .join(' ');
  return [
    ...[name, arity, first, last, step].map((part) => show(part as Reply)),
    sorted(flags),
    sorted(categories),
    sorted(tips),
    ...(specs?.parts ?? []).map(specText),
  ].join('\n');
}

const infos: Same = (ours, theirs) =>
  ours.parts.map(entryText).join('\n\n') === theirs.parts.map(entryText).join('\n\n');

/** Of a map of maps, what does not depend on words for people. */
const docs: Same = (ours, theirs) => {
  const facts = (reply: Reply): string =>
    reply.parts
      .map(({ parts }) =>
        ['since', 'group'].map((name) => parts[parts.findIndex(({ text }) => text === name) + 1]),
      )
      .map((found) => found.map((part) => part?.text ?? '').join())
      .join();
  return ours.type === theirs.type && facts(ours) === facts(theirs);
};

/** Without names they are told of all commands, and Redis has more. */
const ofNames =
  (same: Same): Same =>
  (ours, theirs, words, before) =>
    (words.length === 2 ? sameType : same)(ours, theirs, words, before);

/** Of the slow log, which commands it has. */
const slowWords: Same = (ours, theirs, words, before) => {
  if (theirs.type !== '*') return exact(ours, theirs, words, before);
  const facts = (reply: Reply): string => reply.parts.map(({ parts }) => show(parts[3] as Reply)).join();
  return ours.type === '*' && facts(ours) === facts(theirs);
};

/** Lines of CLIENT LIST: the fields that are not memory, times or places; the last command ours notes once for all that came together. */
const clientLines: Same = (ours, theirs, words, before) => {
  if (theirs.type === '-') return exact(ours, theirs, words, before);
  // While EXEC runs our transaction is over.
  const kept = / cmd=exec /.test(theirs.text ?? '')
    ? /^(name|db|sub|psub|ssub|user|redir|resp)=/
    : /^(name|db|sub|psub|ssub|multi|flags|user|redir|resp)=/;
  const facts = (reply: Reply): string =>
    (reply.text ?? '')
      .split('\n')
      .map((line) =>
        line
          .split(' ')
          .filter((field) => kept.test(field))
          .sort()
          .join(' '),
      )
      .sort()
      .join('\n');
  return ours.type === theirs.type && facts(ours) === facts(theirs);
};

/** A reply as text; of a line that a monitor sees without time and address. */
export function monitored(reply: Reply): string {
  return show(reply).replace(/^\+"[\d.]+ \[0 [\d.:]+\]/, '+"');
}

/** Commands whose replies need not be the same byte for byte, and what must be. */
const COMPARED: Record<string, Same> = {
  ttl: seconds,
  pttl: about(1),
  expiretime: seconds,
  pexpiretime: about(1),
  keys: unlessOnDisk(anyOrder),
  scan: unlessOnDisk(scan),
  randomkey: unlessOnDisk(sameType),
  // A SET whose time is over is counted by Redis until somebody asks for the key.
  dbsize: sameType,
  // Since the last write, not the last use.
  'object|idletime': sameType,
  lcs,
  // Redis has more commands.
  command: (ours, theirs, words, before) =>
    (words.length === 1 ? sameType : exact)(ours, theirs, words, before),
  'command|count': sameType,
  'command|info': ofNames(infos),
  'command|docs': ofNames(docs),
  'command|list': (ours, theirs, words, before) =>
    (words.length === 2 ? sameType : anyOrder)(ours, theirs, words, before),
  config: anyOrder,
  'client|id': sameType,
  'client|info': clientLines,
  'client|list': clientLines,
  'pubsub|channels': anyOrder,
  'pubsub|shardchannels': anyOrder,
  // We do not compress.
  dump: (ours, theirs, words, before) =>
    exact(ours, theirs, words, before) || (ours.type === '$' && theirs.text?.startsWith('\0\xc3') === true),
  info: sameType,
  lolwut: sameType,
  'cluster|info': alike,
  'cluster|myid': alike,
  'cluster|nodes': alike,
  'cluster|shards': alike,
  'cluster|slots': alike,
  'slowlog|get': slowWords,
  'function|stats': sameType,
  'latency|doctor': sameType,
  'latency|histogram': ofNames(exact),
  ...Object.fromEntries(CONTAINERS.map((name) => [`${name}|help`, sameType])),
  time: sameType,
  // The version that is shown, and the connection's number.
  hello: alike,
  lastsave: sameType,
  // Bytes are what they are.
  memory: sameType,
};

/** The commands with what `isSame` must know before some of them: the lengths that LCS multiplies. */
export function prepared(commands: readonly Words[]): Words[] {
  return commands.flatMap((words) => {
    const [name = '', x, y] = words;
    if (!/^lcs$/i.test(name) || x === undefined || y === undefined) return [words];
    return [['STRLEN', x], ['STRLEN', y], words];
  });
}

export function isSame(words: Words, ours: Reply, theirs: Reply, before: readonly Reply[]): boolean {
  const [name = '', subcommand = ''] = words.map((word) => word.toLowerCase());
  const compare = COMPARED[`${name}|${subcommand}`] ?? COMPARED[name] ?? exact;
  return compare(ours, theirs, words, before);
}

/** The answers of a transaction's commands. */
export function isSameList(all: readonly Words[], ours: Reply, theirs: Reply): boolean {
  return (
    ours.type === theirs.type &&
    ours.parts.length === theirs.parts.length &&
    all.every((words, i) =>
      isSame(words, ours.parts[i] as Reply, theirs.parts[i] as Reply, ours.parts.slice(0, i)),
    )
  );
}
