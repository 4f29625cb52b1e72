import { PIECE_BYTES } from '../../store/index.ts';
import type { Call } from '../call.ts';
import { entries, keys } from './entry.ts';
import { NO_SUCH_KEY, NOT_INTEGER, SAME_OBJECT, SYNTAX } from './errors.ts';
import { copyValue, room } from './values.ts';

const NOT_INT32 = 'ERR value is out of range, value must between -2147483648 and 2147483647';

function remove(call: Call): void {
  const { table } = call.store;
  let count = 0;
  for (let i = 1; i < call.count; i++)
    if (call.find(i)) {
      table.remove();
      count++;
    }
  call.reply.integer(count);
}

function count(call: Call): void {
  let found = 0;
  for (let i = 1; i < call.count; i++) if (call.read(i)) found++;
  call.reply.integer(found);
}

function type(call: Call): void {
  call.reply.simple(call.readKey() ? 'string' : 'none');
}

/** Whether two arguments are the same bytes. */
function isSame(call: Call, i: number, k: number): boolean {
  const length = call.lengthOf(i);
  if (call.lengthOf(k) !== length) return false;
  const { bytes } = call.span;
  const a = call.startOf(i);
  const b = call.startOf(k);
  for (let at = 0; at < length; at++) if (bytes[a + at] !== bytes[b + at]) return false;
  return true;
}

/** Copies argument 1's record to argument 2, a large value by sharing it; it is there. The old one is dropped when the key is renamed. */
function transfer(call: Call, keep: boolean): void {
  const { table } = call.store;
  call.find(1);
  const { expiryMs } = table;
  const large = table.valueLength > PIECE_BYTES ? table.rope : null;
  const to = room(large === null ? table.valueLength : 0);
  const length = large === null ? copyValue(call, to, 0) : 0;
  call.find(2);
  if (large === null) table.put(to, 0, length, expiryMs);
  else table.putRope(large, expiryMs);
  if (!keep && call.find(1)) table.remove();
}

function rename(call: Call): void {
  if (!call.find(1)) call.reply.error(NO_SUCH_KEY);
  else {
    if (!isSame(call, 1, 2)) transfer(call, false);
    call.reply.ok();
  }
}

function renameNotExists(call: Call): void {
  if (!call.find(1)) call.reply.error(NO_SUCH_KEY);
  else if (isSame(call, 1, 2) || call.find(2)) call.reply.integer(0);
  else {
    transfer(call, false);
    call.reply.integer(1);
  }
}

function copy(call: Call): void {
  let replace = false;
  for (let i = 3; i < call.count; i++) {
    if (call.is(i, 'REPLACE')) replace = true;
    else if (call.is(i, 'DB') && i + 1 < call.count) {
      const database = call.integer(++i);
      if (database === null || database !== (database | 0)) {
        call.reply.error(database === null ? NOT_INTEGER : NOT_INT32);
        return;
      }
      if (database !== 0) {
        call.reply.error('ERR DB index is out of range');
        return;
      }
    } else {
      call.reply.error(SYNTAX);
      return;
    }
  }
  if (isSame(call, 1, 2)) call.reply.error(SAME_OBJECT);
  else if (!call.read(1) || (!replace && call.find(2))) call.reply.integer(0);
  else {
    transfer(call, true);
    call.reply.integer(1);
  }
}

const entry = entries('generic');
const SHARDS = 'request_policy:multi_shard';
const SUM = { tips: [SHARDS, 'response_policy:agg_sum'] };

export const GENERIC_COMMANDS = [
  entry('del', -2, 'write', keys('RM delete', 1, -1), '1.0.0', 'Deletes keys.', remove, SUM),
  entry('unlink', -2, 'write fast', keys('RM delete', 1, -1), '4.0.0', 'Deletes keys.', remove, SUM),
  entry('exists', -2, 'readonly fast', keys('RO', 1, -1), '1.0.0', 'How many are there.', count, SUM),
  entry('touch', -2, 'readonly fast', keys('RO', 1, -1), '3.2.1', 'How many are there.', count, SUM),
  entry('type', 2, 'readonly fast', keys('RO'), '1.0.0', 'The type of a key.', type),
  entry('rename', 3, 'write', keys('RW access delete'), '1.0.0', 'Renames a key.', rename, {
    moreKeys: [keys('OW update', 2)],
  }),
  entry(
    'renamenx',
    3,
    'write fast',
    keys('RW access delete'),
    '1.0.0',
    'Renames a key, unless the new one is there.',
    renameNotExists,
    { moreKeys: [keys('OW insert', 2)] },
  ),
  entry('copy', -3, 'write denyoom', keys('RO access'), '6.2.0', 'Copies a key.', copy, {
    moreKeys: [keys('OW update', 2)],
    acks: true,
  }),
];
