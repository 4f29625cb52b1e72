/** Under the bands: who has which colour, how many live owners positions have, and every gap. */
import { byId, el, rangeButton, setText, swatch } from './dom.js';
import { hexRange, percent, plural } from './format.js';
import { KEY_SPACE } from './keyspace.js';

/** @typedef {import('./keyspace.js').Summary} Summary */

const GAPS_LISTED = 50;
const LEGEND_LISTED = 40;
const DEEPEST = 4;

/**
 * @param {Summary} summary
 * @param {number} segments
 * @param {number} rows
 */
export function showCoverage(summary, segments, rows) {
  const { minOwners, maxOwners, gaps, depth } = summary;
  const hidden = maxOwners > rows ? `, rows 1 to ${rows} of ${maxOwners} drawn` : '';
  setText(byId('keyspace-summary'), `${plural(segments, 'segment')}, row 1 is the first owner${hidden}`);
  setText(
    byId('coverage-title'),
    minOwners === 0 ? 'Not covered' : `Every position has at least ${plural(minOwners, 'live owner')}`,
  );
  byId('coverage-title').classList.toggle('bad', minOwners === 0);
  const bar = byId('coverage-bar');
  const key = byId('coverage-key');
  bar.replaceChildren();
  key.replaceChildren();
  for (let owners = 0; owners <= DEEPEST; owners++) {
    const positions =
      owners < DEEPEST ? depth[owners] : depth.slice(DEEPEST).reduce((a, b) => a + (b ?? 0), 0);
    if (!positions) continue;
    const share = positions / KEY_SPACE;
    const part = el('span', { 'data-depth': owners });
    part.style.flexGrow = String(share);
    bar.append(part);
    const text =
      owners === 0
        ? 'no owner'
        : owners === 1
          ? '1 owner'
          : `${owners}${owners === DEEPEST ? ' or more' : ''} owners`;
    key.append(
      el(
        'li',
        null,
        el('span', { class: 'swatch', 'data-depth': owners, 'aria-hidden': 'true' }),
        `${text} `,
        el('strong', null, percent(share)),
      ),
    );
  }
  showGaps(gaps, (depth[0] ?? 0) / KEY_SPACE);
}

/**
 * @param {readonly import('./keyspace.js').Gap[]} gaps
 * @param {number} share
 */
function showGaps(gaps, share) {
  const box = byId('gaps');
  box.hidden = gaps.length === 0;
  setText(
    byId('gaps-title'),
    `${plural(gaps.length, 'gap')}: ${percent(share)} of the key space has no live owner`,
  );
  const list = byId('gaps-list');
  const wanted =
    gaps
      .slice(0, GAPS_LISTED)
      .map((gap) => `${gap.start}-${gap.end}`)
      .join() + gaps.length;
  if (list.dataset.shown === wanted) return;
  list.dataset.shown = wanted;
  list.replaceChildren(
    ...gaps
      .slice(0, GAPS_LISTED)
      .map(({ start, end }) =>
        el(
          'li',
          null,
          rangeButton(start, end, hexRange(start, end)),
          el('span', { class: 'muted' }, percent((end - start + 1) / KEY_SPACE)),
        ),
      ),
  );
  if (gaps.length > GAPS_LISTED) {
    list.append(
      el('li', { class: 'muted' }, `and ${gaps.length - GAPS_LISTED} more: shoal coverage lists them`),
    );
  }
}

/**
 * The nodes that own something, as a key to the colours.
 * @param {readonly { id: string, name: string }[]} owners
 * @param {Map<string, string>} colours
 */
export function showLegend(owners, colours) {
  const legend = byId('legend');
  const wanted = JSON.stringify(owners.map(({ id, name }) => [name, colours.get(id)]));
  if (legend.dataset.shown === wanted) return;
  legend.dataset.shown = wanted;
  legend.replaceChildren(
    ...owners
      .slice(0, LEGEND_LISTED)
      .map(({ id, name }) =>
        el('li', { 'data-node': id }, swatch(colours.get(id) ?? '#888888'), el('bdi', null, name)),
      ),
  );
  if (owners.length > LEGEND_LISTED)
    legend.append(el('li', { class: 'muted' }, `and ${owners.length - LEGEND_LISTED} more`));
}
