import { levelOf, showLevel } from '../ack-level.ts';
import type { Call } from '../call.ts';
import { GATE } from '../client.ts';
import { killClients } from './client-kill.ts';
import { clientLine, clientList } from './client-list.ts';
import { entries } from './entry.ts';
import { badSubcommand, NOT_INTEGER, SYNTAX } from './errors.ts';
import { container } from './help.ts';
import { MAX_NAME_BYTES, takeName } from './name.ts';

function getName(call: Call): void {
  if (call.client.name === '') call.reply.none();
  else call.reply.bulkText(call.client.name);
}

function setName(call: Call): void {
  const fault = takeName(call.client, call.text(2));
  if (fault === null) call.reply.ok();
  else call.reply.error(fault);
}

function setInfo(call: Call): void {
  const value = call.text(3);
  if (value.length > MAX_NAME_BYTES)
    call.reply.error(`ERR ${call.text(2)} has at most ${MAX_NAME_BYTES} bytes`);
  else if (/[^!-~]/.test(value))
    call.reply.error(`ERR ${call.text(2)} cannot contain spaces, newlines or special characters.`);
  else if (call.is(2, 'LIB-NAME')) {
    call.client.libraryName = value;
    call.reply.ok();
  } else if (call.is(2, 'LIB-VER')) {
    call.client.libraryVersion = value;
    call.reply.ok();
  } else call.reply.error(`ERR Unrecognized option '${call.shown(2)}'`);
}

function noEvict(call: Call): void {
  onOrOff(call, (on) => {
    call.client.noEvict = on;
  });
}

function noTouch(call: Call): void {
  onOrOff(call, (on) => {
    call.client.noTouch = on;
  });
}

function onOrOff(call: Call, set: (on: boolean) => void): void {
  if (!call.is(2, 'ON') && !call.is(2, 'OFF')) {
    call.reply.error(SYNTAX);
    return;
  }
  set(call.is(2, 'ON'));
  call.reply.ok();
}

function replyMode(call: Call): void {
  const { client } = call;
  if (call.is(2, 'ON')) {
    client.replies = 'on';
    client.gate(GATE.silent, false);
    call.reply.ok();
  } else if (call.is(2, 'OFF')) {
    client.replies = 'off';
    client.gate(GATE.silent, true);
  } else if (call.is(2, 'SKIP')) {
    if (client.replies !== 'off') client.replies = 'skip-next';
    client.gate(GATE.silent, true);
  } else call.reply.error(SYNTAX);
}

function pause(call: Call): void {
  const ms = call.integer(2);
  const mode = call.count === 4 ? call.text(3).toLowerCase() : 'all';
  if (call.count > 4) call.reply.error(badSubcommand('CLIENT', call.shown(1)));
  else if (mode !== 'all' && mode !== 'write') call.reply.error('ERR CLIENT PAUSE mode must be WRITE or ALL');
  else if (ms === null) call.reply.error('ERR timeout is not an integer or out of range');
  else if (ms < 0) call.reply.error('ERR timeout is negative');
  else {
    call.server.pause(call.nowMs, call.nowMs + ms, mode === 'write');
    call.reply.ok();
  }
}

function unpause(call: Call): void {
  call.server.unpause();
  call.reply.ok();
}

function unblock(call: Call): void {
  const id = call.integer(2);
  const withError = call.count > 3 && call.is(3, 'ERROR');
  if (call.count > 4) call.reply.error(badSubcommand('CLIENT', call.shown(1)));
  else if (call.count > 3 && !withError && !call.is(3, 'TIMEOUT'))
    call.reply.error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
  else if (id === null) call.reply.error(NOT_INTEGER);
  else call.reply.integer(call.server.clients.get(id)?.blocked?.unblock(withError) === true ? 1 : 0);
}

function refuseTracking(call: Call): void {
  let known = true;
  for (let i = 3; i < call.count; i++) known &&= /^(bcast|optin|optout|noloop)$/i.test(call.text(i));
  if (call.is(2, 'OFF') && known) call.reply.ok();
  else if (call.is(2, 'ON'))
    call.reply.error('ERR CLIENT TRACKING is not supported by shoal: it sends no invalidation messages');
  else call.reply.error(SYNTAX);
}

