import type { MetricFamily } from '../node/contract.ts';
import type { GroupServer } from '../resp/index.ts';
import type { Store } from '../store/index.ts';

type Figures = Readonly<Record<string, number>>;

/** A family with a sample for each figure, by its name. */
function family(name: string, label: string, help: string, figures: Figures): MetricFamily {
  return {
    name,
    help,
    type: name.endsWith('_total') ? 'counter' : 'gauge',
    samples: Object.entries(figures).map(([key, value]) => ({ labels: { [label]: key }, value })),
  };
}

function single(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: name.endsWith('_total') ? 'counter' : 'gauge', samples: [{ value }] };
}

const RECORDS =
  'Records that expired, that were moved in memory, that a cache (store = "leveldb") read from disk and evicted.';

/** Everything that is counted in the store and its servers, for `/metrics`. */
export function storeMetrics({ server, router }: GroupServer, { table, backend }: Store): MetricFamily[] {
  const { longestTurnUsec, turns, bytesIn, bytesOut, published, hits, misses, ...ofClients } =
    server.state.counters;
  const { diskBytes, queuedBytes, longestStepMs, ...ofLog } = backend.counters;
  const { commands, unknown } = server.dispatcher.counters;
  const { expired, moved } = table.counters;
  return [
    single('shoal_store_keys', 'Messages in the store.', table.size),
    family('shoal_store_bytes', 'of', 'Bytes of messages, held for them, on disk, waiting for it.', {
      used: table.usedBytes,
      held: table.heldBytes,
      disk: diskBytes,
      queued: queuedBytes,
    }),
    family('shoal_store_records_total', 'event', RECORDS, {
      expired,
      moved,
      ...(backend.readThrough?.counters() ?? { reads: 0, evicted: 0 }),
    }),
    single('shoal_store_clients', 'Clients connected, other nodes among them.', server.connections),
    single(
      'shoal_store_client_bytes',
      'Bytes held for clients: half commands, replies not taken.',
      server.sweep.heldBytes,
    ),
    family(
      'shoal_store_connections_total',
      'event',
      'Clients that came, were refused, or were cut.',
      ofClients,
    ),
    single('shoal_store_commands_total', 'Commands that came in.', commands),
    single('shoal_store_unknown_commands_total', 'Commands that are none.', unknown),
    family('shoal_store_lookups_total', 'outcome', 'Keys that commands which read looked for.', {
      hits,
      misses,
    }),
    single(
      'shoal_store_published_total',
      'Messages published by clients of this node, on channels and shard channels.',
      published,
    ),
    single(
      'shoal_store_patterns_uncompared_total',
      'Messages times patterns that would have taken too long to compare: not sent to the subscribers of the pattern.',
      server.state.channels.uncompared,
    ),
    family('shoal_store_network_bytes_total', 'direction', 'Bytes from and to clients that have left.', {
      in: bytesIn,
      out: bytesOut,
    }),
    single('shoal_store_turns_total', 'Turns of the event loop with work for the store.', turns),
    single('shoal_store_longest_turn_seconds', 'Longest of these turns.', longestTurnUsec / 1e6),
    ...routingMetrics(router),
    family('shoal_store_log_total', 'event', 'What the message log did; bytes are those written.', ofLog),
    single(
      'shoal_store_longest_snapshot_step_seconds',
      "Longest step of a snapshot's walk.",
      longestStepMs / 1000,
    ),
  ];
}

/** Which slots are this node's, and what became of commands on others'. */
function routingMetrics(router: GroupServer['router']): MetricFamily[] {
  return [
    family('shoal_store_slots', 'state', 'Slots, by what they are to this node.', { ...router.slotCounts() }),
    family('shoal_store_refused_total', 'reason', 'Commands sent elsewhere, refused, or that had to wait.', {
      ...router.counters,
    }),
    family('shoal_store_forwards_total', 'outcome', 'Commands sent on to other nodes, by outcome.', {
      ...router.forwarder.counters,
    }),
    family(
      'shoal_store_holdings_total',
      'event',
      'Questions to others about data of slots that changed hands.',
      {
        ...router.holdings.counters,
      },
    ),
    family('shoal_store_slot_updates_total', 'of', 'Changes of the slot map, and segments walked for them.', {
      ...router.slots.counters,
    }),
  ];
}
