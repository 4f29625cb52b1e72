/** The head of the page: the node, its group in figures, and what needs somebody's attention. */
import { byId, el, setText } from './dom.js';
import { count, duration, millis, percent, plural } from './format.js';
import { KEY_SPACE } from './keyspace.js';

/** @typedef {import('../../../node/contract.ts').StatusView} Status */
/** @typedef {import('../../../node/contract.ts').MemberView} Member */
/** @typedef {{ text: string, note?: string, mono?: boolean, noteTone?: 'warn' | 'bad', tone?: 'good' | 'warn' | 'bad' }} Fact */

/**
 * @param {Status} status
 * @param {readonly Member[]} known
 */
export function showStatus(status, known) {
  const { node } = status;
  document.title = `${node.name} · shoal`;
  setText(byId('node-name'), node.name);
  setText(byId('cluster-name'), status.cluster);
  const { gossip, http, resp } = node.addresses;
  const parts = [`id ${node.id}`, `gossip ${gossip}`, `http ${http ?? 'off'}`, `resp ${resp ?? 'off'}`];
  setText(byId('node-line'), [...parts, `shoal ${node.version}`].join(' · '));
  showFacts({ ...facts(status), Digest: agreement(status, known) });
}

/**
 * @param {Status} status
 * @returns {Record<string, Fact>}
 */
function facts(status) {
  const { node, members, ranges, health, multicast } = status;
  const missing = [
    members.suspect > 0 ? `${members.suspect} suspect` : '',
    members.down > 0 ? `${members.down} down` : '',
    members.left > 0 ? `${members.left} left` : '',
  ].filter((text) => text !== '');
  const slow = health.score > 0 || health.eventLoopLagMs > 100;
  return {
    Members: {
      text: `${members.alive} alive`,
      note: missing.join(', ') || 'none missing',
      ...(members.down > 0 ? { noteTone: 'bad' } : members.suspect > 0 ? { noteTone: 'warn' } : {}),
    },
    Digest: { text: status.digest },
    Unowned: {
      text: percent(ranges.unownedPositions / KEY_SPACE),
      note:
        ranges.unownedPositions === 0
          ? 'every position has an owner'
          : plural(ranges.unownedPositions, 'position'),
      ...(ranges.unownedPositions > 0 ? { tone: 'bad' } : {}),
    },
    Registrations: { text: count(ranges.registrations), note: `in ${plural(ranges.segments, 'segment')}` },
    Multicast: {
      text: multicast.enabled ? `hears ${multicast.hears.length}` : 'off',
      note: multicast.enabled ? `heard by ${multicast.heardBy.length}` : 'the tree reaches everybody',
    },
    Health: {
      text: slow ? (health.score > 0 ? `score ${health.score} of 8` : 'slow') : 'good',
      note: `timers late by ${millis(health.eventLoopLagMs)}`,
      ...(slow ? { tone: 'warn' } : {}),
    },
    Traffic: {
      text: status.encrypted ? 'sealed' : 'not sealed',
      note: status.encrypted
        ? `with key ${status.keys.find((key) => key.primary)?.id ?? ''}`
        : 'no key is set',
    },
    Uptime: { text: duration(node.uptimeSeconds), note: `incarnation ${node.incarnation}` },
  };
}

/**
 * @param {Status} status
 * @param {readonly Member[]} known
 * @returns {Fact}
 */
function agreement({ digest }, known) {
  const others = known.filter((m) => !m.self && (m.status === 'alive' || m.status === 'suspect'));
  const agreeing = others.filter((m) => m.digest === digest).length;
  const differing = others.filter((m) => m.digest !== null && m.digest !== digest).length;
  const note = others.length === 0 ? 'no other live member' : `${agreeing} of ${others.length} others agree`;
  return { text: digest, mono: true, note, ...(differing > 0 ? { noteTone: 'warn' } : {}) };
}

/** @param {Record<string, Fact>} wanted */
function showFacts(wanted) {
  const list = byId('facts');
  for (const [name, fact] of Object.entries(wanted)) {
    let box = [...list.children].find((child) => child.firstElementChild?.textContent === name);
    if (box === undefined) {
      box = el(
        'div',
        null,
        el('dt', null, name),
        el('dd', { class: 'value' }),
        el('dd', { class: 'note muted' }),
      );
      list.append(box);
    }
    box.className = fact.tone ?? '';
    const [, value, note] = /** @type {HTMLCollectionOf<HTMLElement>} */ (box.children);
    if (value === undefined || note === undefined) continue;
    value.classList.toggle('mono', fact.mono === true);
    setText(value, fact.text);
    note.className = `note ${fact.noteTone ?? 'muted'}`;
    setText(note, fact.note ?? '');
  }
}

/** @param {{ ready: boolean, reason: string }} state */
export function showReady({ ready, reason }) {
  const pill = byId('ready');
  setText(pill, ready ? 'ready' : 'not ready');
  pill.className = `pill ${ready ? 'good' : 'warn'}`;
  pill.title = reason;
}

/** @param {readonly string[]} warnings */
export function showWarnings(warnings) {
  const box = byId('warnings');
  const wanted = JSON.stringify(warnings);
  if (box.dataset.shown === wanted) return;
  box.dataset.shown = wanted;
  box.hidden = warnings.length === 0;
  box.replaceChildren(el('ul', null, ...warnings.map((text) => el('li', null, text))));
}
