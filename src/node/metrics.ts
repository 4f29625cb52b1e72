import { KIND } from '../wire/index.ts';
import type { MetricFamily } from './contract.ts';
import type { NodeCore } from './node.ts';
import type { Propagation } from './propagation.ts';

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
  return [...messageFigures(node), ...machineryFigures(node), ...propagationFigures(node)];
}

function messageFigures({ link, receivedMessages, drops, intake }: NodeCore): MetricFamily[] {
  const sent = byKind(link.sentMessages);
  const bytes = byKind(link.sentBytes);
  const received = byKind(receivedMessages);
  const [one, other] = [link.codec.newer, intake.newer];
  const newer = {
    messages: one.messages + other.messages,
    records: one.records + other.records,
    groups: one.groups + other.groups,
  };
  const newerHelp = 'Read with parts left out that a later version added, by what.';
  return [
    counter('shoal_messages_sent_total', 'Messages sent, by kind.', 'kind', sent),
    counter('shoal_message_bytes_sent_total', 'Bytes of messages sent, by kind.', 'kind', bytes),
    counter('shoal_messages_received_total', 'Messages received and decoded, by kind.', 'kind', received),
    counter('shoal_messages_dropped_total', 'Datagrams and frames dropped, by reason.', 'reason', drops),
    counter('shoal_messages_newer_total', newerHelp, 'what', newer),
    counter('shoal_link_total', 'Too large for a datagram; to nobody known.', 'what', link.counters),
  ];
}

function machineryFigures(node: NodeCore): MetricFamily[] {
  const { broadcaster, multicast, comparison, sessions, outbox, mutations, roster, intake, disk } = node;
  const { prober, counters: told } = node.detection;
  const rounds = comparison.antiEntropy.counters;
  const others = {
    ...roster.counters,
    ...intake.counters,
    ...comparison.counters,
    ...disk.counters,
    ...node.strangers.counters,
  };
  const { departures } = outbox;
  const waiting = {
    hops: broadcaster.pendingHops,
    changes: outbox.waiting,
    publications: departures.waiting,
    sessions: sessions.open,
  };
  return [
    counter('shoal_broadcast_total', 'Broadcasts: hops, retries, take-overs.', 'what', broadcaster.counters),
    counter('shoal_multicast_total', 'Multicast gaps noticed and repairs.', 'what', multicast.counters),
    counter('shoal_anti_entropy_total', 'Digest rounds and their outcome.', 'what', rounds),
    counter('shoal_detection_total', 'Probes and what came of them.', 'what', {
      ...prober.counters,
      ...told,
      ...node.forgetting.counters,
    }),
    gauge('shoal_health_score', 'Local health: 0 is well, 8 worst.', null, { '': prober.health.score }),
    gauge('shoal_suspicions', 'Members suspected at present.', null, { '': prober.suspected }),
    counter('shoal_sessions_total', 'Stream sessions, by outcome.', 'what', sessions.counters),
    counter('shoal_outbox_total', 'Groups sent; deltas left to anti-entropy.', 'what', outbox.counters),
    counter('shoal_changes_total', 'Changes of the map asked of this node.', 'what', mutations.counters),
    counter(
      'shoal_twins_total',
      'Processes with this node id: asked for life, found.',
      'what',
      node.identity.twins.counters,
    ),
    counter('shoal_state_total', 'Refused for want of room; sweeps.', 'what', node.state.counters),
    counter(
      'shoal_node_total',
      'Refutations, lifts, pushes, snapshots, malformed parts, new members refused to one host.',
      'what',
      others,
    ),
    counter(
      'shoal_publications_total',
      'Messages of channels: told to the group, in batches, dropped for want of room; come from others, again, out of order.',
      'what',
      { ...departures.counters, ...intake.arrivals.counters },
    ),
    gauge(
      'shoal_pending',
      'What waits: tree hops, changes and publications for the next group, sessions.',
      'what',
      waiting,
    ),
  ];
}

function propagationFigures({ intake: { propagation, repaired } }: NodeCore): MetricFamily[] {
  const family = (name: string, help: string, times: Propagation): MetricFamily => {
    const { bounds, counts, sumSeconds: sum } = times;
    return { name, help, type: 'histogram', samples: [{ bounds, counts, sum }] };
  };
  return [
    family(
      'shoal_propagation_seconds',
      'Age of changes made elsewhere when spreading brought them here, summed over hops without comparing clocks.',
      propagation,
    ),
    family(
      'shoal_delta_repair_seconds',
      'The same of changes that had been missed and were sent again: they were lost, or this node was away.',
      repaired,
    ),
  ];
}
