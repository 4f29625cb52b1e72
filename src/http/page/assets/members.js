/** The table of members. Rows are kept by id and changed in place, so that a selection or a focus is not lost. */
import { byId, el, icon, setText, swatch } from './dom.js';
import { duration, millis, percent, plural } from './format.js';
import { KEY_SPACE } from './keyspace.js';

/** @typedef {import('../../../node/contract.ts').MemberView} Member */
/** @typedef {import('../../../node/contract.ts').StatusView} Status */
/** @typedef {{ members: readonly Member[], status: Status | null, first: Map<string, number>, colours: Map<string, string> }} MembersData */

const ROWS_SHOWN = 300;
const HEARS = 'M8 2v10M4 8l4 4 4-4';
const HEARD = 'M8 14V4M4 8l4-4 4 4';
const STATE_ORDER = { suspect: 0, down: 1, alive: 2, left: 3 };

/** @type {Map<string, { row: HTMLTableRowElement, shown: string }>} */
const rows = new Map();

/** @param {MembersData} data */
export function showMembers(data) {
  const { members } = data;
  const live = members.filter(isLive);
  const differing = live.filter((m) => agreement(m, data.status) === 'differs').length;
  const unknown = live.filter((m) => agreement(m, data.status) === 'unknown').length;
  setText(
    byId('members-summary'),
    `${plural(live.length, 'live member')}${differing > 0 ? `, ${differing} with another digest` : unknown > 0 ? '' : ', all agree'}`,
  );
  const body = byId('members-body');
  // With more than the table holds, those in trouble come first.
  const shown =
    members.length <= ROWS_SHOWN
      ? members
      : [...members].sort((a, b) => STATE_ORDER[a.status] - STATE_ORDER[b.status]).slice(0, ROWS_SHOWN);
  const seen = new Set(shown.map((m) => m.id));
  for (const [id, { row }] of rows) {
    if (seen.has(/** @type {Member['id']} */ (id))) continue;
    row.remove();
    rows.delete(id);
  }
  shown.forEach((member, i) => {
    const row = rowFor(member, data);
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
  });
  body.querySelector('tr.more')?.remove();
  if (members.length > shown.length) {
    body.append(
      el(
        'tr',
        { class: 'more' },
        el(
          'td',
          { colspan: 8, class: 'muted' },
          `and ${members.length - shown.length} more: shoal members lists them`,
        ),
      ),
    );
  }
}

/**
 * @param {Member} member
 * @param {MembersData} data
 */
function rowFor(member, data) {
  let kept = rows.get(member.id);
  if (kept === undefined) {
    kept = { row: el('tr', { 'data-node': member.id }), shown: '' };
    rows.set(member.id, kept);
  }
  const cells = cellTexts(member, data);
  const wanted = JSON.stringify([
    cells,
    member.name,
    member.address,
    member.tags,
    data.colours.get(member.id),
  ]);
  if (wanted !== kept.shown) {
    kept.shown = wanted;
    fill(kept.row, member, cells, data.colours.get(member.id) ?? '#888888');
  }
  return kept.row;
}

/**
 * @param {Member} member
 * @param {MembersData} data
 */
function cellTexts(member, { status, first }) {
  return {
    state: member.status,
    rtt: member.self ? '' : member.rttMs === null ? '–' : millis(member.rttMs),
    heard: member.self ? '' : member.lastSeenMs === null ? 'never' : ago(member.lastSeenMs),
    share: (first.get(member.id) ?? 0) / KEY_SPACE,
    hears: status?.multicast.hears.includes(member.id) ?? false,
    heardBy: status?.multicast.heardBy.includes(member.id) ?? false,
    multicast: status?.multicast.enabled ?? false,
    fill: fillOf(member),
    agrees: member.self || !isLive(member) ? '' : agreement(member, status),
  };
}

/** @param {Member} member */
function isLive({ status }) {
  return status === 'alive' || status === 'suspect';
}

/**
 * How full its store is, as it last told: in steps. Null: it has none, or did not tell.
 * @param {Member} member
 */
