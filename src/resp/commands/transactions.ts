import type { Call } from '../call.ts';
import { GATE } from '../client.ts';
import { SERVER_GATE } from '../state.ts';
import { Transaction } from '../transaction.ts';
import { isTouched, TOO_MANY_WATCHED } from '../watches.ts';
import { entries, keys } from './entry.ts';

function multi(call: Call): void {
  const { client } = call;
  if (client.transaction !== null) {
    call.reply.error('ERR MULTI calls can not be nested');
    return;
  }
  client.transaction = new Transaction();
  client.gate(GATE.transaction, true);
  call.reply.ok();
}

function exec(call: Call): void {
  const { client, reply, server } = call;
  const { transaction } = client;
  if (transaction === null) {
    reply.error('ERR EXEC without MULTI');
    return;
  }
  const touched = isTouched(call, client);
  server.endTransaction(client);
  if (transaction.failed) {
    reply.error('EXECABORT Transaction discarded because of previous errors.');
    return;
  }
  if (touched) {
    reply.noArray();
    return;
  }
  // Messages to itself go before the array of replies, never into it.
  if (client.subscriptions > 0) client.outlet.flush();
  server.runQueued(call, transaction);
}

function discard(call: Call): void {
  if (call.client.transaction === null) {
    call.reply.error('ERR DISCARD without MULTI');
    return;
  }
  call.server.endTransaction(call.client);
  call.reply.ok();
}

function watchKeys(call: Call): void {
  const { client, server } = call;
  if (client.transaction !== null) {
    call.reply.error('ERR WATCH inside MULTI is not allowed');
    return;
  }
  if (!server.watches.watchAll(call)) {
    call.reply.error(TOO_MANY_WATCHED);
    return;
  }
  server.gate(SERVER_GATE.watches, true);
  call.reply.ok();
}

function unwatch(call: Call): void {
  call.server.unwatch(call.client);
  call.reply.ok();
}

const entry = entries('transactions', ['transaction']);
const FLAGS = 'noscript loading stale fast allow_busy';

export const TRANSACTION_COMMANDS = [
  entry('multi', 1, FLAGS, null, '1.2.0', 'Begins a transaction: what follows is queued.', multi),
  entry(
    'exec',
    1,
    'noscript loading stale skip_slowlog',
    null,
    '1.2.0',
    'Runs what is queued, unless a watched key was written.',
    exec,
    { acks: true },
  ),
  entry('discard', 1, FLAGS, null, '2.0.0', 'Forgets what is queued.', discard),
  entry(
    'watch',
    -2,
    FLAGS,
    keys('RO', 1, -1),
    '2.2.0',
    'Has EXEC look whether these keys were written.',
    watchKeys,
  ),
  entry('unwatch', 1, FLAGS, null, '2.2.0', 'Forgets the watched keys.', unwatch),
];
