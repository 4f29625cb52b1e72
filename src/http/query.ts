import { LIMITS, ShoalError } from '../base/index.ts';
import { EVENT_TYPES, type EventType } from '../node/contract.ts';
import { LAST_POSITION, list, show } from './check.ts';

/** Checks of query strings and headers, as strict as those of bodies. */

const MAX_WAIT_SECONDS = 300;
const LAST_SLOT = 16383;
const SLOT_POSITIONS = 2 ** 18;

export type Query = ReadonlyMap<string, readonly string[]>;

/** The parameters of a query string; `known` says which there are, a `*` behind the name that it may be repeated. */
export function parseQuery(text: string, known: readonly string[]): Query {
  const query = new Map<string, string[]>();
  for (const part of text === '' ? [] : text.split('&')) {
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals)).slice(0, 64);
    const value = equals < 0 ? '' : decode(part.slice(equals + 1));
    const values = query.get(name);
    if (values === undefined) query.set(name, [value]);
    else values.push(value);
    const repeatable = known.includes(`${name}*`);
    if (!repeatable && (name.endsWith('*') || !known.includes(name))) {
      const there = known.length === 0 ? 'this call has none' : `there are ${list(known)}`;
      throw new ShoalError('unknown-parameter', `unknown parameter '${name}': ${there}`, name);
    }
    if (!repeatable && values !== undefined)
      throw new ShoalError('bad-query', `${name} is given twice: give it once`, name);
  }
  return query;
}

export function param(query: Query, name: string): string | undefined {
  return query.get(name)?.[0];
}

/** Decimal, 0x hex, or slot:N for the first position of a Redis Cluster slot. */
export function position(text: string): number {
  const slot = /^slot:([0-9]{1,5})$/i.exec(text)?.[1];
  if (slot !== undefined && Number(slot) <= LAST_SLOT) return Number(slot) * SLOT_POSITIONS;
  const value = /^([0-9]{1,10}|0x[0-9a-f]{1,8})$/i.test(text) ? Number(text) : NaN;
  if (!(value <= LAST_POSITION))
    throw new ShoalError(
      'bad-position',
      `position: ${show(text)} is not a position: a number from 0 to ${LAST_POSITION}, decimal or 0x hex, or slot:0 to slot:${LAST_SLOT}`,
      'position',
    );
  return value;
}

export function copies(text: string | undefined): number {
  if (text === undefined) return 1;
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > LIMITS.members)
    throw new ShoalError(
      'bad-copies',
      `copies: ${show(text)} is not a whole number from 1 to ${LIMITS.members}`,
      'copies',
    );
  return value;
}

/** A whole number of the parameter `name`. */
export function whole(text: string, name: string, min: number, max: number): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : -1;
  if (value < min || value > max)
    throw new ShoalError(
      'bad-query',
      `${name}: ${show(text)} is not a whole number from ${min} to ${max}`,
      name,
    );
  return value;
}

export function waitMs(text: string | undefined): number {
  if (text === undefined) return 0;
  const value = /^[0-9]{1,3}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : NaN;
  if (!(value <= MAX_WAIT_SECONDS))
    throw new ShoalError(
      'bad-wait',
      `wait: ${show(text)} is not a number of seconds from 0 to ${MAX_WAIT_SECONDS}`,
      'wait',
    );
  return Math.round(value * 1000);
}

/** Null: every type. */
export function eventTypes(texts: readonly string[] | undefined): ReadonlySet<EventType> | null {
  if (texts === undefined) return null;
  const types = new Set<EventType>();
  for (const text of texts) {
    const type = EVENT_TYPES.find((known) => known === text);
    if (type === undefined)
      throw new ShoalError(
        'bad-type',
        `type: no event ${show(text)}: there are ${list(EVENT_TYPES)}`,
        'type',
      );
    types.add(type);
  }
  return types;
}

/**
 * Null: none sent, or something that is no event's id, which is as good as none: an EventSource that is refused gives up
 * for good. A browser that has seen no event yet may send an empty one.
 */
export function lastEventId(header: string | string[] | undefined): number | null {
  if (typeof header !== 'string' || !/^[0-9]{1,16}$/.test(header)) return null;
  const value = Number(header);
  return Number.isSafeInteger(value) ? value : null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new ShoalError('bad-query', `'${text.slice(0, 64)}' in the query is not percent-encoded UTF-8`);
  }
}
