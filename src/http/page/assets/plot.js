/** Plots by uPlot, in the page's colours and at the width there is: the one place that knows its options. */

/**
 * The part of uPlot used here.
 * @typedef {{ setData(data: Data): void, setSize(size: { width: number, height: number }): void, destroy(): void, cursor: { idx: number | null } }} Chart
 * @typedef {new (options: object, data: Data, target: HTMLElement) => Chart} ChartClass
 * @typedef {readonly (readonly (number | null)[])[]} Data x first, then a column for each line
 * @typedef {{ colour: string, fill?: string, dashed?: boolean }} Line by names of CSS variables
 * @typedef {{
 *   height: number,
 *   lines: readonly Line[],
 *   top: (highest: number) => number,
 *   tick: (value: number) => string,
 *   steps?: readonly number[],
 *   clock?: (x: number, step: number) => string,
 *   onCursor?: (index: number | null) => void,
 * }} Options `top`: where the axis ends; `steps`: that its ticks may have; `clock`: the text of an x, which is a time in seconds; left
 *   out, there is no such axis
 */

/** Cursors of plots over time go together. */
const SYNC = 'time';
const TIME_STEPS = [10, 30, 60, 120, 300];
const FONT = '11px system-ui, sans-serif';

/** @type {Set<Plot>} */
const plots = new Set();

/** After the colours have changed. */
export function redrawPlots() {
  for (const plot of plots) plot.redraw();
}

export class Plot {
  #target;
  #options;
  /** @type {Chart | null} */
  #chart = null;
  /** @type {Data} */
  #data = [];

  /**
   * @param {HTMLElement} target
   * @param {Options} options
   */
  constructor(target, options) {
    this.#target = target;
    this.#options = options;
    plots.add(this);
    const { height } = options;
    new ResizeObserver(() => {
      const width = target.clientWidth;
      if (width === 0) return;
      if (this.#chart === null) this.redraw();
      else this.#chart.setSize({ width, height });
    }).observe(target);
  }

  /** @param {Data} data */
  set(data) {
    this.#data = data;
    if (this.#chart === null) this.redraw();
    else this.#chart.setData(data);
  }

  clear() {
    this.#chart?.destroy();
    this.#chart = null;
    this.#data = [];
  }

  redraw() {
    const data = this.#data;
    this.clear();
    this.#data = data;
    const width = this.#target.clientWidth;
    if (data.length === 0 || width === 0) return;
    const Class = /** @type {{ uPlot: ChartClass }} */ (/** @type {unknown} */ (globalThis)).uPlot;
    this.#target.replaceChildren();
    this.#chart = new Class({ width, ...this.#chartOptions() }, data, this.#target);
  }

  #chartOptions() {
    const { height, lines, top, tick, steps, clock, onCursor } = this.#options;
    const style = getComputedStyle(this.#target);
    /** @param {string} name */
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--muted'),
      font: FONT,
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    /** @type {(format: (value: number, step: number) => string) => (chart: unknown, values: number[], axis: number, space: number, step: number) => string[]} */
    const texts = (format) => (_chart, values, _axis, _space, step) =>
      values.map((value) => format(value, step));
    const times = {
      ...axis,
      grid: { show: false },
      size: 25,
      gap: 6,
      space: 64,
      incrs: TIME_STEPS,
      values: texts(clock ?? String),
    };
    return {
      height,
      legend: { show: false },
      cursor:
        onCursor === undefined
          ? { show: false }
          : { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: SYNC } },
      // Half of the last time on the axis is beside the plot.
      padding: clock === undefined ? [8, 4, 8, 0] : [8, 24, 0, 0],
      scales: {
        x: { time: false },
        y: {
          range: (/** @type {unknown} */ _chart, /** @type {unknown} */ _low, /** @type {number} */ high) => [
            0,
            top(high),
          ],
        },
      },
      axes: [
        clock === undefined ? { show: false } : times,
        {
          ...axis,
          size: 56,
          space: 28,
          values: texts(tick),
          ...(steps === undefined ? {} : { incrs: steps }),
        },
      ],
      series: [
        {},
        ...lines.map(({ colour: stroke, fill, dashed }) => ({
          stroke: colour(stroke),
          width: dashed ? 1 : 1.5,
          points: { show: false },
          ...(fill === undefined ? {} : { fill: colour(fill) }),
          ...(dashed ? { dash: [4, 4] } : {}),
        })),
      ],
      hooks:
        onCursor === undefined
          ? {}
          : { setCursor: [(/** @type {Chart} */ chart) => onCursor(chart.cursor.idx)] },
    };
  }
}
