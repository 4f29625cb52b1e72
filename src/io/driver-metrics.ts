import type { MetricFamily } from '../node/index.ts';
import type { NetworkCounters } from './counters.ts';
import type { StateDirectory } from './state/directory.ts';

function counter(name: string, help: string, samples: Record<string, number>, label: string): MetricFamily {
  return {
    name,
    help,
    type: 'counter',
    samples: Object.entries(samples).map(([key, value]) => ({ labels: { [label]: key }, value })),
  };
}

function single(name: string, type: 'counter' | 'gauge', help: string, value: number): MetricFamily {
  return { name, help, type, samples: [{ value }] };
}

/** What only the driver sees: sockets, disk, event loop. */
export function driverMetrics(
  network: NetworkCounters,
  state: StateDirectory,
  lagMs: number,
  pendingCommands: number,
): MetricFamily[] {
  return [
    ...networkMetrics(network),
    ...stateMetrics(state),
    single(
      'shoal_event_loop_lag_seconds',
      'gauge',
      'Latest that a timer came within the last 10 to 20 s.',
      lagMs / 1000,
    ),
    single('shoal_pending_commands', 'gauge', 'Commands that wait for their answer.', pendingCommands),
  ];
}

function networkMetrics(n: NetworkCounters): MetricFamily[] {
  const bytesOut = { unicast: n.datagramBytesOut, multicast: n.multicastBytesOut, stream: n.streamBytesOut };
  const bytesIn = { unicast: n.datagramBytesIn, multicast: n.multicastBytesIn, stream: n.streamBytesIn };
  const datagramsOut = { unicast: n.datagramsOut, multicast: n.multicastsOut };
  const datagramsIn = { unicast: n.datagramsIn, multicast: n.multicastsIn };
  const dropped = {
    'send-error': n.sendErrors,
    oversized: n.oversized,
    'foreign-source': n.foreign,
    'unresolved-name': n.unresolved,
    'too-many-streams': n.streamsRefused,
    'too-many-streams-of-one-host': n.streamsOfOneHost,
    'unproven-stream': n.streamsUnproven,
    'too-slow-a-reader': n.streamsTooSlow,
    'too-long-a-frame': n.framesTooLong,
  };
  const own = 'own multicasts come back and count';
  return [
    counter('shoal_sent_bytes_total', 'Payload bytes sent.', bytesOut, 'via'),
    counter('shoal_received_bytes_total', `Payload bytes received; ${own}.`, bytesIn, 'via'),
    counter('shoal_sent_datagrams_total', 'Datagrams sent.', datagramsOut, 'via'),
    counter('shoal_received_datagrams_total', `Datagrams received; ${own}.`, datagramsIn, 'via'),
    counter('shoal_socket_dropped_total', 'Dropped at the sockets, by reason.', dropped, 'reason'),
    counter('shoal_streams_total', 'Streams opened.', { in: n.streamsIn, out: n.streamsOut }, 'direction'),
  ];
}

function stateMetrics({ journal, snapshots }: StateDirectory): MetricFamily[] {
  const failing = journal.failing ? 1 : 0;
  const gaveUp = 'Notes given up because the disk refused them.';
  return [
    single('shoal_journal_syncs_total', 'counter', 'Times the journal was synced to disk.', journal.syncs),
    single('shoal_journal_records_total', 'counter', 'Records written to the journal.', journal.records),
    single('shoal_journal_bytes_total', 'counter', 'Bytes written to the journal.', journal.writtenBytes),
    single('shoal_journal_dropped_notes_total', 'counter', gaveUp, journal.droppedNotes),
    single('shoal_journal_failing', 'gauge', '1 while the state directory cannot be written.', failing),
    single('shoal_snapshots_written_total', 'counter', 'Snapshots on disk, by this process.', snapshots),
  ];
}
