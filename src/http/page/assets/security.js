/** The keyring, by ids, and what was dropped: what tells a quiet network from one where something is wrong. */
import { byId, el, setText } from './dom.js';
import { count, plural } from './format.js';

/** @typedef {import('../../../node/contract.ts').StatusView} Status */
/** @typedef {import('../../drops.ts').DropView} Drop */

const ROWS_SHOWN = 30;

/** By reason, whichever part counts it. @type {Record<string, string>} */
const WORDS = {
  'own-echo': 'own multicasts heard back: normal',
  'unknown-sender': 'from nodes not known yet',
  'too-many': 'strangers beyond their limit',
  'too-many-challenges': 'strangers asking for proofs too often',
  'other-cluster': 'of another cluster',
  'other-version': 'of another protocol version',
  sealed: 'sealed, and this node has no key',
  'unknown-kind': 'messages of a kind that a later version has',
  malformed: 'not understood: damaged or forged',
  'too-short': 'too short to be a message',
  'too-long': 'too long for a datagram',
  oversized: 'too long for a datagram',
  'wrong-place': 'messages that came by the wrong way',
  unsealed: 'not sealed, while this group has a key',
  'unknown-key': 'sealed with a key that is not in the ring',
  'bad-tag': 'not sealed rightly: changed on the way, or forged',
  replayed: 'heard before: repeated by the network, or played back',
  'too-old': 'sealed long ago: late, or played back',
  unproven: 'from processes that did not prove to be alive',
  'stale-proof': 'proofs that nobody asked for',
  'stream-refused': 'streams that did not seal rightly',
  'send-error': 'not sent: the network refused',
  'foreign-source': 'multicasts from outside loopback, or from it',
  'unresolved-name': 'to names that are not resolved',
  'too-many-streams': 'streams beyond what is open at once',
  'too-many-streams-of-one-host': 'streams of one host beyond its share',
  'too-slow-a-reader': 'streams whose reader was too slow',
  'too-long-a-frame': 'streams that announced too long a frame',
  newcomersRefused: 'new members that one host brought too many of',
  membersRefused: 'members for whom there is no room',
  joinsRefused: 'changes for which there is no room',
  malformedGroups: 'changes not understood: damaged or forged',
  malformedSteps: 'comparisons not understood: damaged or forged',
};
/** Part of every day. */
const NORMAL = new Set(['own-echo', 'unknown-sender', 'not-found', 'repairsUnknown']);

/** @param {Status} status */
export function showKeys(status) {
  const { keys, members } = status;
  setText(byId('keys-summary'), keys.length === 0 ? '' : plural(keys.length, 'key'));
  const known = members.alive + members.suspect;
  const list = byId('keys');
  const wanted = JSON.stringify([keys, known]);
  if (list.dataset.shown === wanted) return;
  list.dataset.shown = wanted;
  if (keys.length === 0) {
    list.replaceChildren(el('li', { class: 'muted none' }, 'No key is set: nothing is sealed.'));
    return;
  }
  list.replaceChildren(
    ...keys.map(({ id, primary, holders }) =>
      el(
        'li',
        { 'data-key': id },
        el('span', { class: 'mono key' }, id),
        el('span', { class: `pill small${primary ? ' good' : ''}` }, primary ? 'in use' : 'opens only'),
        el(
          'span',
          { class: holders < known ? 'warn' : 'muted' },
          `held by ${Math.min(holders, known)} of ${plural(known, 'member')}`,
        ),
      ),
    ),
  );
}

/** Counts of the answer before, to tell what goes on now. @type {Map<string, number>} */
let before = new Map();

/** @param {readonly Drop[]} drops */
export function showDrops(drops) {
  const list = byId('drops');
  const first = before.size === 0;
  const now = new Map(drops.map((drop) => [`${drop.metric} ${drop.reason}`, drop.count]));
  const rows = drops.slice(0, ROWS_SHOWN).map((drop) => {
    const more = first ? 0 : drop.count - (before.get(`${drop.metric} ${drop.reason}`) ?? 0);
    const normal = NORMAL.has(drop.reason);
    return el(
      'li',
      {
        'data-reason': drop.reason,
        class: normal ? 'muted' : undefined,
        title: `${drop.metric} ${drop.reason}`,
      },
      el('span', { class: 'number' }, count(drop.count)),
      el(
        'span',
        { class: 'what' },
        WORDS[drop.reason] ?? `${drop.metric.replace(/^shoal_|_total$/g, '')}: ${drop.reason}`,
      ),
      el(
        'span',
        { class: `number ${more > 0 && !normal ? 'warn' : 'muted'}` },
        more > 0 ? `+${count(more)}` : '',
      ),
    );
  });
  before = now.size === 0 ? new Map([['', 0]]) : now;
  if (rows.length === 0) rows.push(el('li', { class: 'muted none' }, 'Nothing was dropped.'));
  if (drops.length > ROWS_SHOWN)
    rows.push(el('li', { class: 'muted none' }, `and ${drops.length - ROWS_SHOWN} more: see /metrics`));
  list.replaceChildren(...rows);
}
