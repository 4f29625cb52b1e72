import { createHash, timingSafeEqual } from 'node:crypto';
import { parseLevel } from '../ack-level.ts';
import type { Call } from '../call.ts';
import { type Client, GATE } from '../client.ts';
import { ROLE } from '../role.ts';
import type { ServerState } from '../state.ts';
import { CLIENT } from './client.ts';
import { entries } from './entry.ts';
import { NOT_INTEGER, SYNTAX, wrongArity } from './errors.ts';
import { BAD_NAME, LEVEL_USER, takeName } from './name.ts';
import { REDIS_VERSION } from './version.ts';

const INT_LIMIT = 2 ** 31;

const NO_PASSWORD =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?';
const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';

function ping(call: Call): void {
  const { client, reply } = call;
  if (call.count > 2) reply.error(wrongArity('ping'));
  else if (client.gates & GATE.subscribed) {
    reply.array(2);
    reply.bulkText('pong');
    if (call.count === 2) reply.bulk(call.span, call.startOf(1), call.lengthOf(1));
    else reply.bulkText('');
  } else if (call.count === 2) reply.bulk(call.span, call.startOf(1), call.lengthOf(1));
  else reply.simple('PONG');
}

function echo(call: Call): void {
  call.reply.bulk(call.span, call.startOf(1), call.lengthOf(1));
}

function quit(call: Call): void {
  call.reply.ok();
  call.client.closing = true;
  call.halt = true;
}

function reset(call: Call): void {
  const { client, server } = call;
  server.endTransaction(client);
  client.prepared = null;
  server.channels.forget(client);
  server.stopMonitor(client);
  client.replies = 'on';
  client.gate(GATE.silent | GATE.subscribed, false);
  client.name = '';
  client.user = 'default';
  client.noTouch = false;
  client.useLevelOnce(null);
  client.useLevel(server.defaultLevel);
  client.version = 2;
  call.reply.version = 2;
  client.authenticate(!server.hasPassword);
  call.reply.simple('RESET');
}

function select(call: Call): void {
  const index = call.integer(1);
  if (index === null) call.reply.error(NOT_INTEGER);
  else if (index < -INT_LIMIT || index >= INT_LIMIT)
    call.reply.error('ERR value is out of range, value must between -2147483648 and 2147483647');
  else if (index === 0) call.reply.ok();
  else if (call.client.role === ROLE.cluster) call.reply.error('ERR SELECT is not allowed in cluster mode');
  else call.reply.error('ERR DB index is out of range');
}

function auth(call: Call): void {
  if (call.count > 3) {
    call.reply.error(SYNTAX);
    return;
  }
  if (call.count === 2 && !call.server.hasPassword) {
    call.reply.error(NO_PASSWORD);
    return;
  }
  const user = call.count === 3 ? call.text(1) : 'default';
  const fault = logIn(call.server, call.client, user, call.text(call.count - 1));
  if (fault === null) call.reply.ok();
  else call.reply.error(fault);
}

/** Checks a password; the user `ack-2m1d` also sets the level. The fault, or null. */
function logIn(server: ServerState, client: Client, user: string, password: string): string | null {
  const level = user.startsWith(LEVEL_USER) ? parseLevel(user.slice(LEVEL_USER.length)) : null;
  const known = user === 'default' || level !== null;
  const right = !server.hasPassword || isSame(password, server.settings.password);
  if (!known || !right) return WRONG_PASSWORD;
  client.authenticate(true);
  client.user = user;
  if (level !== null) client.useLevel(level);
  return null;
}

/** In the same time whatever the difference is. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text, 'latin1').digest();
  return timingSafeEqual(digest(a), digest(b));
}

function hello(call: Call): void {
  const { client, reply, server } = call;
  const version = call.count > 1 ? call.integer(1) : client.version;
  if (version === null) {
    reply.error('ERR Protocol version is not an integer or out of range');
    return;
  }
  if (version !== 2 && version !== 3) {
    reply.error('NOPROTO unsupported protocol version');
    return;
  }
  const options = helloOptions(call);
  if (typeof options === 'string') {
    reply.error(options);
    return;
  }
  if (options.user !== null) {
    const fault = logIn(server, client, options.user, options.password);
    if (fault !== null) {
      reply.error(fault);
      return;
    }
  }
  if (!client.authenticated) {
    reply.error(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
    return;
  }
  const fault = options.name === null ? null : takeName(client, options.name);
  if (fault !== null) {
    reply.error(fault);
    return;
  }
  client.version = version;
  client.gateSubscribed();
  reply.version = version;
  greet(call);
}

interface HelloOptions {
  user: string | null;
  password: string;
  name: string | null;
}

function helloOptions(call: Call): HelloOptions | string {
  const options: HelloOptions = { user: null, password: '', name: null };
  for (let i = 2; i < call.count; i++) {
    const more = call.count - 1 - i;
    if (call.is(i, 'AUTH') && more >= 2) {
      options.user = call.text(i + 1);
      options.password = call.text(i + 2);
      i += 2;
    } else if (call.is(i, 'SETNAME') && more >= 1) {
      options.name = call.text(i + 1);
      if (/[^!-~]/.test(options.name)) return BAD_NAME;
      i++;
    } else return `ERR Syntax error in HELLO option '${call.shown(i)}'`;
  }
  return options;
}

function greet(call: Call): void {
  const { client, reply } = call;
  reply.map(7);
  reply.bulkText('server');
  reply.bulkText('redis');
  reply.bulkText('version');
  reply.bulkText(REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(client.version);
  reply.bulkText('id');
  reply.integer(client.id);
  reply.bulkText('mode');
  reply.bulkText(client.role === ROLE.cluster ? 'cluster' : 'standalone');
  reply.bulkText('role');
  reply.bulkText('master');
  reply.bulkText('modules');
  reply.array(0);
}

const entry = entries('connection');

export const CONNECTION_COMMANDS = [
  entry('ping', -1, 'fast', null, '1.0.0', 'Answers PONG, or the argument.', ping, {
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
  }),
  entry('echo', 2, 'loading stale fast', null, '1.0.0', 'Answers its argument.', echo),
  entry(
    'quit',
    -1,
    'noscript loading stale fast no_auth allow_busy',
    null,
    '1.0.0',
    'Ends the connection.',
    quit,
  ),
  entry(
    'reset',
    1,
    'noscript loading stale fast no_auth allow_busy',
    null,
    '6.2.0',
    'Takes the connection back to how it began.',
    reset,
  ),
  entry('select', 2, 'loading stale fast', null, '1.0.0', 'Database 0 is the only one.', select),
  entry(
    'auth',
    -2,
    'noscript loading stale fast no_auth allow_busy',
    null,
    '1.0.0',
    'Gives the password; as user ack-<m>m<d>d also a level of acknowledgement.',
    auth,
  ),
  entry(
    'hello',
    -1,
    'noscript loading stale fast no_auth allow_busy',
    null,
    '6.0.0',
    'Chooses RESP2 or RESP3, and may log in and give a name.',
    hello,
  ),
  CLIENT,
];
