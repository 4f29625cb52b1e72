/** The status page: puts the node's answers and events where they belong. Each part draws itself; this file only wires. */
import { Bands } from './bands.js';
import { assignColours } from './colour.js';
import { showCoverage, showLegend } from './coverage.js';
import { Cursor } from './cursor.js';
import { byId, setText } from './dom.js';
import { showEvents, showNoEvents } from './events.js';
import { Feed, STORE_TOPICS } from './feed.js';
import { summarize } from './keyspace.js';
import { showMembers } from './members.js';
import { showReady, showStatus, showWarnings } from './overview.js';
import { redrawPlots } from './plot.js';
import { showPropagation } from './propagation.js';
import { showRanges, watchFilter } from './ranges.js';
import { showDrops, showKeys } from './security.js';
import { historyQuery, showHistory, showNoStore, showSlow, showStore } from './store.js';
import { Stream } from './stream.js';

/** @typedef {import('../../../node/contract.ts').StatusView} Status */
/** @typedef {import('../../../node/contract.ts').MemberView} Member */
/** @typedef {import('../../../node/contract.ts').SegmentView} Segment */
/** @typedef {import('../../../node/contract.ts').RangeView} Range */

/** What the node last said. */
const data = {
  /** @type {Status | null} */
  status: null,
  /** @type {readonly Member[]} */
  members: [],
  /** @type {readonly Segment[]} */
  segments: [],
  /** @type {readonly Range[]} */
  ranges: [],
};
let summary = summarize([]);
/** @type {Map<string, string>} */
let colours = new Map();

const canvas = /** @type {HTMLCanvasElement} */ (byId('bands-canvas'));
const bands = new Bands(canvas);
const cursor = new Cursor(bands, {
  canvas,
  line: byId('bands-cursor'),
  selection: byId('bands-selection'),
  detail: byId('detail'),
});

/** What to draw anew. Answers come in bursts; each part is drawn once a frame at most. @type {Set<'status' | 'keyspace' | 'members' | 'ranges'>} */
const stale = new Set();

/** @param {...('status' | 'keyspace' | 'members' | 'ranges')} parts */
function redraw(...parts) {
  if (stale.size === 0) requestAnimationFrame(draw);
  for (const part of parts) stale.add(part);
}

function draw() {
  const parts = new Set(stale);
  stale.clear();
  if (parts.has('keyspace')) drawKeyspace();
  if (parts.has('status') && data.status !== null) showStatus(data.status, data.members);
  if (parts.has('members'))
    showMembers({ members: data.members, status: data.status, first: summary.first, colours });
  if (parts.has('ranges')) showRanges(data.ranges, colours, absentMembers());
}

/** Owners that the member list does not name (yet) get a colour and a place too. */
function knownNodes() {
  /** @type {Map<string, string>} */
  const names = new Map(data.members.map((member) => [member.id, member.name]));
  for (const { node, name } of data.ranges) if (!names.has(node)) names.set(node, name);
  for (const [id, name] of summary.names) if (!names.has(id)) names.set(id, name);
  return names;
}

function drawKeyspace() {
  const names = knownNodes();
  colours = assignColours(names.keys());
  const byName = [...names].sort((a, b) => (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : a[0] < b[0] ? -1 : 1));
  const order = new Map(byName.map(([id], i) => [id, i]));
  bands.setScene({
    segments: data.segments,
    colours,
    order,
    gaps: summary.gaps,
    maxOwners: summary.maxOwners,
  });
  const owners = byName.filter(([id]) => summary.names.has(id)).map(([id, name]) => ({ id, name }));
  showLegend(owners, colours);
  showCoverage(summary, data.segments.length, bands.rows);
  cursor.refresh(colours);
}

/** Whose registrations do not count at present. */
function absentMembers() {
  const gone = data.members.filter(({ status }) => status === 'down' || status === 'left');
  return new Map(gone.map(({ id, status }) => [/** @type {string} */ (id), status]));
}

function hasStore() {
  return (data.status?.node.addresses.resp ?? null) !== null;
}

/** @param {readonly Member[]} members */
function namesOf(members) {
  return JSON.stringify(members.map(({ id, name }) => [id, name]));
}

