import type { Call } from '../call.ts';
import type { Command } from '../command.ts';

function ping(call: Call): void {
  if (call.count > 2) call.reply.error("ERR wrong number of arguments for 'ping' command");
  else if (call.count === 2) {
    call.reply.bulk(call.span, call.startOf(1), call.lengthOf(1));
  } else call.reply.simple('PONG');
}

export const CONNECTION_COMMANDS: readonly Command[] = [
  {
    name: 'ping',
    arity: -1,
    flags: ['fast'],
    keys: null,
    group: 'connection',
    since: '1.0.0',
    summary: 'Answers PONG, or the argument.',
    run: ping,
  },
];
