/** The list of events, newest first. */
import { byId, el, rangeButton } from './dom.js';
import { clock, count, hexRange } from './format.js';

/** @typedef {import('../../../node/contract.ts').EventView} Event */

const EVENTS_SHOWN = 100;

/**
 * @param {readonly Event[]} events oldest first
 * @param {Map<string, string>} names
 */
export function showEvents(events, names) {
  const list = byId('events');
  list.querySelector('.none')?.remove();
  for (const event of events.slice(-EVENTS_SHOWN)) list.prepend(itemFor(event, names));
  while (list.children.length > EVENTS_SHOWN) list.lastElementChild?.remove();
}

export function showNoEvents() {
  const list = byId('events');
  if (list.children.length === 0) list.append(el('li', { class: 'muted none' }, 'Nothing has happened yet.'));
}

/**
 * @param {Event} event
 * @param {Map<string, string>} names
 */
function itemFor(event, names) {
  const by =
    event.origin !== null && event.origin !== event.subject
      ? el('span', { class: 'muted' }, ' by ', el('bdi', null, names.get(event.origin) ?? event.origin))
      : null;
  return el(
    'li',
    { 'data-type': event.type, 'data-id': event.id },
    el('time', { datetime: event.time, class: 'muted mono' }, clock(event.time)),
    el('span', { class: 'dot', 'aria-hidden': 'true' }),
    el('span', { class: 'what' }, ...sentence(event), by),
  );
}

/**
 * @param {Event} event
 * @returns {(Node | string)[]}
 */
function sentence(event) {
  const who = el('bdi', { class: 'name' }, event.name);
  const { range, member } = event;
  const where =
    range === undefined ? '' : rangeButton(range.start, range.end, hexRange(range.start, range.end));
  const priority = range === undefined || range.priority === null ? '' : count(range.priority);
  switch (event.type) {
    case 'member-join':
      return [who, ` joined${member === undefined ? '' : ` at ${member.address}`}`];
    case 'member-leave':
      return [who, ' left'];
    case 'member-suspect':
      return [who, ' is suspected: it does not answer'];
    case 'member-down':
      return [who, ' is down'];
    case 'member-update':
      return [who, ` changed${member === undefined ? '' : `, ${member.status}`}`];
    case 'range-registered':
      return [who, ' registered ', where, priority === '' ? '' : ` at priority ${priority}`];
    case 'range-released':
      return [who, ' released ', where];
    case 'range-priority':
      return [who, ' has priority ', priority, ' in ', where];
    case 'owners-changed':
      return ['owners changed', where === '' ? '' : ' in ', where];
    case 'keys-changed':
      return [`the keyring changed: ${(event.keys ?? [])[0] ?? 'no key'} is in use`];
    default:
      return [who, ' ', String(event.type)];
  }
}