/** @type {Record<import('./feed.js').Topic, (answer: never) => void>} */
const receive = {
  status(/** @type {Status} */ status) {
    const had = hasStore();
    data.status = status;
    if (!hasStore()) showNoStore();
    else if (!had) feed.refetch(STORE_TOPICS);
    showWarnings(status.warnings);
    showKeys(status);
    redraw('status', 'members');
  },
  members(/** @type {{ members: Member[] }} */ { members }) {
    if (namesOf(members) !== namesOf(data.members)) redraw('keyspace', 'ranges');
    data.members = members;
    redraw('status', 'members', 'ranges');
    // The history comes with the stream; its events name nodes by what is known here.
    if (!stream.wanted && document.visibilityState !== 'hidden') stream.open();
  },
  owners(/** @type {{ segments: Segment[] }} */ { segments }) {
    data.segments = segments;
    summary = summarize(segments);
    redraw('keyspace', 'members');
  },
  ranges(/** @type {{ ranges: Range[] }} */ { ranges }) {
    data.ranges = ranges;
    if (ranges.some(({ node }) => !colours.has(node))) redraw('keyspace');
    redraw('ranges');
  },
  propagation(/** @type {{ ms: number[] }} */ { ms }) {
    showPropagation(ms);
  },
  drops(/** @type {{ drops: import('../../drops.ts').DropView[] }} */ { drops }) {
    showDrops(drops);
  },
  store: showStore,
  history: showHistory,
  slowlog: showSlow,
  ready(/** @type {{ ready: boolean, reason: string }} */ state) {
    showReady(state);
  },
};

/**
 * @param {'live' | 'lost'} state
 * @param {string} problem
 */
function showLink(state, problem) {
  const was = document.body.dataset.link;
  document.body.dataset.link = state;
  const pill = byId('link');
  setText(pill, state === 'live' ? 'live' : 'connection lost');
  pill.className = `pill ${state === 'live' ? 'good' : 'bad'}`;
  const banner = byId('banner');
  const text =
    state === 'lost'
      ? 'Connection lost, trying again. What is shown may be out of date; is the daemon running?'
      : problem;
  setText(banner, text);
  banner.hidden = text === '';
  if (state === 'live' && was === 'lost') stream.open();
}

const feed = new Feed(
  (topic, answer) => receive[topic](/** @type {never} */ (answer)),
  showLink,
  (topic) =>
    !STORE_TOPICS.includes(topic) ? '' : !hasStore() ? null : topic === 'history' ? historyQuery() : '',
);

const stream = new Stream(
  (events) => {
    const names = new Map(data.members.map((member) => [/** @type {string} */ (member.id), member.name]));
    showEvents(events, names);
    for (const { type } of events) {
      if (type === 'owners-changed') feed.refetch(['owners', 'status']);
      else if (type === 'keys-changed') feed.refetch(['status']);
      else if (type.startsWith('range-')) feed.refetch(['ranges', 'status', 'propagation']);
      else feed.refetch(['members', 'status']);
    }
  },
  (state) => {
    const texts = { open: 'as they happen', retrying: 'interrupted, trying again', paused: 'paused' };
    setText(byId('events-state'), texts[state]);
    showNoEvents();
  },
  () => feed.refetch(),
);

function onVisibility() {
  if (document.visibilityState === 'hidden') {
    feed.pause();
    stream.pause();
  } else {
    feed.resume();
    if (data.members.length > 0) stream.open();
  }
}

byId('zoom-in').addEventListener('click', () => cursor.zoom(1 / 2));
byId('zoom-out').addEventListener('click', () => cursor.zoom(2));
byId('zoom-all').addEventListener('click', () => cursor.all());
document.addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest('button.range') : null;
  if (button instanceof HTMLElement)
    cursor.showRange(Number(button.dataset.start), Number(button.dataset.end));
});
new ResizeObserver(() => {
  bands.draw();
  cursor.refresh(colours);
}).observe(canvas);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  bands.draw();
  redrawPlots();
});
document.addEventListener('visibilitychange', onVisibility);
watchFilter();
onVisibility();
