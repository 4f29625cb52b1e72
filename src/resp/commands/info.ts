import { availableParallelism, release, totalmem } from 'node:os';
import type { Call } from '../call.ts';
import { ROLE } from '../role.ts';
import { REDIS_VERSION } from './version.ts';

type Fields = [name: string, value: string | number][];

/** Sections of INFO without arguments, in Redis' order; the others come when asked for. */
const DEFAULT = [
  'server',
  'clients',
  'memory',
  'persistence',
  'stats',
  'replication',
  'cpu',
  'modules',
  'errorstats',
  'cluster',
  'keyspace',
];
const ALL = [...DEFAULT.slice(0, 8), 'commandstats', ...DEFAULT.slice(8)];

export function info(call: Call): void {
  const asked = new Set<string>();
  for (let i = 1; i < call.count; i++) {
    const word = call.text(i).toLowerCase();
    if (word === 'default') for (const name of DEFAULT) asked.add(name);
    else if (word === 'all' || word === 'everything') for (const name of ALL) asked.add(name);
    else asked.add(word);
  }
  if (call.count === 1) for (const name of DEFAULT) asked.add(name);
  const parts: string[] = [];
  for (const name of ALL) {
    if (!asked.has(name)) continue;
    const fields = [...(SECTIONS[name]?.(call) ?? []), ...(call.server.hooks.info?.(name) ?? [])];
    const title = `# ${name[0]?.toUpperCase()}${name.slice(1)}\r\n`;
    parts.push(title + fields.map(([field, value]) => `${field}:${value}\r\n`).join(''));
  }
  call.reply.verbatim(parts.join('\r\n'));
}

const SECTIONS: Readonly<Record<string, (call: Call) => Fields>> = {
  server: serverFields,
  clients: clientFields,
  memory: memoryFields,
  persistence: persistenceFields,
  stats: statsFields,
  replication: () => [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', '0'.repeat(40)],
    ['master_replid2', '0'.repeat(40)],
    ['master_repl_offset', 0],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
  ],
  cpu: cpuFields,
  commandstats: commandFields,
  errorstats: (call) => [
    ...[...call.reply.errorCounts].map(([kind, count]): [string, string] => [
      `errorstat_${kind}`,
      `count=${count}`,
    ]),
  ],
  cluster: (call) => [['cluster_enabled', call.client.role === ROLE.cluster ? 1 : 0]],
  keyspace: (call) => {
    const { table } = call.store;
    return table.size === 0 ? [] : [['db0', `keys=${table.size},expires=${table.expiring},avg_ttl=0`]];
  },
};

function serverFields(call: Call): Fields {
  const { server } = call;
  const seconds = Math.floor((call.nowMs - server.startedMs) / 1000);
  return [
    ['redis_version', REDIS_VERSION],
    ['redis_mode', call.client.role === ROLE.cluster ? 'cluster' : 'standalone'],
    ['os', `Linux ${release()} ${process.arch}`],
    ['arch_bits', process.arch === 'arm' ? 32 : 64],
    ['multiplexing_api', 'epoll'],
    ['process_id', process.pid],
    ['run_id', server.runId],
    ['tcp_port', portOf(call.client.localAddress)],
    ['server_time_usec', call.nowMs * 1000],
    ['uptime_in_seconds', seconds],
    ['uptime_in_days', Math.floor(seconds / 86_400)],
    ['hz', server.settings.get('hz')],
    ['configured_hz', server.settings.get('hz')],
    ['executable', process.execPath],
    ['config_file', ''],
    ['io_threads_active', 0],
    ['processors', availableParallelism()],
    ['node_version', process.version],
  ];
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}

function clientFields(call: Call): Fields {
  const { clients, settings, channels } = call.server;
  let blocked = 0;
  let subscribers = 0;
  let input = 0;
  let output = 0;
  for (const client of clients.values()) {
    if (client.blocked !== null) blocked++;
    if (client.subscriptions > 0) subscribers++;
    input = Math.max(input, client.request.pendingBytes);
    output = Math.max(output, client.outlet.waitingBytes);
  }
  return [
    ['connected_clients', clients.size],
    ['cluster_connections', 0],
    ['maxclients', settings.maxClients],
    ['client_recent_max_input_buffer', input],
    ['client_recent_max_output_buffer', output],
    ['blocked_clients', blocked],
    ['tracking_clients', 0],
    ['pubsub_clients', subscribers],
    ['watching_clients', call.server.watches.clients],
    ['clients_in_timeout_table', 0],
    ['pubsub_channels', channels.channelCount],
  ];
}

