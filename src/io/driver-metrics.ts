import type { MetricFamily } from '../node/contract.ts';
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
  n: NetworkCounters,
  state: StateDirectory,
  lagMs: number,
  pendingCommands: number,
): MetricFamily[] {
  const { journal } = state;
  const traffic = (unicast: number, multicast: number, stream: number) => ({ unicast, multicast, stream });
  return [
    counter(
      'shoal_sent_bytes_total',
      'Payload bytes sent.',
      traffic(n.datagramBytesOut, n.multicastBytesOut, n.streamBytesOut),
      'via',
    ),
    counter(
      'shoal_received_bytes_total',
      'Payload bytes received.',
      traffic(n.datagramBytesIn, n.multicastBytesIn, n.streamBytesIn),
      'via',
    ),
    counter(
      'shoal_sent_datagrams_total',
      'Datagrams sent.',
      { unicast: n.datagramsOut, multicast: n.multicastsOut },
      'via',
    ),
    counter(
      'shoal_received_datagrams_total',
      'Datagrams received; own multicasts come back and count.',
      { unicast: n.datagramsIn, multicast: n.multicastsIn },
      'via',
    ),
    counter(
      'shoal_socket_dropped_total',
      'Dropped at the sockets, by reason.',
      {
        'send-error': n.sendErrors,
        oversized: n.oversized,
        'foreign-source': n.foreign,
        'unresolved-name': n.unresolved,
        'too-many-streams': n.streamsRefused,
      },
      'reason',
    ),
    counter('shoal_streams_total', 'Streams opened.', { in: n.streamsIn, out: n.streamsOut }, 'direction'),
    single('shoal_journal_syncs_total', 'counter', 'Times the journal was synced to disk.', journal.syncs),
    single('shoal_journal_records_total', 'counter', 'Records written to the journal.', journal.records),
    single('shoal_journal_bytes_total', 'counter', 'Bytes written to the journal.', journal.writtenBytes),
    single(
      'shoal_journal_dropped_notes_total',
      'counter',
      'Notes given up because the disk refused them.',
      journal.droppedNotes,
    ),
    single(
      'shoal_journal_failing',
      'gauge',
      '1 while the state directory cannot be written.',
      journal.failing ? 1 : 0,
    ),
    single('shoal_snapshots_total', 'counter', 'Snapshots written.', state.snapshots),
    single(
      'shoal_event_loop_lag_seconds',
      'gauge',
      'Latest that a timer came within the last 10 to 20 s.',
      lagMs / 1000,
    ),
    single('shoal_pending_commands', 'gauge', 'Commands that wait for their answer.', pendingCommands),
  ];
}
