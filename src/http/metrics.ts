import type { MetricFamily, MetricSample } from '../node/contract.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The Prometheus text format 0.0.4. A family whose name has been used already is left out: twice is an error there. */
export function renderMetrics(families: readonly MetricFamily[]): string {
  const seen = new Set<string>();
  let out = '';
  for (const family of families) {
    if (seen.has(family.name)) continue;
    seen.add(family.name);
    out += `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`;
    for (const sample of family.samples) out += renderSample(family.name, sample);
  }
  return out;
}

function renderSample(name: string, sample: MetricSample): string {
  const labels = Object.entries(sample.labels ?? {});
  if ('value' in sample) return line(name, labels, sample.value);
  let out = '';
  let below = 0;
  for (let i = 0; i < sample.counts.length; i++) {
    below += sample.counts[i] ?? 0;
    const bound = i < sample.bounds.length ? (sample.bounds[i] ?? Infinity) : Infinity;
    out += line(`${name}_bucket`, [...labels, ['le', number(bound)]], below);
  }
  return out + line(`${name}_sum`, labels, sample.sum) + line(`${name}_count`, labels, below);
}

function line(name: string, labels: readonly (readonly [string, string])[], value: number): string {
  const inner = labels.map(([key, text]) => `${key}="${escapeLabel(text)}"`).join(',');
  return `${name}${inner === '' ? '' : `{${inner}}`} ${number(value)}\n`;
}

function number(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
