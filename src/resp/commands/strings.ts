import { LIMITS } from '../../base/index.ts';
import { equalSpan, PIECE_BYTES, Rope } from '../../store/index.ts';
import type { Call } from '../call.ts';
import { MAX_BULK_BYTES } from '../request.ts';
import { entries, keys } from './entry.ts';
import { NOT_INTEGER, OFFSET_RANGE, TOO_LONG, wrongArity } from './errors.ts';
import { SetOptions } from './set-options.ts';
import { argumentParts, copyArgument, copyValue, replyRope, replyValue, room } from './values.ts';
import { whenOf } from './when.ts';

function get(call: Call): void {
  if (call.readKey()) replyValue(call);
  else call.reply.none();
}

function set(call: Call): void {
  if (call.count > 3) {
    setWithOptions(call);
    return;
  }
  call.findKey();
  call.put(2, 0);
  call.reply.ok();
}

function setWithOptions(call: Call): void {
  const { table } = call.store;
  const options = new SetOptions();
  if (!options.read(call, 3, true)) return;
  const expiryMs = options.expiryMs(call, 'set');
  if (expiryMs === null) return;
  const found = options.get ? call.readKey() : call.findKey();
  if (options.get) {
    if (found) replyValue(call);
    else call.reply.none();
  }
  const refused =
    (options.onlyNew && found) ||
    (options.onlyOld && !found) ||
    (options.ifEqual !== 0 && !(found && isValue(call, options.ifEqual)));
  if (refused) {
    if (!options.get) call.reply.none();
    return;
  }
  putUntil(call, 2, options.keepTtl && found ? table.expiryMs : expiryMs, found);
  if (!options.get) call.reply.ok();
}

/** As `put`, unless it expires before it is there. */
function putUntil(call: Call, value: number, expiryMs: number, found: boolean): void {
  if (expiryMs === 0 || expiryMs > call.nowMs) call.put(value, expiryMs);
  else if (found) call.store.table.remove();
}

/** Whether the value of the key found is argument `i`. */
function isValue(call: Call, i: number): boolean {
  const { table } = call.store;
  const length = call.lengthOf(i);
  if (length > PIECE_BYTES) return table.rope.equals(Rope.of(argumentParts(call, i)));
  return (
    table.valueLength === length && equalSpan(table.value, table.valueAt, call.span, call.startOf(i), length)
  );
}

function deleteIfEqual(call: Call): void {
  const equal = call.findKey() && isValue(call, 2);
  if (equal) call.store.table.remove();
  call.reply.integer(equal ? 1 : 0);
}

function setNotExists(call: Call): void {
  const found = call.findKey();
  if (!found) call.put(2, 0);
  call.reply.integer(found ? 0 : 1);
}

function setExpiring(unit: 'seconds' | 'ms', name: string) {
  return (call: Call): void => {
    const expiryMs = whenOf(call, 2, unit, true, true, name);
    if (expiryMs === null) return;
    call.findKey();
    call.put(3, expiryMs);
    call.reply.ok();
  };
}

function getAndExpire(call: Call): void {
  const { table } = call.store;
  const options = new SetOptions();
  if (!options.read(call, 2, false)) return;
  if (!call.readKey()) {
    call.reply.none();
    return;
  }
  const expiryMs = options.expiryMs(call, 'getex');
  if (expiryMs === null) return;
  replyValue(call);
  if (options.expiryAt !== 0 && expiryMs <= call.nowMs) table.remove();
  else if (options.expiryAt !== 0) table.setExpiry(expiryMs);
  else if (options.persist && table.expiryMs !== 0) table.setExpiry(0);
}

function getAndDelete(call: Call): void {
  if (!call.readKey()) {
    call.reply.none();
    return;
  }
  replyValue(call);
  call.store.table.remove();
}

function getAndSet(call: Call): void {
  get(call);
  call.put(2, 0);
}

function getMany(call: Call): void {
  const from = call.reply.length;
  const most = call.reply.heldBytes + LIMITS.respReplyBytes;
  call.reply.array(call.count - 1);
  for (let i = 1; i < call.count; i++) {
    if (call.reply.heldBytes > most) {
      call.reply.cut(from);
      call.reply.error(
        `ERR the values are more than ${LIMITS.respReplyBytes >> 20} MB: ask for fewer at once`,
      );
      return;
    }
    if (call.read(i)) replyValue(call);
    else call.reply.none();
  }
}

function putMany(call: Call): void {
  for (let i = 1; i < call.count; i += 2) {
    call.find(i);
    call.put(i + 1, 0);
  }
}

function setMany(call: Call): void {
  if (call.count % 2 === 0) {
    call.reply.error(wrongArity('mset'));
    return;
  }
  putMany(call);
  call.reply.ok();
}

function setManyNotExist(call: Call): void {
  if (call.count % 2 === 0) {
    call.reply.error(wrongArity('msetnx'));
    return;
  }
  for (let i = 1; i < call.count; i += 2)
    if (call.find(i)) {
      call.reply.integer(0);
      return;
    }
  putMany(call);
  call.reply.integer(1);
}

function stringLength(call: Call): void {
  call.reply.integer(call.readKey() ? call.store.table.valueLength : 0);
}

