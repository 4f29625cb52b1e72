import type { Call } from '../call.ts';
import { addLongDoubles, longDoubleText, parseLongDouble } from '../long-double.ts';
import { INT64_MAX, INT64_MIN, int64, smallInteger, writeInteger } from '../numbers.ts';
import { entries, keys } from './entry.ts';
import { NOT_FLOAT, NOT_INTEGER, WOULD_OVERFLOW } from './errors.ts';
import { putText, room } from './values.ts';

/** Sums below this are exact in a double, and no wider than a number that is read. */
const EXACT = 1e15;

/** Adds to the number that is the value of argument 1. */
function add(call: Call, by: number): void {
  const { table } = call.store;
  const found = call.findKey();
  const value = found ? smallInteger(table.value.bytes, table.valueAt, table.valueLength) : 0;
  const sum = value + by;
  if (!(sum > -EXACT && sum < EXACT)) {
    addBig(call, found, BigInt(by));
    return;
  }
  const to = room(32);
  table.put(to, 0, writeInteger(to.bytes, 0, sum), found ? table.expiryMs : 0);
  call.reply.integer(sum);
}

function addBig(call: Call, found: boolean, by: bigint): void {
  const { table } = call.store;
  const value = found ? int64(table.value.bytes, table.valueAt, table.valueLength) : 0n;
  if (value === null) {
    call.reply.error(NOT_INTEGER);
    return;
  }
  const sum = value + by;
  if (sum > INT64_MAX || sum < INT64_MIN) {
    call.reply.error(WOULD_OVERFLOW);
    return;
  }
  putText(call, String(sum), found ? table.expiryMs : 0);
  call.reply.integerBig(sum);
}

/** INCRBY and DECRBY: `sign` times argument 2. */
function addArgument(call: Call, sign: 1 | -1): void {
  const by = call.integer(2);
  if (by === null) {
    call.reply.error(NOT_INTEGER);
    return;
  }
  if (by > -EXACT && by < EXACT) {
    add(call, sign * by);
    return;
  }
  const exact = call.int64(2) as bigint;
  if (sign < 0 && exact === INT64_MIN) call.reply.error('ERR decrement would overflow');
  else addBig(call, call.findKey(), BigInt(sign) * exact);
}

function addFloat(call: Call): void {
  const { table } = call.store;
  const found = call.findKey();
  const value = parseLongDouble(found ? valueText(call) : '0');
  const by = value === null ? null : parseLongDouble(call.text(2));
  if (value === null || by === null) {
    call.reply.error(NOT_FLOAT);
    return;
  }
  const sum = value === 'infinite' || by === 'infinite' ? null : addLongDoubles(value, by);
  if (sum === null) {
    call.reply.error('ERR increment would produce NaN or Infinity');
    return;
  }
  const text = longDoubleText(sum);
  putText(call, text, found ? table.expiryMs : 0);
  call.reply.bulkText(text);
}

/** As far as a number may be long. */
function valueText(call: Call): string {
  const { table } = call.store;
  const { bytes } = table.value;
  const length = Math.min(table.valueLength, 8192);
  return Buffer.from(bytes.buffer, bytes.byteOffset + table.valueAt, length).toString('latin1');
}

const entry = entries('string');
const FAST = 'write denyoom fast';
const KEY = keys('RW access update');

export const NUMBER_COMMANDS = [
  entry('incr', 2, FAST, KEY, '1.0.0', 'Adds one to a number.', (call) => add(call, 1)),
  entry('decr', 2, FAST, KEY, '1.0.0', 'Takes one from a number.', (call) => add(call, -1)),
  entry('incrby', 3, FAST, KEY, '1.0.0', 'Adds to a number.', (call) => addArgument(call, 1)),
  entry('decrby', 3, FAST, KEY, '1.0.0', 'Takes from a number.', (call) => addArgument(call, -1)),
  entry('incrbyfloat', 3, FAST, KEY, '2.6.0', 'Adds to a number with a fraction.', addFloat),
];
