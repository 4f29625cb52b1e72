import type { NodeEvent } from '../node/index.ts';
import type { Log } from './log.ts';

/** What becomes of members, for the log: comings and goings as information, doubts and their ends for whoever debugs. Gives the event back. */
export function logMember(log: Log, event: NodeEvent, self: string | undefined): NodeEvent {
  const { type, subject, name, origin, member } = event;
  if (member === undefined) return event;
  const { address, incarnation, was } = member;
  const by = origin === null || origin === subject ? {} : { by: origin };
  const fields = { name, id: subject, address, incarnation, ...by };
  const level = subject === self ? 'debug' : 'info';
  switch (type) {
    case 'member-join':
      log[level](fields, was === null ? 'member joined' : 'member is back');
      break;
    case 'member-leave':
      log[level](fields, was === 'down' ? 'member marked left' : 'member left');
      break;
    case 'member-down':
      log[level](fields, 'member is down');
      break;
    case 'member-suspect':
      log.debug(fields, 'member is suspected');
      break;
    case 'member-update':
      log.debug(fields, was === 'suspect' ? 'member lives after all' : 'member changed');
      break;
  }
  return event;
}
