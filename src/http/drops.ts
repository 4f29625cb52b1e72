import type { MetricFamily } from '../node/contract.ts';

/** Something that was dropped or refused, how often since the start, and which figure of /metrics says so. */
export interface DropView {
  readonly metric: string;
  readonly reason: string;
  readonly count: number;
}

/** Families that count nothing but drops, and labels of others that do. */
const FAMILIES = /_(dropped|rejected|dropped_notes)_total$/;
const LABELS = /refused|dropped|malformed|evicted|unknown|givenUp|cut$/i;

/** What was dropped since the start, the most first: what /metrics says, for the page. */
export function dropsIn(families: readonly MetricFamily[]): DropView[] {
  const drops: DropView[] = [];
  for (const { name, type, samples } of families) {
    if (type !== 'counter') continue;
    for (const sample of samples) {
      if (!('value' in sample) || sample.value === 0) continue;
      const reason = Object.entries(sample.labels ?? {}).find(([key]) => key !== 'script')?.[1] ?? '';
      if (FAMILIES.test(name) || LABELS.test(reason))
        drops.push({ metric: name, reason, count: sample.value });
    }
  }
  return drops.sort((a, b) => b.count - a.count || (a.metric + a.reason < b.metric + b.reason ? -1 : 1));
}
