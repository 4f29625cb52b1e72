/**
 * The key space on a canvas: one row per rank, each position in its owner's colour, red across all rows where nobody
 * owns. Few segments are drawn exactly; many are summed into bins, each filled from the bottom in proportion to its
 * owners, so that 50,000 segments still tell who holds how much where. A lane above marks every gap, however small.
 */
import { inkOn } from './colour.js';
import { hex } from './format.js';
import { binned, indexAt, KEY_SPACE, runs, tickStep } from './keyspace.js';

/** @typedef {import('./keyspace.js').Segment} Segment */
/** @typedef {{ segments: readonly Segment[], colours: Map<string, string>, order: Map<string, number>, gaps: readonly import('./keyspace.js').Gap[], maxOwners: number }} Scene */

const GUTTER = 20;
const LANE = 5;
const FIRST_ROW = 56;
const ROW = 26;
const SPACE = 3;
const AXIS = 24;
const BIN_PX = 3;
/** Room for a label and a half: those at the edges are moved inwards. */
const TICK_PX = 120;
export const MOST_ROWS = 6;

export class Bands {
  /** @type {Scene} */
  #scene = { segments: [], colours: new Map(), order: new Map(), gaps: [], maxOwners: 0 };
  #canvas;
  #context;
  /** The part of the key space in view, `to` exclusive. */
  from = 0;
  to = KEY_SPACE;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  }

  get segments() {
    return this.#scene.segments;
  }

  /** Rows drawn: owners beyond the last row are in the detail only. */
  get rows() {
    return Math.max(1, Math.min(MOST_ROWS, this.#scene.maxOwners));
  }

  get height() {
    return LANE + SPACE + FIRST_ROW + (this.rows - 1) * (ROW + SPACE) + AXIS;
  }

  get #plotWidth() {
    return Math.max(1, this.#canvas.clientWidth - GUTTER);
  }

  /** @param {Scene} scene */
  setScene(scene) {
    this.#scene = scene;
    this.draw();
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  setView(from, to) {
    const span = Math.min(KEY_SPACE, Math.max(64, Math.round(to - from)));
    this.from = Math.round(Math.min(Math.max(0, from), KEY_SPACE - span));
    this.to = this.from + span;
    this.draw();
  }

  /** @param {number} position */
  xOf(position) {
    return GUTTER + ((position - this.from) / (this.to - this.from)) * this.#plotWidth;
  }

  /** @param {number} x from the canvas's left edge */
  positionAt(x) {
    const share = Math.min(1, Math.max(0, (x - GUTTER) / this.#plotWidth));
    return Math.min(this.to - 1, Math.floor(this.from + share * (this.to - this.from)));
  }

  draw() {
    const width = this.#canvas.clientWidth;
    if (width === 0) return;
    const scale = window.devicePixelRatio || 1;
    this.#canvas.style.height = `${this.height}px`;
    const pixels = [Math.round(width * scale), Math.round(this.height * scale)];
    if (this.#canvas.width !== pixels[0]) this.#canvas.width = pixels[0] ?? 0;
    if (this.#canvas.height !== pixels[1]) this.#canvas.height = pixels[1] ?? 0;
    const context = this.#context;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, this.height);
    const style = getComputedStyle(this.#canvas);
    const theme = {
      track: style.getPropertyValue('--track'),
      gap: style.getPropertyValue('--gap'),
      muted: style.getPropertyValue('--muted'),
      line: style.getPropertyValue('--line'),
    };
    this.#drawTracks(theme);
    if (this.#inView() <= this.#plotWidth) this.#drawRuns(theme.gap);
    else this.#drawBins(theme.gap);
    this.#drawGapLane(theme.gap);
    this.#drawAxis(theme);
  }

  #inView() {
    const { segments } = this.#scene;
    return indexAt(segments, this.to - 1) - indexAt(segments, this.from) + 1;
  }

  /** @param {number} rank */
  #row(rank) {
    const top = LANE + SPACE;
    return rank === 0
      ? { y: top, height: FIRST_ROW }
      : { y: top + FIRST_ROW + SPACE + (rank - 1) * (ROW + SPACE), height: ROW };
  }

  get #bottom() {
    const last = this.#row(this.rows - 1);
    return last.y + last.height;
  }

  /** @param {{ track: string, muted: string }} theme */
  #drawTracks(theme) {
    const context = this.#context;
    context.font = '11px ui-monospace, monospace';
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    for (let rank = 0; rank < this.rows; rank++) {
      const { y, height } = this.#row(rank);
      context.fillStyle = theme.track;
      context.fillRect(GUTTER, y, this.#plotWidth, height);
      context.fillStyle = theme.muted;
      context.fillText(String(rank + 1), 2, y + height / 2);
    }
  }

  /** @param {string} gap */
  #drawRuns(gap) {
    const context = this.#context;
    const { segments, colours } = this.#scene;
    context.font = '600 12px system-ui, sans-serif';
    for (let rank = 0; rank < this.rows; rank++) {
      const { y, height } = this.#row(rank);
      for (const run of runs(segments, rank, this.from, this.to)) {
        const x = this.xOf(run.from);
        const end = this.xOf(run.to);
        if (run.node === null) {
          if (rank > 0) continue;
          context.fillStyle = gap;
          context.fillRect(x, y, Math.max(1, end - x), this.#bottom - y);
          continue;
        }
        // A hairline between neighbours, where there is room for one.
        const width = end - x > 4 && run.to < this.to ? end - x - 1 : Math.max(0.5, end - x);
        const fill = colours.get(run.node) ?? '#888888';
        context.fillStyle = fill;
        context.fillRect(x, y, width, height);
        if (width > 40) this.#label(run.name, fill, x, y + height / 2, width);
      }
    }
  }

  /**
   * @param {string} name
   * @param {string} fill
   * @param {number} x
   * @param {number} middle
   * @param {number} width
   */
  #label(name, fill, x, middle, width) {
    const context = this.#context;
    let text = name.slice(0, 40);
    while (text.length > 2 && context.measureText(text).width > width - 14) text = `${text.slice(0, -2)}…`;
    if (text.length <= 2 && text !== name) return;
    context.fillStyle = inkOn(fill);
    context.fillText(text, x + 7, middle);
  }

  /** @param {string} gap */
  #drawBins(gap) {
    const context = this.#context;
    const { segments, colours, order } = this.#scene;
    const bins = Math.max(1, Math.floor(this.#plotWidth / BIN_PX));
    const width = this.#plotWidth / bins;
    // On whole pixels of the device: antialiased seams would mix colours that nobody has.
    const scale = window.devicePixelRatio || 1;
    const snap = (/** @type {number} */ at) => Math.round(at * scale) / scale;
    /** @param {[string, number]} a @param {[string, number]} b */
    const byOrder = (a, b) => (order.get(a[0]) ?? 0) - (order.get(b[0]) ?? 0);
    for (let rank = 0; rank < this.rows; rank++) {
      const { y, height } = this.#row(rank);
      const bottom = this.#bottom;
      const shares = binned(segments, rank, this.from, this.to, bins);
      for (let b = 0; b < bins; b++) {
        const x = snap(GUTTER + b * width);
        const wide = snap(GUTTER + (b + 1) * width) - x;
        let filled = 0;
        for (const [node, share] of [...(shares[b] ?? [])].sort(byOrder)) {
          const low = snap(y + height * (1 - filled));
          filled += share;
          const top = snap(y + height * (1 - filled));
          context.fillStyle = colours.get(node) ?? '#888888';
          context.fillRect(x, top, wide, low - top);
        }
        if (rank === 0 && filled < 0.99) {
          const all = filled < 0.01;
          context.fillStyle = gap;
          context.fillRect(x, y, wide, all ? bottom - y : Math.max(2, snap(height * (1 - filled))));
        }
      }
    }
  }

  /** @param {string} gap */
  #drawGapLane(gap) {
    this.#context.fillStyle = gap;
    for (const { start, end } of this.#scene.gaps) {
      if (end < this.from || start >= this.to) continue;
      const x = this.xOf(Math.max(this.from, start));
      const width = Math.max(2, this.xOf(Math.min(this.to, end + 1)) - x);
      this.#context.fillRect(Math.min(x, GUTTER + this.#plotWidth - width), 0, width, LANE);
    }
  }

  /** @param {{ muted: string, line: string }} theme */
  #drawAxis(theme) {
    const context = this.#context;
    const y = this.#bottom + 4;
    const step = tickStep(this.to - this.from, Math.max(2, Math.floor(this.#plotWidth / TICK_PX)));
    context.font = '11px ui-monospace, monospace';
    context.textBaseline = 'top';
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = this.xOf(at);
      context.fillStyle = theme.line;
      context.fillRect(Math.min(x, GUTTER + this.#plotWidth - 1), y - 3, 1, 5);
      const text = hex(Math.min(at, KEY_SPACE - 1));
      const half = context.measureText(text).width / 2;
      const left = Math.min(Math.max(GUTTER, x - half), GUTTER + this.#plotWidth - 2 * half);
      context.fillStyle = theme.muted;
      context.fillText(text, left, y + 5);
    }
  }
}
