/** The message store of this node: its figures over the last minutes, and its slow commands. */
import { byId, el, setText } from './dom.js';
import { bytes, clock, count, millis, percent, plural } from './format.js';
import { Plot } from './plot.js';

/** @typedef {import('../../../node/contract.ts').StoreInfoView} Info */
/** @typedef {import('../../../node/contract.ts').StoreHistoryView} History */
/** @typedef {import('../../../node/contract.ts').StoreSlowView} Slow */
/** @typedef {Exclude<keyof History, 'everyMs' | 'atMs'>} Column */
/** @typedef {{ atMs: number } & Partial<Record<Column, number>>} Sample a gap in time has no figures */
/** @typedef {{ title: string, columns: readonly Column[], format: (value: number) => string, steps?: readonly number[], limit?: (info: Info) => number | null, budget?: Info['full'], top?: number, shown?: (info: Info) => boolean }} Spec */

const HEIGHT = 132;
const SAMPLES = 300;
/** Below this width of time the plots do not shrink. */
const LEAST_SECONDS = 60;
/** From this share of a budget on the plot shows where it ends. */
const LIMIT_SHOWN_FROM = 0.4;

/** Round numbers of bytes. */
const BYTE_STEPS = Array.from({ length: 44 }, (_, i) => 2 ** i);
const WHOLE_STEPS = Array.from({ length: 24 }, (_, i) => [1, 2, 5].map((digit) => digit * 10 ** i)).flat();

/** @type {Record<string, Spec>} */
const SPECS = {
  rate: { title: 'Commands a second', columns: ['commandsPerSecond'], format: count, steps: WHOLE_STEPS },
  memory: {
    title: 'Memory',
    columns: ['heldBytes', 'usedBytes'],
    format: bytes,
    steps: BYTE_STEPS,
    limit: (info) => info.memoryLimitBytes,
    budget: 'memory',
  },
  disk: {
    title: 'Disk',
    columns: ['diskBytes'],
    format: bytes,
    steps: BYTE_STEPS,
    limit: (info) => info.diskLimitBytes,
    budget: 'disk',
    shown: (info) => info.directory !== null,
  },
  messages: {
    title: 'Messages',
    columns: ['keys'],
    format: count,
    steps: WHOLE_STEPS,
    shown: (info) => info.directory === null,
  },
  clients: { title: 'Clients', columns: ['clients'], format: count, steps: WHOLE_STEPS },
  busy: { title: 'Event loop busy', columns: ['busyPercent'], format: (value) => `${value} %`, top: 100 },
  lag: { title: 'Timers late by', columns: ['lagMs'], format: millis },
};

/** @type {Info | null} */
let info = null;
/** Oldest first. @type {Sample[]} */
let samples = [];
/** Where the pointer is, on all plots. @type {number | null} */
let pointed = null;
/** @type {Map<string, { plot: Plot, box: HTMLElement, value: HTMLElement, canvas: HTMLElement }>} */
const plots = new Map();

/** What is asked behind the path: samples that are not here yet. */
export function historyQuery() {
  return samples.length === 0 ? '' : `?after=${samples.at(-1)?.atMs}`;
}

export function showNoStore() {
  showNone('This node has no store: it runs with --no-resp.');
}

/** @param {Info} now */
export function showStore(now) {
  info = now;
  const { resp, proxy, awake } = now;
  const ports = proxy === null ? `${resp} (cluster)` : `${resp} (cluster), ${proxy} (plain)`;
  const kept = now.directory === null ? 'in memory only' : `${now.backend} in ${now.directory}`;
  setText(byId('store-summary'), `${ports} · ${kept}`);
  if (!awake) {
    showNone('Not in use yet: nothing of it is in memory before its first client.');
    return;
  }
  byId('store-none').hidden = true;
  byId('store-body').hidden = false;
  const { slots } = now;
  const reads = now.hits + now.misses;
  showFigures({
    messages: count(now.keys),
    'with an expiry': count(now.expiring),
    ...(now.strays > 0 ? { 'in slots not served here': count(now.strays) } : {}),
    'slots served': count(slots.served),
    ...(slots.unsettled > 0 ? { 'slots not settled': count(slots.unsettled) } : {}),
    'commands, last minute': `${count(now.perSecond.minute)} a second`,
    forwarded: count(now.forwarded),
    ...(reads > 0 ? { 'reads that found a message': percent(now.hits / reads) } : {}),
    expired: count(now.expired),
    'longest turn': millis(now.longestTurnMs),
    ...(now.backend === 'log'
      ? { 'last snapshot': now.snapshotAt === null ? 'none yet' : clock(now.snapshotAt) }
      : {}),
  });
  drawPlots();
}

/** @param {string} text */
function showNone(text) {
  byId('store-body').hidden = true;
  byId('store-none').hidden = false;
  setText(byId('store-none'), text);
}

/** @param {Record<string, string>} wanted */
function showFigures(wanted) {
  byId('store-figures').replaceChildren(
    ...Object.entries(wanted).map(([name, text]) =>
      el('div', null, el('dt', null, name), el('dd', null, text)),
    ),
  );
}

/** @param {History} history */
export function showHistory(history) {
  samples = merged(samples, history);
  drawPlots();
}

/**
 * What was known and what came; where time is missing, or a clock was set back, the line breaks.
 * @param {readonly Sample[]} known
 * @param {History} history
 * @returns {Sample[]}
 */
