/** Pointer, touch and keys on the bands: points at a segment, pins it, zooms; and the line that describes the segment. */
import { el, rangeButton, swatch } from './dom.js';
import { count, hex, hexRange, percent, plural, slots } from './format.js';
import { indexAt, KEY_SPACE } from './keyspace.js';

/** @typedef {import('./keyspace.js').Segment} Segment */
/** @typedef {{ canvas: HTMLCanvasElement, line: HTMLElement, selection: HTMLElement, detail: HTMLElement }} Parts */

const DRAG_PX = 6;
const OWNERS_SHOWN = 24;

export class Cursor {
  #bands;
  #parts;
  #colours = new Map();
  /** Where a click or a key put the cursor; stays when the pointer leaves. @type {number | null} */
  #pinned = null;
  /** @type {number | null} */
  #hover = null;
  /** @type {number | null} */
  #dragFrom = null;

  /**
   * @param {import('./bands.js').Bands} bands
   * @param {Parts} parts
   */
  constructor(bands, parts) {
    this.#bands = bands;
    this.#parts = parts;
    const { canvas } = parts;
    canvas.addEventListener('pointermove', (event) => this.#onMove(event));
    canvas.addEventListener('pointerleave', () => this.#point(null));
    canvas.addEventListener('pointerdown', (event) => this.#onDown(event));
    canvas.addEventListener('pointerup', (event) => this.#onUp(event));
    canvas.addEventListener('pointercancel', () => this.#endDrag());
    canvas.addEventListener('dblclick', () => this.zoom(1 / 4));
    canvas.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** @param {Map<string, string>} colours */
  refresh(colours) {
    this.#colours = colours;
    this.#show();
  }

  /**
   * Brings a range into view, with its surroundings, and pins it.
   * @param {number} start
   * @param {number} end
   */
  showRange(start, end) {
    const margin = Math.max(32, (end - start + 1) / 4);
    this.#bands.setView(start - margin, end + 1 + margin);
    this.#pin(start);
    this.#parts.canvas.focus({ preventScroll: true });
    this.#parts.canvas.scrollIntoView({ block: 'center', behavior: 'smooth' });
  }

  /** @param {number} factor of the span: below 1 zooms in */
  zoom(factor) {
    const bands = this.#bands;
    const span = (bands.to - bands.from) * factor;
    const at = this.#hover ?? this.#pinned;
    const centre = at !== null && at >= bands.from && at < bands.to ? at : (bands.from + bands.to) / 2;
    bands.setView(centre - span / 2, centre + span / 2);
    this.#show();
  }

  all() {
    this.#bands.setView(0, KEY_SPACE);
    this.#show();
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    if (this.#dragFrom === null) {
      this.#point(this.#bands.positionAt(event.offsetX));
      return;
    }
    const { selection } = this.#parts;
    const left = Math.min(this.#dragFrom, event.offsetX);
    const width = Math.abs(event.offsetX - this.#dragFrom);
    selection.hidden = width < DRAG_PX;
    selection.style.left = `${left}px`;
    selection.style.width = `${width}px`;
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    // On a touch screen a drag scrolls the page; a tap still pins.
    if (event.pointerType !== 'mouse' || event.button !== 0) return;
    this.#dragFrom = event.offsetX;
    this.#parts.canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #onUp(event) {
    const from = this.#dragFrom;
    this.#endDrag();
    if (from !== null && Math.abs(event.offsetX - from) >= DRAG_PX) {
      const edges = [this.#bands.positionAt(from), this.#bands.positionAt(event.offsetX)];
      this.#bands.setView(Math.min(...edges), Math.max(...edges) + 1);
      this.#show();
    } else this.#pin(this.#bands.positionAt(event.offsetX));
  }

  #endDrag() {
    this.#dragFrom = null;
    this.#parts.selection.hidden = true;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { segments } = this.#bands;
    const index = indexAt(segments, this.#pinned ?? 0);
    const step = event.shiftKey ? 10 : 1;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: () => this.#goTo(this.#pinned === null ? 0 : index + step),
      ArrowLeft: () => this.#goTo(index - step),
      ArrowUp: () => this.#goTo(index + step),
      ArrowDown: () => this.#goTo(index - step),
      PageUp: () => this.#goTo(index + 100),
      PageDown: () => this.#goTo(index - 100),
      Home: () => this.#goTo(0),
      End: () => this.#goTo(segments.length - 1),
      '+': () => this.zoom(1 / 2),
      '=': () => this.zoom(1 / 2),
      '-': () => this.zoom(2),
      0: () => this.all(),
      Escape: () => this.#pin(null),
    };
    const action = keys[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  /** @param {number} index */
  #goTo(index) {
    const { segments, from, to } = this.#bands;
    const segment = segments[Math.max(0, Math.min(segments.length - 1, index))];
    if (segment === undefined) return;
    if (segment.start < from || segment.start >= to) {
      const half = (to - from) / 2;
      this.#bands.setView(segment.start - half, segment.start + half);
    }
    this.#hover = null;
    this.#pin(segment.start);
  }

  /** @param {number | null} position */
  #pin(position) {
    this.#pinned = position;
    this.#show();
  }

  /** @param {number | null} position */
  #point(position) {
    this.#hover = position;
    this.#show();
  }

  #show() {
    const bands = this.#bands;
    const { canvas, line, detail } = this.#parts;
    const at = this.#hover ?? this.#pinned;
    const segment = at === null ? undefined : bands.segments[indexAt(bands.segments, at)];
    line.hidden = at === null || at < bands.from || at >= bands.to;
    if (at === null || segment === undefined) {
      detail.replaceChildren(
        el(
          'span',
          { class: 'muted' },
          matchMedia('(hover: none)').matches
            ? 'Tap the bands for a segment and its owners.'
            : 'Point at the bands for a segment and its owners; drag to zoom in.',
        ),
      );
      canvas.setAttribute('aria-valuetext', 'no segment chosen');
      return;
    }
    line.style.left = `${bands.xOf(at)}px`;
    canvas.setAttribute('aria-valuenow', String(at));
    const who = segment.owners.map((o) => `${o.name} priority ${o.priority}`).join(', ');
    canvas.setAttribute(
      'aria-valuetext',
      `${hex(segment.start)} to ${hex(segment.end)}: ${who || 'no owner'}`,
    );
    detail.replaceChildren(...this.#describe(segment));
  }

  /** @param {Segment} segment */
  #describe(segment) {
    const { start, end, owners } = segment;
    const size = end - start + 1;
    const where = el(
      'div',
      { class: 'where' },
      rangeButton(start, end, el('strong', { class: 'mono' }, hexRange(start, end))),
      el('span', { class: 'muted mono' }, `${start}–${end}`),
      el(
        'span',
        { class: 'muted' },
        `${slots(start, end)}, ${percent(size / KEY_SPACE)} (${plural(size, 'position')})`,
      ),
    );
    if (owners.length === 0)
      return [where, el('div', { class: 'bad' }, 'No live owner: register this range on a node.')];
    const list = el('ol', { class: 'owners', 'aria-label': 'Owners in order' });
    for (const owner of owners.slice(0, OWNERS_SHOWN)) {
      list.append(
        el(
          'li',
          null,
          swatch(this.#colours.get(owner.node) ?? '#888888'),
          el('bdi', null, owner.name),
          el('span', { class: 'muted', title: 'priority' }, count(owner.priority)),
        ),
      );
    }
    if (owners.length > OWNERS_SHOWN)
      list.append(el('li', { class: 'muted' }, `and ${owners.length - OWNERS_SHOWN} more`));
    return [where, list];
  }
}
