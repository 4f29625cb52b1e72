/** Propagation times: a plot of the recent ones, and their percentiles. */
import { byId, el } from './dom.js';
import { count, millis, percentile } from './format.js';
import { Plot } from './plot.js';

const plot = new Plot(byId('propagation-plot'), {
  height: 170,
  lines: [
    { colour: '--accent', fill: '--accent-faint' },
    { colour: '--good', dashed: true },
    { colour: '--warn', dashed: true },
  ],
  top: (highest) => Math.max(1, highest * 1.1),
  tick: (value) => `${value} ms`,
});
/** @type {readonly number[] | null} */
let shown = null;

/** @param {readonly number[]} ms oldest first */
export function showPropagation(ms) {
  if (shown !== null && ms.length === shown.length && ms.every((value, i) => value === shown?.[i])) return;
  shown = ms;
  const figures = byId('propagation-figures');
  const target = byId('propagation-plot');
  if (ms.length === 0) {
    figures.replaceChildren();
    plot.clear();
    target.replaceChildren(el('p', { class: 'muted' }, 'No change made on another node has arrived yet.'));
    return;
  }
  const sorted = [...ms].sort((a, b) => a - b);
  const p50 = percentile(sorted, 0.5);
  const p99 = percentile(sorted, 0.99);
  const values = { median: p50, p99, longest: sorted.at(-1) ?? 0, latest: ms.at(-1) ?? 0 };
  figures.replaceChildren(
    ...Object.entries(values).map(([name, value]) =>
      el('div', { class: name }, el('dt', null, name), el('dd', null, millis(value))),
    ),
    el('div', null, el('dt', null, 'changes'), el('dd', null, count(ms.length))),
  );
  target.setAttribute(
    'aria-label',
    `The last ${ms.length} propagation times: median ${millis(p50)}, p99 ${millis(p99)}`,
  );
  plot.set([ms.map((_, i) => i - ms.length + 1), ms, ms.map(() => p50), ms.map(() => p99)]);
}
