import type { Call } from '../call.ts';
import type { Known } from '../command.ts';
import { entries } from './entry.ts';
import { badSubcommand } from './errors.ts';
import { container } from './help.ts';
import { MEMORY_USAGE } from './object.ts';

const DEFAULT_ENTRIES = 10;

function slowGet(call: Call): void {
  const { reply, server } = call;
  if (call.count > 3) {
    reply.error(badSubcommand('SLOWLOG', call.shown(1)));
    return;
  }
  const asked = call.count > 2 ? call.integer(2) : DEFAULT_ENTRIES;
  if (asked === null || asked < -1) {
    reply.error('ERR count should be greater than or equal to -1');
    return;
  }
  const entries = server.slowLog.newest(asked === -1 ? server.slowLog.length : asked);
  reply.array(entries.length);
  for (const { id, atMs, usec, words, address, clientName } of entries) {
    reply.array(6);
    reply.integer(id);
    reply.integer(Math.floor(atMs / 1000));
    reply.integer(usec);
    reply.array(words.length);
    for (const word of words) reply.bulkText(word);
    reply.bulkText(address);
    reply.bulkText(clientName);
  }
}

function slowReset(call: Call): void {
  call.server.slowLog.reset();
  call.reply.ok();
}

function latest(call: Call): void {
  const { reply, server } = call;
  const { names } = server.latency;
  reply.array(names.length);
  for (const name of names) {
    const last = server.latency.history(name).at(-1);
    reply.array(4);
    reply.bulkText(name);
    reply.integer(last?.atSeconds ?? 0);
    reply.integer(last?.ms ?? 0);
    reply.integer(server.latency.maxMs(name));
  }
}

function history(call: Call): void {
  const samples = call.server.latency.history(call.text(2));
  call.reply.array(samples.length);
  for (const { atSeconds, ms } of samples) {
    call.reply.array(2);
    call.reply.integer(atSeconds);
    call.reply.integer(ms);
  }
}

function latencyReset(call: Call): void {
  const names: string[] = [];
  for (let i = 2; i < call.count; i++) names.push(call.text(i));
  call.reply.integer(call.server.latency.reset(names));
}

function graph(call: Call): void {
  const name = call.text(2);
  const samples = call.server.latency.history(name);
  if (samples.length === 0) {
    call.reply.error(`ERR No samples available for event '${call.shown(2)}'`);
    return;
  }
  const most = call.server.latency.maxMs(name);
  const lines = samples.map(
    ({ ms }) => `${String(ms).padStart(6)} ms ${'#'.repeat(Math.ceil((ms * 40) / most))}`,
  );
  call.reply.verbatim(`${name} - worst ever ${most} ms\n${lines.join('\n')}\n`);
}

function latencyDoctor(call: Call): void {
  const { latency, settings } = call.server;
  if (settings.latencyThresholdMs === 0) {
    call.reply.verbatim('Nothing is watched. CONFIG SET latency-monitor-threshold MILLISECONDS begins.\n');
    return;
  }
  const lines = latency.names.map((name) => {
    const samples = latency.history(name);
    const sum = samples.reduce((total, { ms }) => total + ms, 0);
    return `${name}: ${samples.length} spikes, ${Math.round(sum / samples.length)} ms on average, ${latency.maxMs(name)} ms at worst\n`;
  });
  call.reply.verbatim(lines.length === 0 ? 'No spike was seen.\n' : lines.join(''));
}

function histogram(call: Call): void {
  const { reply, server } = call;
  const chosen = new Set<Known>();
  const take = (known: Known): void => {
    if (known.histogram !== null) chosen.add(known);
    for (const subcommand of known.subcommands?.all ?? []) take(subcommand);
  };
  if (call.count === 2) for (const known of server.commands.all) take(known);
  for (let i = 2; i < call.count; i++) {
    const known = server.commands.named(call.text(i));
    if (known !== undefined) take(known);
  }
  reply.map(chosen.size);
  for (const { name, histogram: taken } of chosen) {
    reply.bulkText(name);
    reply.map(2);
    reply.bulkText('calls');
    reply.integer(taken?.calls ?? 0);
    reply.bulkText('histogram_usec');
    const buckets = taken?.cumulative() ?? [];
    reply.map(buckets.length);
    for (const [usec, calls] of buckets) {
      reply.integer(usec);
      reply.integer(calls);
    }
  }
}

