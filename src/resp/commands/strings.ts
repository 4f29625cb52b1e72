import type { Call } from '../call.ts';
import type { Command } from '../command.ts';

function get(call: Call): void {
  const { table } = call.store;
  if (call.findKey()) call.reply.bulk(table.value, table.valueAt, table.valueLength);
  else call.reply.none();
}

function set(call: Call): void {
  call.findKey();
  call.put(2, 0);
  call.reply.ok();
}

export const STRING_COMMANDS: readonly Command[] = [
  {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    group: 'string',
    since: '1.0.0',
    summary: 'The value of a key.',
    run: get,
  },
  {
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 1, step: 1 },
    group: 'string',
    since: '1.0.0',
    summary: 'Sets the value of a key.',
    run: set,
  },
];
