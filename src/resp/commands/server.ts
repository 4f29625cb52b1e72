import type { Call } from '../call.ts';
import { MAX_TIMER_MS } from '../state.ts';
import { COMMAND } from './command.ts';
import { CONFIG } from './config.ts';
import { entries } from './entry.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { container } from './help.ts';
import { info, lastSaveMs } from './info.ts';
import { LATENCY, MEMORY, SLOWLOG } from './introspection.ts';
import { REDIS_VERSION } from './version.ts';

function time(call: Call): void {
  const now = performance.timeOrigin + performance.now();
  call.reply.array(2);
  call.reply.bulkText(String(Math.floor(now / 1000)));
  call.reply.bulkText(String(Math.floor((now % 1000) * 1000)));
}

function role(call: Call): void {
  call.reply.array(3);
  call.reply.bulkText('master');
  call.reply.integer(0);
  call.reply.array(0);
}

function monitor(call: Call): void {
  if (call.inTransaction) {
    call.reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
    return;
  }
  call.server.monitor(call.client);
  call.reply.ok();
}

/** The timeout of a command that waits; null when an error was given. */
function timeoutMs(call: Call, i: number): number | null {
  const ms = call.integer(i);
  if (ms === null) call.reply.error('ERR timeout is not an integer or out of range');
  else if (ms < 0) call.reply.error('ERR timeout is negative');
  else return ms;
  return null;
}

/** Copies on other nodes: there are none yet, so none ever hold this connection's writes. */
function wait(call: Call): void {
  const copies = call.integer(1);
  if (copies === null) {
    call.reply.error(NOT_INTEGER);
    return;
  }
  const ms = timeoutMs(call, 2);
  if (ms === null) return;
  if (copies <= 0 || call.inTransaction) call.reply.integer(0);
  else waitFor(call, ms, (reply) => reply.integer(0));
}

/** Answers when the time is up (0: never), or when CLIENT UNBLOCK says so. */
function waitFor(call: Call, ms: number, write: Parameters<ReturnType<Call['defer']>>[0]) {
  let timer: NodeJS.Timeout | undefined;
  const answer = call.defer(write, () => clearTimeout(timer));
  if (ms > 0) {
    timer = setTimeout(() => answer(write), Math.min(ms, MAX_TIMER_MS));
    timer.unref();
  }
  return (now: typeof write): void => {
    clearTimeout(timer);
    answer(now);
  };
}

const WROTE_ELSEWHERE =
  "ERR WAITAOF knows this node's disk only, and this connection has written to others: say CLIENT ACKS 1 1 before, or use the cluster port";

/** `WAITAOF local copies ms`: whether this node's disk has all that was written here, and how many others' have. */
function waitAof(call: Call): void {
  const { reply } = call;
  const { backend } = call.store;
  const local = call.integer(1);
  const copies = call.integer(2);
  if (local === null || copies === null) {
    reply.error(NOT_INTEGER);
    return;
  }
  if (local < 0 || local > 1) {
    reply.error('ERR value is out of range, must be between 0 and 1');
    return;
  }
  if (copies < 0) {
    reply.error('ERR value is out of range, must be positive');
    return;
  }
  const ms = timeoutMs(call, 3);
  if (ms === null) return;
  if (local > 0 && !backend.durable) {
    reply.error('ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.');
    return;
  }
  if (local > 0 && call.client.wroteElsewhere) {
    reply.error(WROTE_ELSEWHERE);
    return;
  }
  const { sequence } = backend;
  const state = (): number => (backend.durable && backend.onDiskSequence >= sequence ? 1 : 0);
  const write: Parameters<typeof waitFor>[2] = (out) => {
    out.array(2);
    out.integer(state());
    out.integer(0);
  };
  if (call.inTransaction || (copies === 0 && state() >= local)) {
    write(reply);
    return;
  }
  const answer = waitFor(call, ms, write);
  // A disk that fails never has it: the time runs out.
  if (copies === 0)
    backend.whenOnDisk(sequence, (error) => {
      if (error === null) answer(write);
    });
}

function debug(call: Call): void {
  if (call.count === 3 && call.is(1, 'SLEEP') && Number(call.text(2)) === 0) call.reply.ok();
  else call.reply.error('ERR DEBUG command not allowed: shoal has no debug commands');
}

function shutdown(call: Call): void {
  call.reply.error(
    "ERR SHUTDOWN is not for clients: stop the daemon with 'systemctl stop shoal', or take the node out of the group with 'shoal leave'",
  );
}

/** Begins a snapshot, where there is such a thing; false when an error was given. */
function began(call: Call): boolean {
  const { backend } = call.store;
  if (!backend.durable) {
    call.reply.error('ERR nothing is kept on disk: the back end is memory');
    return false;
  }
  const begun = backend.save();
  if (begun === null)
    call.reply.error(`ERR the ${backend.name} back end has no snapshots: every write goes to its log`);
  else if (!begun) call.reply.error('ERR Background save already in progress');
  return begun === true;
}