function memoryStats(call: Call): void {
  const { table } = call.store;
  const usage = process.memoryUsage();
  const waiting = [...call.server.clients.values()].reduce(
    (sum, { outlet, request }) => sum + outlet.waitingBytes + request.pendingBytes,
    0,
  );
  const figures: Record<string, number> = {
    'total.allocated': table.heldBytes + usage.heapUsed,
    'clients.normal': waiting,
    'keys.count': table.size,
    'keys.bytes-per-key': table.size === 0 ? 0 : Math.round(table.usedBytes / table.size),
    'dataset.bytes': table.usedBytes,
    'table.held': table.heldBytes,
    'table.free': table.freeBytes,
    'heap.used': usage.heapUsed,
    rss: usage.rss,
  };
  call.reply.map(Object.keys(figures).length);
  for (const [name, value] of Object.entries(figures)) {
    call.reply.bulkText(name);
    call.reply.integer(value);
  }
}

function memoryDoctor(call: Call): void {
  const { table } = call.store;
  const share = table.heldBytes === 0 ? 0 : table.freeBytes / table.heldBytes;
  call.reply.verbatim(
    call.store.full
      ? `Writes that need room are refused: ${call.store.refusal}\n`
      : `${Math.round(share * 100)} % of the table waits to be used again. Nothing is wrong.\n`,
  );
}

const entry = entries('server');
const NODES = ['request_policy:all_nodes', 'nondeterministic_output'];
const SPECIAL = {
  tips: ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'],
};
const OF_SHARDS = {
  tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
};
const ALL_NODES = { tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'] };
const SLOW = 'admin loading stale';
const ADMIN = 'admin noscript loading stale';

export const SLOWLOG = container(
  entry('slowlog', -2, '', null, '2.2.12', 'Slow commands.', () => {}),
  [
    entry('get', -2, SLOW, null, '2.2.12', 'The newest entries: [count].', slowGet, { tips: NODES }),
    entry(
      'len',
      2,
      SLOW,
      null,
      '2.2.12',
      'How many entries there are.',
      (call) => call.reply.integer(call.server.slowLog.length),
      { tips: ['request_policy:all_nodes', 'response_policy:agg_sum', 'nondeterministic_output'] },
    ),
    entry('reset', 2, SLOW, null, '2.2.12', 'Forgets them.', slowReset, ALL_NODES),
  ],
);

export const LATENCY = container(
  entry('latency', -2, '', null, '2.8.13', 'Times and spikes.', () => {}),
  [
    entry('latest', 2, ADMIN, null, '2.8.13', 'The last spike of each event.', latest, SPECIAL),
    entry('history', 3, ADMIN, null, '2.8.13', 'Spikes of an event.', history, SPECIAL),
    entry('reset', -2, ADMIN, null, '2.8.13', 'Forgets spikes: [event ...].', latencyReset, ALL_NODES),
    entry('graph', 3, ADMIN, null, '2.8.13', 'Spikes of an event as bars.', graph, SPECIAL),
    entry('doctor', 2, ADMIN, null, '2.8.13', 'All events in words.', latencyDoctor, SPECIAL),
    entry(
      'histogram',
      -2,
      ADMIN,
      null,
      '7.0.0',
      'How long commands took: [command ...].',
      histogram,
      SPECIAL,
    ),
  ],
);

export const MEMORY = container(
  entry('memory', -2, '', null, '4.0.0', 'About memory.', () => {}),
  [
    MEMORY_USAGE,
    entry('stats', 2, '', null, '4.0.0', 'Where memory is.', memoryStats, OF_SHARDS),
    entry('doctor', 2, '', null, '4.0.0', 'Whether anything is wrong.', memoryDoctor, OF_SHARDS),
    entry(
      'purge',
      2,
      '',
      null,
      '4.0.0',
      'Nothing to do: the table compacts itself.',
      (call) => call.reply.ok(),
      { tips: ['request_policy:all_shards', 'response_policy:all_succeeded'] },
    ),
    entry(
      'malloc-stats',
      2,
      '',
      null,
      '4.0.0',
      "Of the table: it is shoal's own allocator.",
      (call) =>
        call.reply.verbatim(`held ${call.store.table.heldBytes}, free ${call.store.table.freeBytes}\n`),
      OF_SHARDS,
    ),
  ],
);