export function merged(known, history) {
  const { everyMs, atMs, ...columns } = history;
  const [first] = atMs;
  if (first === undefined) return [...known];
  const out = known.filter((sample) => sample.atMs < first);
  for (const [i, at] of atMs.entries()) {
    const last = out.at(-1);
    if (last !== undefined && at - last.atMs > 3 * everyMs) out.push({ atMs: last.atMs + everyMs });
    const figures = Object.entries(columns).map(([name, values]) => [name, values[i]]);
    out.push({ atMs: at, ...Object.fromEntries(figures) });
  }
  return out.slice(-SAMPLES);
}

function drawPlots() {
  if (info === null || !info.awake || samples.length === 0) return;
  for (const [id, spec] of Object.entries(SPECS)) {
    const parts = plots.get(id) ?? make(id, spec);
    parts.box.hidden = spec.shown?.(info) === false;
    if (!parts.box.hidden) parts.plot.set(columnsOf(spec));
    describe(spec, parts);
  }
}

/** Of two lines and a limit, with a first entry that gives the plot its least width. @param {Spec} spec */
function columnsOf(spec) {
  const x = samples.map(({ atMs }) => atMs / 1000);
  const y = spec.columns.map((name) => samples.map((sample) => sample[name] ?? null));
  const newest = x.at(-1) ?? 0;
  const from = Math.min(x[0] ?? newest, newest - LEAST_SECONDS);
  const limit = limitOf(spec);
  const limits = spec.limit === undefined ? [] : [[limit, ...x.map(() => limit)]];
  return [[from, ...x], ...y.map((column) => [null, ...column]), ...limits];
}

/** @param {Spec} spec */
function limitOf({ limit }) {
  return info === null ? null : (limit?.(info) ?? null);
}

/**
 * @param {string} id
 * @param {Spec} spec
 */
function make(id, spec) {
  const canvas = el('div', { class: 'plot', role: 'img' });
  const value = el('span', { class: 'value' });
  const title = el('figcaption', null, el('span', { class: 'muted' }, spec.title), value);
  const box = el('figure', { 'data-plot': id }, title, canvas);
  byId('store-plots').append(box);
  const plot = new Plot(canvas, {
    height: HEIGHT,
    lines: [
      ...(spec.columns.length > 1 ? [{ colour: '--depth-2' }] : []),
      { colour: '--accent', fill: '--accent-faint' },
      ...(spec.limit === undefined ? [] : [{ colour: '--warn', dashed: true }]),
    ],
    ...(spec.steps === undefined ? {} : { steps: spec.steps }),
    top: () => topOf(spec),
    tick: (number) => spec.format(number),
    clock: (x, step) => clock(new Date(x * 1000).toISOString()).slice(0, step < 60 ? 8 : 5),
    onCursor: (index) => {
      pointed = index === null || index === 0 ? null : index - 1;
      describe(spec, parts);
    },
  });
  const parts = { plot, box, value, canvas };
  plots.set(id, parts);
  return parts;
}

/** @param {Spec} spec */
function topOf(spec) {
  if (spec.top !== undefined) return spec.top;
  const high = Math.max(...samples.map((sample) => sample[/** @type {Column} */ (spec.columns[0])] ?? 0));
  const limit = limitOf(spec) ?? Infinity;
  return high >= LIMIT_SHOWN_FROM * limit ? Math.max(high, limit) * 1.05 : Math.max(1, high * 1.15);
}

/**
 * The value at the pointer, else the newest, in words too.
 * @param {Spec} spec
 * @param {{ value: HTMLElement, canvas: HTMLElement }} parts
 */
function describe(spec, { value, canvas }) {
  const at = pointed === null ? samples.at(-1) : samples[pointed];
  const limit = limitOf(spec);
  // The first of two is what is held, of which the second is in use.
  const number = at?.[/** @type {Column} */ (spec.columns[0])];
  const text =
    number === undefined
      ? '–'
      : limit === null
        ? spec.format(number)
        : `${spec.format(number)} of ${spec.format(limit)}, ${percent(Math.min(1, number / limit))}`;
  const when = pointed === null || at === undefined ? '' : ` at ${clock(new Date(at.atMs).toISOString())}`;
  setText(value, text + when);
  value.classList.toggle('bad', spec.budget !== undefined && info?.full === spec.budget);
  if (pointed === null) canvas.setAttribute('aria-label', `${spec.title}: ${text}`);
}

/** @param {Slow} slow */
export function showSlow({ entries, slowerThanMs }) {
  setText(
    byId('slow-summary'),
    slowerThanMs < 0
      ? 'not logged'
      : `that took longer than ${millis(slowerThanMs)}; the last ${plural(entries.length, 'entry', 'entries')}`,
  );
  byId('slow-box').hidden = entries.length === 0;
  byId('slow-body').replaceChildren(
    ...entries.map(({ id, time, ms, command, keys, client, clientName }) =>
      el(
        'tr',
        { 'data-slow': id },
        el('td', null, el('time', { datetime: time, title: time }, clock(time))),
        el('td', { class: 'number' }, millis(ms)),
        el('th', { scope: 'row', class: 'mono' }, command.replace('|', ' ')),
        el(
          'td',
          { class: 'mono keys' },
          keys === null ? 'not shown: the store has a password' : keysText(keys),
        ),
        el('td', { class: 'muted' }, clientName === '' ? client : `${clientName} ${client}`),
      ),
    ),
  );
}

/** @param {readonly string[]} keys */
function keysText(keys) {
  const most = 4;
  const more = keys.length > most ? ` and ${keys.length - most} more` : '';
  return keys.slice(0, most).join(' ') + more;
}
