import { showRandom, Walk } from '../../store/index.ts';
import type { Call } from '../call.ts';
import { Glob, TOO_CLOSE_A_LOOK } from '../glob.ts';
import { entries } from './entry.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { KeyList } from './key-list.ts';
import { keyOnDisk, keysOnDisk, scanDisk } from './scan-disk.ts';
import { inSteps } from './steps.ts';

/** SCAN looks at so many homes of the index at most, whatever its COUNT: a fraction of a millisecond each thousand. */
const MAX_HOMES = 20_000;
const DEFAULT_COUNT = 10;
/** So many at a time: each may have a key that takes very many looks. */
const HOMES_STEP = 16;
/** SCAN goes no further once it has looked so often at characters of its pattern: some milliseconds. */
const MAX_LOOKS = 1 << 20;
/** Nor once it has so many bytes of keys. */
const MAX_BYTES = 1 << 20;
const MAX_CURSOR = 2n ** 64n;

export interface ScanOptions {
  count: number;
  glob: Glob | null;
  /** False: of a type that no key here has. */
  strings: boolean;
}

function scan(call: Call): void {
  const { table } = call.store;
  const cursor = cursorOf(call);
  if (cursor === null) {
    call.reply.error('ERR invalid cursor');
    return;
  }
  const options = read(call);
  if (options === null) return;
  const disk = call.store.backend.readThrough;
  if (disk !== null) {
    scanDisk(call, disk, Number(cursor), options);
    return;
  }
  const walk = new Walk(table);
  walk.goTo(Number(cursor));
  const { count, glob, strings } = options;
  const refs: number[] = [];
  const homes = Math.min(count * 10, MAX_HOMES);
  let seen = 0;
  let bytes = 0;
  for (let looked = 0; looked < homes && seen < count && !walk.done; looked += HOMES_STEP) {
    const found: number[] = [];
    walk.step(found, count - seen, Math.min(homes - looked, HOMES_STEP));
    seen += found.length;
    for (const ref of found) {
      if (!strings || !isMeant(call, ref, glob)) continue;
      refs.push(ref);
      bytes += table.keyLength;
    }
    if (bytes > MAX_BYTES || (glob !== null && glob.looks > MAX_LOOKS)) break;
  }
  if (glob?.gaveUp === true) {
    call.reply.error(TOO_CLOSE_A_LOOK);
    return;
  }
  call.reply.array(2);
  call.reply.bulkText(String(walk.cursor));
  replyKeys(call, refs);
}

/** SCAN's cursor as C's strtoul takes it; null when it is none. */
export function cursorOf(call: Call): bigint | null {
  const text = call.text(1);
  if (!/^[+-]?\d*$/.test(text) || text === '+' || text === '-') return null;
  const value = BigInt(text.replace(/^[+-]/, '') || '0');
  return value >= MAX_CURSOR ? null : value;
}

/** Null after an error was given. */
function read(call: Call): ScanOptions | null {
  const options: ScanOptions = { count: DEFAULT_COUNT, glob: null, strings: true };
  for (let i = 2; i < call.count; i += 2) {
    const next = i + 1 < call.count;
    if (next && call.is(i, 'COUNT')) {
      const count = call.integer(i + 1);
      if (count === null || count < 1) {
        call.reply.error(count === null ? NOT_INTEGER : SYNTAX);
        return null;
      }
      options.count = count;
    } else if (next && call.is(i, 'MATCH')) options.glob = new Glob(call.bytes(i + 1));
    else if (next && call.is(i, 'TYPE')) options.strings = call.is(i + 1, 'STRING');
    else {
      call.reply.error(SYNTAX);
      return null;
    }
  }
  return options;
}

function isMeant(call: Call, ref: number, glob: Glob | null): boolean {
  const { table } = call.store;
  table.show(ref);
  if (table.isDue) return false;
  return glob === null || glob.matchesAll || glob.matches(table.key.bytes, table.keyAt, table.keyLength);
}

function replyKeys(call: Call, refs: readonly number[]): void {
  const { table } = call.store;
  call.reply.array(refs.length);
  for (const ref of refs) {
    table.show(ref);
    call.reply.bulk(table.key, table.keyAt, table.keyLength);
  }
}

function keys(call: Call): void {
  const glob = new Glob(call.bytes(1));
  const disk = call.store.backend.readThrough;
  if (disk !== null) {
    keysOnDisk(call, disk, glob);
    return;
  }
  const { table } = call.store;
  const walk = new Walk(table);
  const refs: number[] = [];
  const found = new KeyList(call.client);
  const step = (): boolean => {
    refs.length = 0;
    walk.step(refs, HOMES_STEP, HOMES_STEP);
    for (const ref of refs) {
      if (isMeant(call, ref, glob)) found.add(table.key, table.keyAt, table.keyLength);
    }
    return !walk.done && !found.isOver && !glob.gaveUp;
  };
  inSteps(call, step, (reply) => found.answer(reply, glob));
}

function randomKey(call: Call): void {
  const { table, backend } = call.store;
  if (backend.readThrough !== null) keyOnDisk(call, backend.readThrough, Math.random());
  else if (showRandom(table, Math.random, 100)) call.reply.bulk(table.key, table.keyAt, table.keyLength);
  else call.reply.none();
}

function size(call: Call): void {
  call.reply.integer(call.store.table.size);
}

function flush(call: Call): void {
  if (call.count > 2 || (call.count === 2 && !call.is(1, 'ASYNC') && !call.is(1, 'SYNC'))) {
    call.reply.error(SYNTAX);
    return;
  }
  call.store.table.clear();
  call.reply.ok();
}

const entry = entries('generic');
const entryOfServer = entries('server', ['keyspace']);
const ALL = 'request_policy:all_shards';

export const SCAN_COMMANDS = [
  entry('scan', -2, 'readonly', null, '2.8.0', 'Goes through all keys, some at a time.', scan, {
    tips: ['nondeterministic_output', 'request_policy:special'],
  }),
  entry('keys', 2, 'readonly', null, '1.0.0', 'All keys that match a pattern.', keys, {
    categories: ['keyspace', 'dangerous'],
    tips: [ALL, 'nondeterministic_output_order'],
  }),
  entry('randomkey', 1, 'readonly', null, '1.0.0', 'A key.', randomKey, {
    tips: [ALL, 'nondeterministic_output'],
  }),
  entryOfServer('dbsize', 1, 'readonly fast', null, '1.0.0', 'How many keys there are.', size, {
    tips: [ALL, 'response_policy:agg_sum'],
  }),
  ...['flushall', 'flushdb'].map((name) =>
    entryOfServer(name, -1, 'write', null, '1.0.0', 'Deletes everything.', flush, {
      categories: ['keyspace', 'dangerous'],
      tips: [ALL, 'response_policy:all_succeeded'],
    }),
  ),
];
