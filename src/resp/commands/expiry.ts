import type { Call } from '../call.ts';
import { entries, keys } from './entry.ts';
import { type Unit, whenOf } from './when.ts';

/** EXPIRE and its kind. */
function expire(name: string, unit: Unit, relative: boolean) {
  return (call: Call): void => {
    const conditions = call.count > 3 ? readConditions(call) : NO_CONDITIONS;
    if (conditions === null) return;
    const when = whenOf(call, 2, unit, relative, false, name);
    if (when === null) return;
    const { table } = call.store;
    if (!call.findKey() || !allowed(conditions, table.expiryMs, when)) {
      call.reply.integer(0);
      return;
    }
    if (when <= call.nowMs) table.remove();
    else table.setExpiry(when);
    call.reply.integer(1);
  };
}

interface Conditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

const NO_CONDITIONS: Conditions = { nx: false, xx: false, gt: false, lt: false };

/** Null after an error was given. */
function readConditions(call: Call): Conditions | null {
  const conditions = { ...NO_CONDITIONS };
  for (let i = 3; i < call.count; i++) {
    if (call.is(i, 'NX')) conditions.nx = true;
    else if (call.is(i, 'XX')) conditions.xx = true;
    else if (call.is(i, 'GT')) conditions.gt = true;
    else if (call.is(i, 'LT')) conditions.lt = true;
    else {
      call.reply.error(`ERR Unsupported option ${call.shown(i)}`);
      return null;
    }
  }
  const { nx, xx, gt, lt } = conditions;
  if (nx && (xx || gt || lt)) {
    call.reply.error('ERR NX and XX, GT or LT options at the same time are not compatible');
    return null;
  }
  if (gt && lt) {
    call.reply.error('ERR GT and LT options at the same time are not compatible');
    return null;
  }
  return conditions;
}

/** `now` is the expiry the key has; 0, none, is later than all. */
function allowed({ nx, xx, gt, lt }: Conditions, now: number, when: number): boolean {
  if (nx && now !== 0) return false;
  if (xx && now === 0) return false;
  if (gt && (now === 0 || when <= now)) return false;
  return !(lt && now !== 0 && when >= now);
}

/** TTL and its kind: -2 no such key, -1 no expiry. */
function timeLeft(unit: Unit, absolute: boolean) {
  return (call: Call): void => {
    const { table } = call.store;
    if (!call.readKey()) call.reply.integer(-2);
    else if (table.expiryMs === 0) call.reply.integer(-1);
    else {
      const ms = absolute ? table.expiryMs : Math.max(table.expiryMs - call.nowMs, 0);
      call.reply.integer(unit === 'ms' ? ms : Math.floor((ms + 500) / 1000));
    }
  };
}

function persist(call: Call): void {
  const { table } = call.store;
  const expires = call.findKey() && table.expiryMs !== 0;
  if (expires) table.setExpiry(0);
  call.reply.integer(expires ? 1 : 0);
}

const entry = entries('generic');
const WRITE = 'write fast';
const READ = 'readonly fast';
const SET = keys('RW update');
const SEEN = keys('RO access');
const ACKS = { acks: true };
const TIPS = { tips: ['nondeterministic_output'] };

export const EXPIRY_COMMANDS = [
  entry('expire', -3, WRITE, SET, '1.0.0', 'In seconds.', expire('expire', 'seconds', true), ACKS),
  entry('pexpire', -3, WRITE, SET, '2.6.0', 'In milliseconds.', expire('pexpire', 'ms', true), ACKS),
  entry(
    'expireat',
    -3,
    WRITE,
    SET,
    '1.2.0',
    'At a Unix time, in seconds.',
    expire('expireat', 'seconds', false),
    ACKS,
  ),
  entry(
    'pexpireat',
    -3,
    WRITE,
    SET,
    '2.6.0',
    'At a Unix time, in milliseconds.',
    expire('pexpireat', 'ms', false),
    ACKS,
  ),
  entry('ttl', 2, READ, SEEN, '1.0.0', 'Seconds until it expires.', timeLeft('seconds', false), TIPS),
  entry('pttl', 2, READ, SEEN, '2.6.0', 'Milliseconds until it expires.', timeLeft('ms', false), TIPS),
  entry('expiretime', 2, READ, SEEN, '7.0.0', 'The Unix time it expires at.', timeLeft('seconds', true)),
  entry('pexpiretime', 2, READ, SEEN, '7.0.0', 'The same in milliseconds.', timeLeft('ms', true)),
  entry('persist', 2, WRITE, SET, '2.2.0', 'Takes a key its expiry.', persist),
];
