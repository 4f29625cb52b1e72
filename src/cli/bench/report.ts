import { columns, plural } from '../layout.ts';
import type { Histogram } from './histogram.ts';
import type { Result } from './load.ts';
import type { Plan } from './plan.ts';

const PERCENTILES = [50, 90, 99, 99.9] as const;

export function planLine(plan: Plan): string {
  const parts = [
    `${plural(plan.clients, 'client')}, pipeline ${plan.pipeline}`,
    `values of ${plural(plan.sizeBytes, 'byte')}`,
    plural(plan.keys, 'key'),
    `SET:GET ${plan.sets}:${plan.gets}`,
  ];
  if (plan.rate !== null) parts.push(`at ${plan.rate} a second`);
  if (plan.ack !== null) parts.push(`acknowledged at ${plan.ack.text}`);
  if (plan.cluster) parts.push('cluster');
  return `${urlOf(plan)}: ${parts.join(', ')}`;
}

/** Without the password. */
export function urlOf({ server }: Plan): string {
  return `redis://${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`;
}

export function resultLines(result: Result): string[] {
  const { tally, plan, commands, seconds } = result;
  const rate = Math.round(result.perSecond);
  const spread = result.masters > 1 ? ` on ${result.masters} masters` : '';
  const lines = [`${plural(commands, 'command')} in ${seconds.toFixed(1)} s${spread}: ${rate} a second`];
  const rows = [
    ['SET', tally.sets],
    ['GET', tally.gets],
  ] as const;
  const shown = rows.filter(([, { total }]) => total > 0);
  if (shown.length > 0) {
    const head = ['ms', 'count', 'min', 'mean', ...PERCENTILES.map((p) => `p${p}`), 'max'];
    lines.push(...columns([head, ...shown.map(([name, of]) => [name, String(of.total), ...figures(of)])]));
  }
  if (tally.misses > 0) lines.push(`not there: ${tally.misses} of ${plural(tally.gets.total, 'GET')}`);
  if (tally.lost > 0) lines.push(`connections lost: ${tally.lost}`);
  for (const [text, count] of tally.errors) lines.push(`${plural(count, 'error')}: ${text}`);
  if (tally.errors.has('MOVED') && !plan.cluster)
    lines.push('this server is one of a cluster: --cluster asks each for its own keys');
  return lines;
}

export function resultJson(result: Result): object {
  const { plan, tally } = result;
  const { clients, pipeline, sizeBytes, keys, sets, gets, rate, cluster } = plan;
  return {
    url: urlOf(plan),
    plan: { clients, pipeline, sizeBytes, keys, sets, gets, rate, cluster, ack: plan.ack?.text ?? null },
    seconds: fixed(result.seconds),
    commands: result.commands,
    perSecond: Math.round(result.perSecond),
    masters: result.masters,
    set: json(tally.sets),
    get: { ...json(tally.gets), misses: tally.misses },
    errors: Object.fromEntries(tally.errors),
    errorCount: tally.errorCount,
    connectionsLost: tally.lost,
  };
}

/** Where a load is, on one line; `before` is where it was. */
export function progressLine(now: Result, before: { seconds: number; commands: number }): string {
  const rate = (now.commands - before.commands) / Math.max(0.001, now.seconds - before.seconds);
  const { sets, gets, errorCount } = now.tally;
  const busier = sets.total > gets.total ? sets : gets;
  const latency = `p50 ${ms(busier.percentile(50))} ms, p99 ${ms(busier.percentile(99))} ms`;
  const errors = errorCount > 0 ? `, ${plural(errorCount, 'error')}` : '';
  const { requests } = now.plan;
  const share = requests === null ? '' : `${Math.floor((100 * now.commands) / requests)} %, `;
  return `${now.seconds.toFixed(0)} s: ${share}${Math.round(rate)} a second, ${latency}${errors}`;
}

function figures(of: Histogram): string[] {
  return [of.min, of.mean, ...PERCENTILES.map((p) => of.percentile(p)), of.max].map(ms);
}

function json(of: Histogram): object {
  if (of.total === 0) return { count: 0 };
  const percentiles = PERCENTILES.map((p) => [`p${p}Ms`, fixed(of.percentile(p) / 1000)]);
  return {
    count: of.total,
    minMs: fixed(of.min / 1000),
    meanMs: fixed(of.mean / 1000),
    ...Object.fromEntries(percentiles),
    maxMs: fixed(of.max / 1000),
  };
}

function ms(us: number): string {
  return Number.isFinite(us) ? (us / 1000).toFixed(us < 10_000 ? 3 : 1) : '-';
}

function fixed(value: number): number {
  return Number(value.toFixed(3));
}