function append(call: Call): void {
  const { table } = call.store;
  const more = call.lengthOf(2);
  if (!call.findKey()) {
    call.put(2, 0);
    call.reply.integer(more);
    return;
  }
  const length = table.valueLength + more;
  if (length > MAX_BULK_BYTES) {
    call.reply.error(TOO_LONG);
    return;
  }
  if (length > PIECE_BYTES) {
    table.putRope(table.rope.with(length - more, argumentParts(call, 2)), table.expiryMs);
    call.reply.integer(length);
    return;
  }
  const to = room(length);
  copyValue(call, to, 0);
  copyArgument(call, 2, to, length - more);
  table.put(to, 0, length, table.expiryMs);
  call.reply.integer(length);
}

function setRange(call: Call): void {
  const { table } = call.store;
  const offset = call.integer(2);
  if (offset === null || offset < 0) {
    call.reply.error(offset === null ? NOT_INTEGER : OFFSET_RANGE);
    return;
  }
  const more = call.lengthOf(3);
  const found = call.findKey();
  const before = found ? table.valueLength : 0;
  if (more === 0) {
    call.reply.integer(before);
    return;
  }
  if (offset + more > MAX_BULK_BYTES) {
    call.reply.error(TOO_LONG);
    return;
  }
  const length = Math.max(before, offset + more);
  if (length > PIECE_BYTES) {
    const rope = found ? table.rope : Rope.of([]);
    table.putRope(rope.with(offset, argumentParts(call, 3)), found ? table.expiryMs : 0);
    call.reply.integer(length);
    return;
  }
  const to = room(length);
  if (found) copyValue(call, to, 0);
  if (offset > before) to.bytes.fill(0, before, offset);
  copyArgument(call, 3, to, offset);
  table.put(to, 0, length, found ? table.expiryMs : 0);
  call.reply.integer(length);
}

function getRange(call: Call): void {
  const { table } = call.store;
  let start = call.integer(2);
  let end = call.integer(3);
  if (start === null || end === null) {
    call.reply.error(NOT_INTEGER);
    return;
  }
  const length = call.readKey() ? table.valueLength : 0;
  if (start < 0 && end < 0 && start > end) {
    call.reply.bulkText('');
    return;
  }
  start = Math.max(start < 0 ? length + start : start, 0);
  end = Math.min(Math.max(end < 0 ? length + end : end, 0), length - 1);
  if (start > end || length === 0) call.reply.bulkText('');
  else if (length > PIECE_BYTES) replyRope(call, table.rope, start, end + 1);
  else call.reply.bulk(table.value, table.valueAt + start, end - start + 1);
}

const entry = entries('string');
const WRITE = 'write denyoom';
const FAST = 'write denyoom fast';
const MANY = ['request_policy:multi_shard'];

export const STRING_COMMANDS = [
  entry('get', 2, 'readonly fast', keys('RO access'), '1.0.0', 'The value of a key.', get),
  entry('set', -3, WRITE, keys('RW access update variable_flags'), '1.0.0', 'Sets the value of a key.', set, {
    acks: true,
  }),
  entry('setnx', 3, FAST, keys('OW insert'), '1.0.0', 'Sets a key that is not there.', setNotExists),
  entry(
    'setex',
    4,
    WRITE,
    keys('OW update'),
    '2.0.0',
    'Sets a value that expires after so many seconds.',
    setExpiring('seconds', 'setex'),
  ),
  entry(
    'psetex',
    4,
    WRITE,
    keys('OW update'),
    '2.6.0',
    'Sets a value that expires after so many milliseconds.',
    setExpiring('ms', 'psetex'),
  ),
  entry(
    'getex',
    -2,
    'write fast',
    keys('RW access update'),
    '6.2.0',
    'The value of a key, and sets its expiry.',
    getAndExpire,
    { acks: true },
  ),
  entry(
    'getdel',
    2,
    'write fast',
    keys('RW access delete'),
    '6.2.0',
    'The value of a key, and deletes it.',
    getAndDelete,
  ),
  entry('getset', 3, FAST, keys('RW access update'), '1.0.0', 'The old value; sets the new.', getAndSet),
  entry('mget', -2, 'readonly fast', keys('RO access', 1, -1), '1.0.0', 'The values of keys.', getMany, {
    tips: MANY,
  }),
  entry('mset', -3, WRITE, keys('OW update', 1, -1, 2), '1.0.1', 'Sets the values of keys.', setMany, {
    tips: [...MANY, 'response_policy:all_succeeded'],
  }),
  entry(
    'msetnx',
    -3,
    WRITE,
    keys('OW insert', 1, -1, 2),
    '1.0.1',
    'Sets keys, if none of them is there.',
    setManyNotExist,
    { tips: [...MANY, 'response_policy:agg_min'] },
  ),
  entry('append', 3, FAST, keys('RW insert'), '2.0.0', 'Adds to the end of a value.', append),
  entry('strlen', 2, 'readonly fast', keys('RO'), '2.2.0', 'How long a value is.', stringLength),
  entry('setrange', 4, WRITE, keys('RW update'), '2.2.0', 'Writes over a part of a value.', setRange),
  entry('getrange', 4, 'readonly', keys('RO access'), '2.4.0', 'A part of a value.', getRange),
  entry('substr', 4, 'readonly', keys('RO access'), '1.0.0', 'A part of a value: GETRANGE.', getRange),
  entry(
    'delifeq',
    3,
    'write fast',
    keys('RM delete'),
    'shoal',
    'Deletes a key that has this value.',
    deleteIfEqual,
  ),
];