function fillOf({ capacity }) {
  const { storeMb, storePercent = 0, storeDiskMb, storeDiskPercent = 0 } = capacity;
  const parts = [
    { of: 'memory', mb: storeMb, percent: storePercent },
    { of: 'disk', mb: storeDiskMb, percent: storeDiskPercent },
  ].filter(({ mb }) => mb !== undefined);
  if (parts.length === 0) return null;
  return {
    fullest: Math.max(...parts.map(({ percent }) => percent)),
    text: parts.map(({ of, mb, percent }) => `${of} ${percent} % of ${mb} MB`).join(', '),
  };
}

/** @param {number} ms */
function ago(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms / 1000);
}

/**
 * @param {Member} member
 * @param {Status | null} status
 */
function agreement(member, status) {
  if (member.self) return 'agrees';
  if (member.digest === null || status === null) return 'unknown';
  return member.digest === status.digest ? 'agrees' : 'differs';
}

/**
 * @param {HTMLTableRowElement} row
 * @param {Member} member
 * @param {ReturnType<typeof cellTexts>} cells
 * @param {string} colour
 */
function fill(row, member, cells, colour) {
  row.className = `is-${member.status}`;
  const tags = Object.entries(member.tags).map(([k, v]) => el('li', null, v === '' ? k : `${k}=${v}`));
  row.replaceChildren(
    el(
      'th',
      { scope: 'row' },
      el(
        'span',
        { class: 'who' },
        swatch(colour),
        el('bdi', { class: 'name' }, member.name),
        member.self ? el('span', { class: 'pill small' }, 'this node') : null,
      ),
      el('span', { class: 'muted mono address' }, member.address),
      tags.length > 0 ? el('ul', { class: 'tags', 'aria-label': 'tags' }, ...tags) : null,
    ),
    el('td', { 'data-label': 'State' }, el('span', { class: `state ${member.status}` }, member.status)),
    el('td', { 'data-label': 'Round trip', class: 'number rtt' }, cells.rtt),
    el('td', { 'data-label': 'Last heard', class: 'number' }, cells.heard),
    el(
      'td',
      { 'data-label': 'First owner of', class: 'share' },
      meter(cells.share, colour),
      el('span', { class: 'number' }, percent(cells.share)),
    ),
    el(
      'td',
      { 'data-label': 'Store', class: 'share fill', title: cells.fill?.text },
      ...storeCell(cells.fill),
    ),
    el('td', { 'data-label': 'Multicast', class: 'reach' }, ...reach(member, cells)),
    el('td', { 'data-label': 'Agrees' }, agrees(member, cells.agrees)),
  );
}

/**
 * @param {number} share
 * @param {string} colour
 */
function meter(share, colour) {
  const node = el('span', { class: 'meter', 'aria-hidden': 'true' }, el('span', null));
  const bar = /** @type {HTMLElement} */ (node.firstElementChild);
  bar.style.width = `${Math.min(1, share) * 100}%`;
  bar.style.backgroundColor = colour;
  return node;
}

const NEARLY_FULL = 85;

/** @param {ReturnType<typeof fillOf>} fill */
function storeCell(fill) {
  if (fill === null) return [];
  const { fullest } = fill;
  const full = fullest >= NEARLY_FULL;
  return [
    meter(fullest / 100, full ? 'var(--bad)' : 'var(--accent)'),
    el('span', { class: full ? 'number bad' : 'number' }, `${fullest} %`),
  ];
}

/**
 * @param {Member} member
 * @param {ReturnType<typeof cellTexts>} cells
 */
function reach(member, cells) {
  if (member.self || !cells.multicast || !isLive(member)) return [];
  const text =
    cells.hears && cells.heardBy
      ? 'both ways'
      : cells.hears
        ? 'we hear it'
        : cells.heardBy
          ? 'it hears us'
          : 'not reached';
  const down = el('span', { class: cells.hears ? 'on' : 'off' }, icon(HEARS));
  const up = el('span', { class: cells.heardBy ? 'on' : 'off' }, icon(HEARD));
  return [down, up, el('span', { class: cells.hears && cells.heardBy ? 'text' : 'text muted' }, text)];
}

/**
 * @param {Member} member
 * @param {string} state
 */
function agrees(member, state) {
  if (state === '') return null;
  const text = state === 'agrees' ? 'yes' : state === 'differs' ? 'differs' : 'unknown';
  return el(
    'span',
    { class: `agrees ${state}`, title: member.digest ?? 'no digest heard from it yet' },
    text,
  );
}
