import { expect, it } from 'vitest';
import type { MetricFamily } from '../node/contract.ts';
import { ask, RawClient, run, until } from './fake-node.ts';
import { renderMetrics } from './metrics.ts';

interface Family {
  help: string;
  type: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

/** The text format 0.0.4, strictly: anything it does not allow throws. */
function parse(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  const families = new Map<string, Family>();
  let current: { name: string; family: Family } | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (help !== null) {
      const name = String(help[1]);
      if (families.has(name)) throw new Error(`${name} is there twice`);
      current = { name, family: { help: unquote(String(help[2])), type: '', samples: [] } };
      families.set(name, current.family);
      continue;
    }
    if (current === null) throw new Error(`a line without a family: ${line}`);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      if (type[1] !== current.name || current.family.samples.length > 0)
        throw new Error(`misplaced: ${line}`);
      current.family.type = String(type[2]);
      continue;
    }
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|[-+]?[0-9.]+(?:e[-+]?[0-9]+)?)$/.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const name = String(sample[1]);
    const suffixes = current.family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (!suffixes.some((suffix) => name === `${current?.name}${suffix}`))
      throw new Error(`stray sample: ${line}`);
    const value = Number(String(sample[3]).replace('Inf', 'Infinity'));
    current.family.samples.push({ name, labels: parseLabels(sample[2] ?? ''), value });
  }
  return families;
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== '') {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/.exec(rest);
    if (match === null) throw new Error(`not a label: ${rest}`);
    labels[String(match[1])] = unquote(String(match[2]));
    rest = rest.slice(match[0].length);
  }
  return labels;
}

function unquote(text: string): string {
  return text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
}

it('writes counters and gauges, escaping what the format gives a meaning', () => {
  const nasty = 'a"b\\c\nd\\n},{e="f"';
  const family: MetricFamily = {
    name: 'shoal_x_total',
    help: 'Back\\slash\nand line.',
    type: 'counter',
    samples: [
      { labels: { peer: nasty, kind: '' }, value: 1e21 },
      { value: 0.1 + 0.2 },
      { labels: { v: 'nan' }, value: NaN },
      { labels: { v: 'inf' }, value: Infinity },
      { labels: { v: '-inf' }, value: -Infinity },
      { labels: { v: 'small' }, value: 1.5e-7 },
    ],
  };
  const parsed = parse(renderMetrics([family])).get('shoal_x_total');
  expect(parsed).toEqual({
    help: family.help,
    type: 'counter',
    samples: [
      { name: 'shoal_x_total', labels: { peer: nasty, kind: '' }, value: 1e21 },
      { name: 'shoal_x_total', labels: {}, value: 0.1 + 0.2 },
      { name: 'shoal_x_total', labels: { v: 'nan' }, value: NaN },
      { name: 'shoal_x_total', labels: { v: 'inf' }, value: Infinity },
      { name: 'shoal_x_total', labels: { v: '-inf' }, value: -Infinity },
      { name: 'shoal_x_total', labels: { v: 'small' }, value: 1.5e-7 },
    ],
  });
});

it('writes histograms cumulatively, with +Inf, sum and count', () => {
  const text = renderMetrics([
    {
      name: 'shoal_t_seconds',
      help: 'T.',
      type: 'histogram',
      samples: [{ labels: { layer: 'tree' }, bounds: [0.001, 0.01, 0.1], counts: [2, 0, 3, 1], sum: 1.25 }],
    },
  ]);
  parse(text);
  expect(text).toBe(
    [
      '# HELP shoal_t_seconds T.',
      '# TYPE shoal_t_seconds histogram',
      'shoal_t_seconds_bucket{layer="tree",le="0.001"} 2',
      'shoal_t_seconds_bucket{layer="tree",le="0.01"} 2',
      'shoal_t_seconds_bucket{layer="tree",le="0.1"} 5',
      'shoal_t_seconds_bucket{layer="tree",le="+Inf"} 6',
      'shoal_t_seconds_sum{layer="tree"} 1.25',
      'shoal_t_seconds_count{layer="tree"} 6',
      '',
    ].join('\n'),
  );
});

it("serves the node's figures, its own and the process's as one valid document", async () => {
  const running = await run();
  running.node.families = [
    {
      name: 'shoal_members',
      help: 'Members.',
      type: 'gauge',
      samples: [{ labels: { status: 'alive' }, value: 3 }],
    },
    { name: 'shoal_build_info', help: 'The node has it too.', type: 'gauge', samples: [{ value: 1 }] },
  ];
  await ask(running.port, 'GET', '/v1/status');
  await ask(running.port, 'GET', '/v1/nothing');
  await ask(running.port, 'PUT', '/v1/ranges', {});
  const garbage = new RawClient(running.port).send('garbage\r\n\r\n');
  await until(() => garbage.closed, 'garbage is cut off');
  const answer = await ask(running.port, 'GET', '/metrics');
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  const families = parse(answer.text);
  const value = (name: string, labels: Record<string, string> = {}): number | undefined =>
    families.get(name)?.samples.find((sample) => JSON.stringify(sample.labels) === JSON.stringify(labels))
      ?.value;
  expect([...families.keys()].every((name) => name.startsWith('shoal_'))).toBe(true);
  expect(value('shoal_members', { status: 'alive' })).toBe(3);
  expect(families.get('shoal_build_info')?.help).toBe('The node has it too.');
  expect(value('shoal_http_requests_total', { class: '2xx' })).toBe(1);
  expect(value('shoal_http_requests_total', { class: '4xx' })).toBe(3);
  expect(value('shoal_http_rejected_total', { reason: 'not-found' })).toBe(1);
  expect(value('shoal_http_rejected_total', { reason: 'unauthorized' })).toBe(1);
  expect(value('shoal_http_rejected_total', { reason: 'bad-http' })).toBe(1);
  expect(value('shoal_http_event_watchers')).toBe(0);
  expect(value('shoal_http_slow_watchers_closed_total')).toBe(0);
  expect(value('shoal_process_resident_memory_bytes')).toBeGreaterThan(10e6);
  expect(value('shoal_process_cpu_seconds_total', { mode: 'user' })).toBeGreaterThan(0);
  expect(value('shoal_process_open_fds')).toBeGreaterThan(3);
  // Two listeners; a leak of sockets or timers would show among these.
  expect(value('shoal_process_active_resources', { type: 'TCPServerWrap' })).toBeGreaterThan(0);
  await running.stop();
});
