import { KIND } from '../wire/index.ts';
import type { MetricFamily } from './contract.ts';
import type { NodeCore } from './node.ts';

type Values = Readonly<Record<string, number>>;

/** A family whose samples differ in one label; no label: one sample under the empty key. */
function family(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  label: string | null,
  values: Values,
): MetricFamily {
  const samples = Object.entries(values).map(([key, value]) =>
    label === null ? { value } : { labels: { [label]: key }, value },
  );
  return { name, help, type, samples };
}

export function gauge(name: string, help: string, label: string | null, values: Values): MetricFamily {
  return family('gauge', name, help, label, values);
}

export function counter(name: string, help: string, label: string | null, values: Values): MetricFamily {
  return family('counter', name, help, label, values);
}

const byKind = (values: readonly number[]): Values =>
  Object.fromEntries(Object.entries(KIND).map(([name, kind]) => [name, values[kind] ?? 0]));

/** The machinery's own figures: what was sent, received, dropped, retried and repaired. */
export function metricsOf(node: NodeCore): MetricFamily[] {
  const { link, broadcaster, multicast, comparison, disk, sessions, outbox, mutations, propagation } = node;
  return [
    counter('shoal_messages_sent_total', 'Messages sent, by kind.', 'kind', byKind(link.sentMessages)),
    counter(
      'shoal_message_bytes_sent_total',
      'Bytes of messages sent, by kind.',
      'kind',
      byKind(link.sentBytes),
    ),
    counter(
      'shoal_messages_received_total',
      'Messages received and decoded, by kind.',
      'kind',
      byKind(node.receivedMessages),
    ),
    counter('shoal_messages_dropped_total', 'Datagrams and frames dropped, by reason.', 'reason', node.drops),
    counter(
      'shoal_link_total',
      'Messages too large for a datagram, and messages to nobody known.',
      'what',
      link.counters,
    ),
    counter(
      'shoal_broadcast_total',
      'Broadcasts: originated, hops, retries, parts taken over.',
      'what',
      broadcaster.counters,
    ),
    counter('shoal_multicast_total', 'Multicast gaps noticed and repairs.', 'what', multicast.counters),
    counter(
      'shoal_anti_entropy_total',
      'Digest rounds and their outcome.',
      'what',
      comparison.antiEntropy.counters,
    ),
    counter('shoal_sessions_total', 'Stream sessions, by outcome.', 'what', sessions.counters),
    counter(
      'shoal_outbox_total',
      'Delta groups sent, and deltas left to anti-entropy for want of room.',
      'what',
      outbox.counters,
    ),
    counter('shoal_changes_total', 'Changes of the map asked of this node.', 'what', mutations.counters),
    counter(
      'shoal_state_total',
      'Joins and members refused for want of room; sweeps.',
      'what',
      node.state.counters,
    ),
    counter('shoal_node_total', 'Refutations, pushes, lifts, snapshots, malformed parts.', 'what', {
      ...node.counters,
      ...comparison.counters,
      ...disk.counters,
    }),
    gauge('shoal_pending', 'What waits: tree hops, changes for the next group, sessions.', 'what', {
      hops: broadcaster.pendingHops,
      changes: outbox.waiting,
      sessions: sessions.open,
    }),
    {
      name: 'shoal_propagation_seconds',
      help: 'Age of changes made elsewhere when they came here, summed over hops without comparing clocks.',
      type: 'histogram',
      samples: [{ bounds: propagation.bounds, counts: propagation.counts, sum: propagation.sumSeconds }],
    },
  ];
}