function save(call: Call): void {
  if (began(call)) call.reply.ok();
}

function backgroundSave(call: Call): void {
  if (call.count > 2 || (call.count === 2 && !call.is(1, 'SCHEDULE'))) call.reply.error(SYNTAX);
  else if (began(call)) call.reply.simple('Background saving started');
}

function lolwut(call: Call): void {
  if (call.count > 2 && call.is(1, 'VERSION') && call.integer(2) === null) call.reply.error(NOT_INTEGER);
  else call.reply.verbatim(`  ><(((('>  ><(((('>\n      ><(((('>   a shoal, Redis ver. ${REDIS_VERSION}\n`);
}

function noReplica(call: Call): void {
  call.reply.error(
    `ERR ${call.text(0).toUpperCase()} is not for shoal: its nodes are equals; ranges say who owns what`,
  );
}

const entry = entries('server');
const ADMIN = 'admin noscript loading stale';
const REPLICATION = 'admin noscript stale no_async_loading';
const UNSTABLE = { tips: ['nondeterministic_output'] };

export const SERVER_COMMANDS = [
  COMMAND,
  CONFIG,
  SLOWLOG,
  LATENCY,
  MEMORY,
  entry('info', -1, 'loading stale', null, '1.0.0', 'Figures of the server, by sections.', info, {
    categories: ['dangerous'],
    tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
  }),
  entry('time', 1, 'loading stale fast', null, '2.6.0', 'Seconds and microseconds.', time, UNSTABLE),
  entry('role', 1, 'noscript loading stale fast', null, '2.8.12', 'Master: every owner takes writes.', role, {
    categories: ['admin', 'dangerous'],
  }),
  entry('monitor', 1, ADMIN, null, '1.0.0', 'Shows every command as it comes.', monitor),
  entry('debug', -2, ADMIN, null, '1.0.0', 'Refused.', debug),
  entry(
    'shutdown',
    -1,
    'admin noscript loading stale no_multi allow_busy',
    null,
    '1.0.0',
    'Refused: the service manager stops a node.',
    shutdown,
  ),
  entry('save', 1, 'admin noscript no_async_loading no_multi', null, '1.0.0', 'Begins a snapshot.', save),
  entry('bgsave', -1, 'admin noscript no_async_loading', null, '1.0.0', 'Begins a snapshot.', backgroundSave),
  entry(
    'bgrewriteaof',
    1,
    'admin noscript no_async_loading',
    null,
    '1.0.0',
    'Begins a snapshot.',
    backgroundSave,
  ),
  entry(
    'lastsave',
    1,
    'loading stale fast',
    null,
    '1.0.0',
    'When the last snapshot was taken.',
    (call) => call.reply.integer(Math.floor(lastSaveMs(call) / 1000)),
    { categories: ['admin', 'dangerous'], ...UNSTABLE },
  ),
  entry('lolwut', -1, 'readonly fast', null, '5.0.0', 'A picture, and the version.', lolwut),
  entry('replicaof', 3, REPLICATION, null, '5.0.0', 'Refused: nodes are equals.', noReplica),
  entry('slaveof', 3, REPLICATION, null, '1.0.0', 'Refused: nodes are equals.', noReplica),
  entry('failover', -1, 'admin noscript stale', null, '6.2.0', 'Refused: nodes are equals.', noReplica),
  container(
    entry('module', -2, '', null, '4.0.0', 'There are no modules.', () => {}),
    [
      entry('list', 2, 'admin noscript', null, '4.0.0', 'None.', (call) => call.reply.array(0), {
        tips: ['nondeterministic_output_order'],
      }),
    ],
  ),
  container(
    entry('acl', -2, '', null, '6.0.0', 'Of users there is one.', () => {}),
    [
      entry('whoami', 2, 'noscript loading stale', null, '6.0.0', 'The user of this connection.', (call) =>
        call.reply.bulkText(call.client.user),
      ),
      entry('users', 2, ADMIN, null, '6.0.0', 'The users there are.', (call) => {
        call.reply.array(1);
        call.reply.bulkText('default');
      }),
    ],
  ),
  entries('generic', ['connection'])(
    'wait',
    3,
    'noscript',
    null,
    '3.0.0',
    'How many other nodes hold what was written: n ms.',
    wait,
    {
      tips: ['request_policy:all_shards', 'response_policy:agg_min'],
    },
  ),
  entries('generic', ['connection'])(
    'waitaof',
    4,
    'noscript',
    null,
    '7.2.0',
    'Whether the disks have what was written: local n ms.',
    waitAof,
    {
      tips: ['request_policy:all_shards', 'response_policy:agg_min'],
    },
  ),
];
