/** The table of registrations: the first ones that match the filter. */
import { byId, el, rangeButton, setText, swatch } from './dom.js';
import { count, hexRange, percent } from './format.js';
import { KEY_SPACE } from './keyspace.js';

/** @typedef {import('../../../node/contract.ts').RangeView} Range */

const ROWS_SHOWN = 200;

/** @type {readonly Range[]} */
let ranges = [];
/** @type {Map<string, string>} */
let colours = new Map();
/** Members that do not own now, with their state. @type {Map<string, string>} */
let absent = new Map();
let shown = '';

export function watchFilter() {
  byId('ranges-filter').addEventListener('input', render);
}

/**
 * @param {readonly Range[]} newRanges
 * @param {Map<string, string>} newColours
 * @param {Map<string, string>} newAbsent
 */
export function showRanges(newRanges, newColours, newAbsent) {
  ranges = newRanges;
  colours = newColours;
  absent = newAbsent;
  render();
}

/**
 * A position matches the ranges that hold it; other text matches names and ids.
 * @param {string} text
 * @returns {(range: Range) => boolean}
 */
export function matcher(text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return () => true;
  const slot = /^slot:(\d{1,5})$/.exec(wanted);
  const position =
    slot !== null
      ? Number(slot[1]) * 2 ** 18
      : /^(0x[0-9a-f]{1,8}|\d{1,10})$/.test(wanted)
        ? Number(wanted)
        : null;
  return (range) =>
    range.name.toLowerCase().includes(wanted) ||
    range.node.includes(wanted) ||
    (position !== null && range.start <= position && position <= range.end);
}

function render() {
  const filter = /** @type {HTMLInputElement} */ (byId('ranges-filter')).value;
  const matching = ranges.filter(matcher(filter));
  const rows = matching.slice(0, ROWS_SHOWN);
  const first = rows.length < matching.length ? `first ${rows.length} of ` : '';
  setText(
    byId('ranges-summary'),
    filter.trim() === ''
      ? `${first}${count(ranges.length)}`
      : `${first}${count(matching.length)} matching of ${count(ranges.length)}`,
  );
  const wanted = JSON.stringify(
    rows.map((r) => [r.name, r.start, r.end, r.priority, colours.get(r.node), absent.get(r.node)]),
  );
  if (wanted === shown) return;
  shown = wanted;
  byId('ranges-body').replaceChildren(...(rows.length === 0 ? [nothing(filter)] : rows.map(rowFor)));
}

/** @param {string} filter */
function nothing(filter) {
  const text =
    filter.trim() === ''
      ? 'No range is registered. Try: shoal register 0 0xffffffff'
      : 'No registration matches.';
  return el('tr', null, el('td', { colspan: 4, class: 'muted' }, text));
}

/** @param {Range} range */
function rowFor(range) {
  const { start, end } = range;
  const state = absent.get(range.node);
  return el(
    'tr',
    state === undefined ? null : { class: 'muted', title: 'Does not count while its node is not there' },
    el(
      'th',
      { scope: 'row' },
      el(
        'span',
        { class: 'who' },
        swatch(colours.get(range.node) ?? '#888888'),
        el('bdi', null, range.name),
        state === undefined ? null : el('span', { class: 'pill small' }, state),
      ),
    ),
    el('td', null, rangeButton(start, end, hexRange(start, end))),
    el('td', { class: 'number' }, percent((end - start + 1) / KEY_SPACE)),
    el('td', { class: 'number' }, count(range.priority)),
  );
}
