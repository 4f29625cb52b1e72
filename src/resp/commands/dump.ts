import type { Call } from '../call.ts';
import { FRAME_BYTES, readPayload, writePayload } from '../dump-payload.ts';
import { entries, keys } from './entry.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { copyValue, room } from './values.ts';

/** Of larger values the checksum would hold the event loop up for more than some 20 ms. */
const MAX_BYTES = 4 << 20;
const TOO_LARGE = `ERR DUMP and RESTORE take values of up to ${MAX_BYTES} bytes here`;

function dump(call: Call): void {
  const { table } = call.store;
  if (!call.readKey()) {
    call.reply.none();
    return;
  }
  const { valueLength } = table;
  if (valueLength > MAX_BYTES) {
    call.reply.error(TOO_LARGE);
    return;
  }
  const to = room(valueLength + 2 * FRAME_BYTES);
  copyValue(call, to, FRAME_BYTES);
  const payload = writePayload(to, FRAME_BYTES, valueLength);
  call.reply.bulk(to, payload.at, payload.length);
}

interface RestoreOptions {
  replace: boolean;
  absolute: boolean;
}

/** The options after the payload; the fault as text. How idle and how much used a key was is not kept. */
function readOptions(call: Call): RestoreOptions | string {
  const options = { replace: false, absolute: false };
  let idle = false;
  let frequency = false;
  for (let i = 4; i < call.count; i++) {
    const next = i + 1 < call.count;
    if (call.is(i, 'REPLACE')) options.replace = true;
    else if (call.is(i, 'ABSTTL')) options.absolute = true;
    else if (call.is(i, 'IDLETIME') && next && !frequency) {
      const seconds = call.integer(++i);
      if (seconds === null) return NOT_INTEGER;
      if (seconds < 0) return 'ERR Invalid IDLETIME value, must be >= 0';
      idle = true;
    } else if (call.is(i, 'FREQ') && next && !idle) {
      const uses = call.integer(++i);
      if (uses === null) return NOT_INTEGER;
      if (uses < 0 || uses > 255) return 'ERR Invalid FREQ value, must be >= 0 and <= 255';
      frequency = true;
    } else return SYNTAX;
  }
  return options;
}

function restore(call: Call): void {
  const { reply, server, store } = call;
  const options = readOptions(call);
  if (typeof options === 'string') {
    reply.error(options);
    return;
  }
  const there = call.findKey();
  if (there && !options.replace) {
    reply.error('BUSYKEY Target key name already exists.');
    return;
  }
  const ttl = call.integer(2);
  if (ttl === null || ttl < 0) {
    reply.error(ttl === null ? NOT_INTEGER : 'ERR Invalid TTL value, must be >= 0');
    return;
  }
  if (call.lengthOf(3) > MAX_BYTES + 2 * FRAME_BYTES) {
    reply.error(TOO_LARGE);
    return;
  }
  const most = Math.min(MAX_BYTES, server.settings.number('proto-max-bulk-len'));
  const value = readPayload(call.span, call.startOf(3), call.lengthOf(3), most);
  if (typeof value === 'string') {
    reply.error(value);
    return;
  }
  const expiryMs =
    ttl === 0 ? 0 : Math.min(ttl + (options.absolute ? 0 : call.nowMs), Number.MAX_SAFE_INTEGER);
  if (expiryMs > 0 && expiryMs <= call.nowMs) {
    if (there) store.table.remove();
  } else store.table.put(value.span, value.at, value.length, expiryMs);
  reply.ok();
}

const entry = entries('generic');

export const DUMP_COMMANDS = [
  entry('dump', 2, 'readonly', keys('RO access'), '2.6.0', 'The value as a payload for RESTORE.', dump, {
    tips: ['nondeterministic_output'],
  }),
  entry(
    'restore',
    -4,
    'write denyoom',
    keys('OW update'),
    '2.6.0',
    'Sets a key to what DUMP gave, here or of Redis.',
    restore,
    { acks: true, categories: ['keyspace', 'dangerous'] },
  ),
];
