import { expect, it } from 'vitest';
import type { MetricFamily } from '../node/contract.ts';
import { dropsIn } from './drops.ts';

const family = (name: string, label: string, values: Record<string, number>): MetricFamily => ({
  name,
  help: 'x.',
  type: 'counter',
  samples: Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value })),
});

it('finds what counts drops, whatever its name, the most first, and nothing that never happened', () => {
  const drops = dropsIn([
    family('shoal_messages_dropped_total', 'reason', { malformed: 2, 'too-long': 0 }),
    family('shoal_outbox_total', 'what', { groups: 100, dropped: 3 }),
    family('shoal_state_total', 'what', { membersRefused: 9, sweeps: 4 }),
    { name: 'shoal_journal_dropped_notes_total', help: 'x.', type: 'counter', samples: [{ value: 1 }] },
    {
      name: 'shoal_pending',
      help: 'x.',
      type: 'gauge',
      samples: [{ labels: { what: 'dropped' }, value: 7 }],
    },
  ]);
  expect(drops).toEqual([
    { metric: 'shoal_state_total', reason: 'membersRefused', count: 9 },
    { metric: 'shoal_outbox_total', reason: 'dropped', count: 3 },
    { metric: 'shoal_messages_dropped_total', reason: 'malformed', count: 2 },
    { metric: 'shoal_journal_dropped_notes_total', reason: '', count: 1 },
  ]);
});
