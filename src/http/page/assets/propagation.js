/** Propagation times: a plot of the recent ones by uPlot, and their percentiles. */
import { byId, el } from './dom.js';
import { count, millis, percentile } from './format.js';

/**
 * The part of uPlot used here.
 * @typedef {{ setData(data: readonly (readonly number[])[]): void, setSize(size: { width: number, height: number }): void, destroy(): void }} Plot
 * @typedef {new (options: object, data: readonly (readonly number[])[], target: HTMLElement) => Plot} PlotClass
 */

const HEIGHT = 170;

/** @type {Plot | null} */
let plot = null;
/** @type {readonly number[]} */
let shown = [];

/** @param {readonly number[]} ms oldest first */
export function showPropagation(ms) {
  if (plot !== null && ms.length === shown.length && ms.every((value, i) => value === shown[i])) return;
  shown = ms;
  const figures = byId('propagation-figures');
  const target = byId('propagation-plot');
  if (ms.length === 0) {
    figures.replaceChildren();
    plot?.destroy();
    plot = null;
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
  const data = [ms.map((_, i) => i - ms.length + 1), ms, ms.map(() => p50), ms.map(() => p99)];
  if (plot === null) plot = create(target, data);
  else plot.setData(data);
}

export function redrawPropagation() {
  if (plot === null) return;
  plot.destroy();
  plot = null;
  showPropagation(shown);
}

/**
 * @param {HTMLElement} target
 * @param {readonly (readonly number[])[]} data
 */
function create(target, data) {
  target.replaceChildren();
  const style = getComputedStyle(target);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  const dashed = { width: 1, dash: [4, 4], points: { show: false } };
  const Class = /** @type {{ uPlot: PlotClass }} */ (/** @type {unknown} */ (globalThis)).uPlot;
  return new Class(
    {
      width: target.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 4, 8, 0],
      scales: {
        x: { time: false },
        y: {
          range: (/** @type {unknown} */ _u, /** @type {number} */ _low, /** @type {number} */ high) => [
            0,
            Math.max(1, high * 1.1),
          ],
        },
      },
      axes: [
        { show: false },
        {
          ...axis,
          size: 52,
          values: (/** @type {unknown} */ _u, /** @type {number[]} */ ticks) => ticks.map((v) => `${v} ms`),
        },
      ],
      series: [
        {},
        { stroke: colour('--accent'), width: 1.5, fill: colour('--accent-faint'), points: { show: false } },
        { stroke: colour('--good'), ...dashed },
        { stroke: colour('--warn'), ...dashed },
      ],
    },
    data,
    target,
  );
}

export function watchPropagationWidth() {
  const target = byId('propagation-plot');
  new ResizeObserver(() => {
    if (target.clientWidth > 0) plot?.setSize({ width: target.clientWidth, height: HEIGHT });
  }).observe(target);
}