function memoryFields(call: Call): Fields {
  const { table, maxMemoryBytes } = call.store;
  const usage = process.memoryUsage();
  const used = table.heldBytes;
  return [
    ['used_memory', used],
    ['used_memory_human', human(used)],
    ['used_memory_rss', usage.rss],
    ['used_memory_rss_human', human(usage.rss)],
    ['used_memory_peak', used],
    ['used_memory_peak_human', human(used)],
    ['used_memory_dataset', table.usedBytes],
    ['used_memory_heap', usage.heapUsed],
    ['used_memory_free', table.freeBytes],
    ['total_system_memory', totalmem()],
    ['total_system_memory_human', human(totalmem())],
    ['maxmemory', maxMemoryBytes],
    ['maxmemory_human', human(maxMemoryBytes)],
    ['maxmemory_policy', 'noeviction'],
    ['mem_fragmentation_ratio', used === 0 ? 0 : (usage.rss / used).toFixed(2)],
    ['mem_allocator', 'shoal'],
    ['active_defrag_running', 0],
    ['lazyfree_pending_objects', 0],
  ];
}

function persistenceFields(call: Call): Fields {
  const { backend } = call.store;
  const { counters } = backend;
  return [
    ['loading', 0],
    ['async_loading', 0],
    [
      'rdb_changes_since_last_save',
      backend.durable ? backend.sequence - backend.onDiskSequence : backend.sequence,
    ],
    ['rdb_bgsave_in_progress', backend.saving ? 1 : 0],
    ['rdb_last_save_time', Math.floor(lastSaveMs(call) / 1000)],
    ['rdb_last_bgsave_status', backend.state === 'failing' ? 'err' : 'ok'],
    ['aof_enabled', backend.durable ? 1 : 0],
    ['aof_rewrite_in_progress', 0],
    ['aof_last_bgrewrite_status', 'ok'],
    ['aof_last_write_status', backend.state === 'failing' ? 'err' : 'ok'],
    ['aof_current_size', counters.diskBytes],
    ['store_backend', backend.name],
    ['store_state', backend.state],
    ['store_queued_bytes', counters.queuedBytes],
    ['store_syncs', counters.syncs],
    ['store_snapshots', counters.snapshots],
  ];
}

export function lastSaveMs(call: Call): number {
  return call.store.backend.savedMs ?? call.server.startedMs;
}

function statsFields(call: Call): Fields {
  const { counters, clients, channels } = call.server;
  const live = { in: 0, out: 0 };
  for (const { bytesIn, bytesOut } of clients.values()) {
    live.in += bytesIn;
    live.out += bytesOut;
  }
  let errors = 0;
  for (const count of call.reply.errorCounts.values()) errors += count;
  return [
    ['total_connections_received', counters.connections + counters.rejected + counters.unauthorized],
    ['total_commands_processed', call.server.commandsRun()],
    ['instantaneous_ops_per_sec', call.server.commandsPerSecond],
    ['total_net_input_bytes', counters.bytesIn + live.in],
    ['total_net_output_bytes', counters.bytesOut + live.out],
    ['rejected_connections', counters.rejected],
    ['acl_access_denied_auth', counters.unauthorized],
    ['expired_keys', call.store.table.counters.expired],
    ['evicted_keys', 0],
    ['keyspace_hits', counters.hits],
    ['keyspace_misses', counters.misses],
    ['evicted_clients', counters.cutForMemory],
    ['client_output_buffer_limit_disconnections', counters.cutForOutput],
    ['client_query_buffer_limit_disconnections', counters.cutForInput],
    ['client_timeout_disconnections', counters.cutForIdling],
    ['client_dawdling_disconnections', counters.cutForDawdling],
    ['client_login_disconnections', counters.cutBeforeLogin],
    ['client_http_disconnections', counters.cutForHttp],
    ['pubsub_channels', channels.channelCount],
    ['pubsub_patterns', channels.patternCount],
    ['pubsubshard_channels', channels.shardCount],
    ['total_error_replies', errors],
    ['eventloop_cycles', counters.turns],
    ['longest_turn_usec', counters.longestTurnUsec],
  ];
}

function cpuFields(): Fields {
  const { user, system } = process.cpuUsage();
  return [
    ['used_cpu_sys', (system / 1e6).toFixed(6)],
    ['used_cpu_user', (user / 1e6).toFixed(6)],
    ['used_cpu_sys_children', '0.000000'],
    ['used_cpu_user_children', '0.000000'],
  ];
}

/** Time is measured of commands that may take long; of others it says 0. */
function commandFields(call: Call): Fields {
  const fields: Fields = [];
  for (const { name, calls, usec, rejected, failed } of call.server.commands.every()) {
    if (calls + rejected === 0) continue;
    const each = calls === 0 ? 0 : usec / calls;
    fields.push([
      `cmdstat_${name}`,
      `calls=${calls},usec=${Math.round(usec)},usec_per_call=${each.toFixed(2)},rejected_calls=${rejected},failed_calls=${failed}`,
    ]);
  }
  return fields;
}

/** Bytes as Redis shows them to people. */
export function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${value.toFixed(2)}${units[unit]}`;
}
