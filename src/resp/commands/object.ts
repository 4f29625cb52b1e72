import type { Call } from '../call.ts';
import { int64 } from '../numbers.ts';
import { entries, keys } from './entry.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';

/** Redis keeps strings up to this length beside their object, and shares numbers below the other. */
const EMBEDDED_BYTES = 44;
const SHARED_NUMBERS = 10_000n;
const SHARED_COUNT = 2 ** 31 - 1;
const NO_LFU =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';

/** Looks up argument 2; answers for one that is not there. */
function findObject(call: Call): boolean {
  if (call.read(2)) return true;
  call.reply.none();
  return false;
}

function number(call: Call): bigint | null {
  const { table } = call.store;
  return int64(table.value.bytes, table.valueAt, table.valueLength);
}

function encoding(call: Call): void {
  if (!findObject(call)) return;
  if (number(call) !== null) call.reply.bulkText('int');
  else call.reply.bulkText(call.store.table.valueLength <= EMBEDDED_BYTES ? 'embstr' : 'raw');
}

function references(call: Call): void {
  if (!findObject(call)) return;
  const value = number(call);
  call.reply.integer(value !== null && value >= 0n && value < SHARED_NUMBERS ? SHARED_COUNT : 1);
}

/** Since it was written: reads are not noted. */
function idle(call: Call): void {
  if (!findObject(call)) return;
  call.reply.integer(Math.max(Math.floor((call.nowMs - call.store.table.writtenMs) / 1000), 0));
}

function frequency(call: Call): void {
  if (findObject(call)) call.reply.error(NO_LFU);
}

function help(lines: readonly string[]) {
  return (call: Call): void => {
    call.reply.array(lines.length);
    for (const line of lines) call.reply.simple(line);
  };
}

const OBJECT_HELP = [
  'OBJECT <subcommand> [<key>]. Subcommands are:',
  'ENCODING <key>',
  '    How Redis would keep the value: int, embstr or raw.',
  'FREQ <key>',
  '    How often the key is asked for: not counted.',
  'IDLETIME <key>',
  '    Seconds since the key was written.',
  'REFCOUNT <key>',
  '    How many refer to the value, as Redis would count.',
  'HELP',
  '    This text.',
];

function usage(call: Call): void {
  for (let i = 3; i < call.count; i += 2) {
    if (!call.is(i, 'SAMPLES') || i + 1 >= call.count) {
      call.reply.error(SYNTAX);
      return;
    }
    const samples = call.integer(i + 1);
    if (samples === null || samples < 0) {
      call.reply.error(samples === null ? NOT_INTEGER : SYNTAX);
      return;
    }
  }
  if (call.find(2)) call.reply.integer(call.store.table.footprint);
  else call.reply.none();
}

const KEY = keys('RO', 2);
const TIPS = { tips: ['nondeterministic_output'] };
const object = entries('generic', ['keyspace']);

/** Of MEMORY, which is among the server's commands. */
export const MEMORY_USAGE = entries('server', ['read'])(
  'usage',
  -3,
  'readonly',
  KEY,
  '4.0.0',
  'Bytes that a key and its value take.',
  usage,
);

export const OBJECT_COMMANDS = [
  object('object', -2, '', null, '2.2.3', 'About how a key is kept.', help(OBJECT_HELP), {
    categories: [],
    subcommands: [
      object('help', 2, 'loading stale', null, '6.2.0', 'What there is.', help(OBJECT_HELP)),
      object('freq', 3, 'readonly', KEY, '4.0.0', 'How often it is asked for.', frequency, TIPS),
      object('idletime', 3, 'readonly', KEY, '2.2.3', 'Seconds since it was written.', idle, TIPS),
      object('encoding', 3, 'readonly', KEY, '2.2.3', 'How Redis would keep it.', encoding, TIPS),
      object('refcount', 3, 'readonly', KEY, '2.2.3', 'How many refer to it.', references, TIPS),
    ],
  }),
];
