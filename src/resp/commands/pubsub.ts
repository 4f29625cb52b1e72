import { LIMITS } from '../../base/index.ts';
import type { Call } from '../call.ts';
import { PATTERN_BYTES } from '../channels.ts';
import type { Client } from '../client.ts';
import { Glob } from '../glob.ts';
import { entries, keys } from './entry.ts';
import { badSubcommand } from './errors.ts';
import { container } from './help.ts';

type Kind = 'channels' | 'patterns' | 'shardChannels';

/** Most subscriptions of one client; its names and places are kept. */
const MAX_SUBSCRIPTIONS = 100_000;

/** What a subscription's answer counts: shard channels by themselves. */
function counted(client: Client, kind: Kind): number {
  return kind === 'shardChannels' ? client.shardChannels.size : client.channels.size + client.patterns.size;
}

/** Why a client may not subscribe to these as well; empty when it may. */
function refusalOf(call: Call, kind: Kind): string {
  const { client } = call;
  const most = kind === 'patterns' ? PATTERN_BYTES : LIMITS.publicationBytes;
  let bytes = client.subscribedBytes;
  for (let i = 1; i < call.count; i++) {
    const length = call.lengthOf(i);
    if (length > most)
      return `ERR ${kind === 'patterns' ? 'a pattern' : "a channel's name"} of ${length} bytes is too long: at most ${most}`;
    bytes += length;
  }
  const isTooMuch =
    client.subscriptions + call.count - 1 > MAX_SUBSCRIPTIONS || bytes > LIMITS.subscribedBytes;
  return isTooMuch ? 'ERR too many subscriptions of one client' : '';
}

function subscribing(word: string, kind: Kind) {
  return (call: Call): void => {
    const { client, reply, server } = call;
    const refusal = refusalOf(call, kind);
    if (refusal !== '') {
      reply.error(refusal);
      return;
    }
    for (let i = 1; i < call.count; i++) {
      server.channels.subscribe(client, kind, call.text(i));
      reply.push(3);
      reply.bulkText(word);
      reply.bulk(call.span, call.startOf(i), call.lengthOf(i));
      reply.integer(counted(client, kind));
    }
    call.kept = reply.length;
  };
}

function unsubscribing(word: string, kind: Kind) {
  return (call: Call): void => {
    const { client, reply, server } = call;
    const names: string[] = [];
    if (call.count > 1) for (let i = 1; i < call.count; i++) names.push(call.text(i));
    else names.push(...client[kind]);
    for (const name of names) {
      server.channels.unsubscribe(client, kind, name);
      reply.push(3);
      reply.bulkText(word);
      reply.bulkText(name);
      reply.integer(counted(client, kind));
    }
    if (names.length === 0) {
      reply.push(3);
      reply.bulkText(word);
      reply.none();
      reply.integer(counted(client, kind));
    }
    call.kept = reply.length;
  };
}

function publish(call: Call): void {
  const { server } = call;
  const { publishToGroup } = server.hooks;
  const bytes = call.lengthOf(1) + call.lengthOf(2);
  if (publishToGroup !== undefined && bytes > LIMITS.publicationBytes) {
    call.reply.error(
      `ERR a message of ${bytes} bytes with its channel is too long for the group: at most ${LIMITS.publicationBytes}`,
    );
    return;
  }
  const payload = call.bytes(2);
  server.counters.published++;
  const receivers = server.channels.deliver(call.text(1), payload);
  publishToGroup?.(call.bytes(1), payload);
  call.reply.integer(receivers);
}

/** All subscribers of a shard channel are where it is published: at the node that serves its slot. */
function spublish(call: Call): void {
  const { server } = call;
  server.counters.published++;
  call.reply.integer(server.channels.deliverShard(call.text(1), call.bytes(2)));
}

function active(kind: 'channels' | 'shardChannels') {
  return (call: Call): void => {
    if (call.count > 3) {
      call.reply.error(badSubcommand('PUBSUB', call.shown(1)));
      return;
    }
    const names = call.server.channels.active(kind, call.count === 3 ? new Glob(call.bytes(2)) : null);
    if (names === null) {
      call.reply.error('ERR the channels take too long to compare with this pattern');
      return;
    }
    call.reply.array(names.length);
    for (const name of names) call.reply.bulkText(name);
  };
}

function counts(kind: 'channels' | 'shardChannels') {
  return (call: Call): void => {
    call.reply.array((call.count - 2) * 2);
    for (let i = 2; i < call.count; i++) {
      call.reply.bulkText(call.text(i));
      call.reply.integer(call.server.channels.subscribers(kind, call.text(i)));
    }
  };
}

const entry = entries('pubsub', []);
const SUB = 'pubsub noscript loading stale';
const PUB = 'pubsub loading stale fast';
const ASK = 'pubsub loading stale';
const SHARD = keys('not_key', 1, -1);

export const PUBSUB_COMMANDS = [
  entry(
    'subscribe',
    -2,
    SUB,
    null,
    '2.0.0',
    'Gets the messages of channels.',
    subscribing('subscribe', 'channels'),
  ),
  entry(
    'psubscribe',
    -2,
    SUB,
    null,
    '2.0.0',
    'Gets those of channels that match.',
    subscribing('psubscribe', 'patterns'),
  ),
  entry(
    'ssubscribe',
    -2,
    SUB,
    SHARD,
    '7.0.0',
    'Gets those of shard channels.',
    subscribing('ssubscribe', 'shardChannels'),
  ),
  entry(
    'unsubscribe',
    -1,
    SUB,
    null,
    '2.0.0',
    'Of these channels, or all.',
    unsubscribing('unsubscribe', 'channels'),
  ),
  entry(
    'punsubscribe',
    -1,
    SUB,
    null,
    '2.0.0',
    'Of these patterns, or all.',
    unsubscribing('punsubscribe', 'patterns'),
  ),
  entry(
    'sunsubscribe',
    -1,
    SUB,
    SHARD,
    '7.0.0',
    'Of these shard channels, or all.',
    unsubscribing('sunsubscribe', 'shardChannels'),
  ),
  entry(
    'publish',
    3,
    PUB,
    null,
    '2.0.0',
    "Sends a message to a channel; answers how many of this node's clients get it.",
    publish,
  ),
  entry('spublish', 3, PUB, keys('not_key'), '7.0.0', 'Sends a message to a shard channel.', spublish),
  container(
    entry('pubsub', -2, '', null, '2.8.0', 'About channels.', () => {}),
    [
      entry('channels', -2, ASK, null, '2.8.0', 'Channels with subscribers: [pattern].', active('channels')),
      entry(
        'numsub',
        -2,
        ASK,
        null,
        '2.8.0',
        'How many subscribers these channels have.',
        counts('channels'),
      ),
      entry('numpat', 2, ASK, null, '2.8.0', 'How many patterns are subscribed to.', (call) =>
        call.reply.integer(call.server.channels.patternCount),
      ),
      entry(
        'shardchannels',
        -2,
        ASK,
        null,
        '7.0.0',
        'Shard channels with subscribers: [pattern].',
        active('shardChannels'),
      ),
      entry(
        'shardnumsub',
        -2,
        ASK,
        null,
        '7.0.0',
        'How many subscribers these have.',
        counts('shardChannels'),
      ),
    ],
    [],
  ),
];