function caching(call: Call): void {
  call.reply.error(
    'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
  );
}

function trackingInfo(call: Call): void {
  const { reply } = call;
  reply.map(3);
  reply.bulkText('flags');
  reply.set(1);
  reply.bulkText('off');
  reply.bulkText('redirect');
  reply.integer(-1);
  reply.bulkText('prefixes');
  reply.array(0);
}

/** `CLIENT ACKS`, `CLIENT ACKS m d [ms]`, `CLIENT ACKS NEXT m d [ms]`. */
function acks(call: Call): void {
  const { client, reply } = call;
  if (call.count === 2) {
    reply.bulkText(showLevel(client.acks));
    return;
  }
  const next = call.is(2, 'NEXT');
  const at = next ? 3 : 2;
  const words = call.count - at;
  const level =
    words === 2 || words === 3
      ? levelOf(call.text(at), call.text(at + 1), words === 3 ? call.text(at + 2) : '')
      : null;
  if (level === null) {
    reply.error('ERR CLIENT ACKS takes [NEXT] m d [ms]: copies in memory, copies on disk, and a timeout');
    return;
  }
  if (next) client.useLevelOnce(level);
  else client.useLevel(level);
  reply.ok();
}

const entry = entries('connection');
const NORMAL = 'noscript loading stale';
const ADMIN = 'admin noscript loading stale';
const UNSTABLE = { tips: ['nondeterministic_output'] };

export const CLIENT = container(
  entry('client', -2, '', null, '2.4.0', 'Commands about connections.', () => {}, { categories: [] }),
  [
    entry('id', 2, NORMAL, null, '5.0.0', 'The number of this connection.', (call) =>
      call.reply.integer(call.client.id),
    ),
    entry('getname', 2, NORMAL, null, '2.6.9', 'The name of this connection.', getName),
    entry(
      'setname',
      3,
      NORMAL,
      null,
      '2.6.9',
      'Names this connection; ;ack=1m1d in it sets its level.',
      setName,
    ),
    entry(
      'setinfo',
      4,
      NORMAL,
      null,
      '7.2.0',
      "The client library's name (LIB-NAME) or version (LIB-VER).",
      setInfo,
    ),
    entry(
      'info',
      2,
      NORMAL,
      null,
      '6.2.0',
      'About this connection.',
      (call) => call.reply.verbatim(`${clientLine(call, call.client)}\n`),
      UNSTABLE,
    ),
    entry(
      'list',
      -2,
      ADMIN,
      null,
      '2.4.0',
      'All connections: [TYPE type] [ID id ...].',
      clientList,
      UNSTABLE,
    ),
    entry('kill', -3, ADMIN, null, '2.4.0', 'Ends connections, by address or by filters.', killClients),
    entry('pause', -3, ADMIN, null, '3.0.0', 'Lets commands wait: milliseconds [WRITE|ALL].', pause),
    entry('unpause', 2, ADMIN, null, '6.2.0', 'Ends a pause.', unpause),
    entry(
      'unblock',
      -3,
      ADMIN,
      null,
      '5.0.0',
      'Ends the wait of another connection: id [TIMEOUT|ERROR].',
      unblock,
    ),
    entry('reply', 3, NORMAL, null, '3.2.0', 'Whether replies are sent: ON, OFF, SKIP.', replyMode),
    entry(
      'no-evict',
      3,
      ADMIN,
      null,
      '7.0.0',
      'Not among those cut when all hold too much: ON or OFF.',
      noEvict,
    ),
    entry('no-touch', 3, NORMAL, null, '7.2.0', 'Kept for clients that set it: ON or OFF.', noTouch),
    entry('tracking', -3, NORMAL, null, '6.0.0', 'Not supported; OFF is taken.', refuseTracking),
    entry('caching', 3, NORMAL, null, '6.0.0', 'Not supported.', caching),
    entry('trackinginfo', 2, NORMAL, null, '6.2.0', 'Says that tracking is off.', trackingInfo),
    entry('getredir', 2, NORMAL, null, '6.0.0', 'Says that tracking is off.', (call) =>
      call.reply.integer(-1),
    ),
    entry('acks', -2, NORMAL, null, 'shoal', 'How many copies a write waits for: [NEXT] m d [ms].', acks),
  ],
);
