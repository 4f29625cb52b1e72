import type { Call } from '../call.ts';
import { Glob, NAME_LOOKS } from '../glob.ts';
import { entries } from './entry.ts';
import { SYNTAX } from './errors.ts';
import { container } from './help.ts';

function get(call: Call): void {
  const { settings } = call.server;
  if (call.count - 2 > settings.names.length) {
    call.reply.error(`ERR too many names: there are ${settings.names.length} parameters`);
    return;
  }
  /** As it is shown: what is asked for by its name as it was written, if that was first. */
  const found = new Map<string, string>();
  for (let i = 2; i < call.count; i++) {
    const shown = call.text(i);
    if (/[[*?]/.test(shown)) {
      const glob = new Glob(call.bytes(i), true, NAME_LOOKS);
      for (const name of settings.names)
        if (!found.has(name) && glob.matches(Buffer.from(name))) found.set(name, name);
    } else {
      const name = shown.toLowerCase();
      if (settings.names.includes(name) && !found.has(name)) found.set(name, shown);
    }
  }
  call.reply.map(found.size);
  for (const [name, shown] of found) {
    call.reply.bulkText(shown);
    call.reply.bulkText(settings.get(name));
  }
}

function set(call: Call): void {
  if (call.count % 2 !== 0) {
    call.reply.error(SYNTAX);
    return;
  }
  const pairs: [string, string][] = [];
  for (let i = 2; i < call.count; i += 2) pairs.push([call.text(i), call.text(i + 1)]);
  const fault = call.server.settings.set(pairs);
  if (fault === null) call.reply.ok();
  else call.reply.error(`ERR ${fault}`);
}

function resetStat(call: Call): void {
  call.server.resetStatistics();
  call.reply.ok();
}

const entry = entries('server');
const ADMIN = 'admin noscript loading stale';

export const CONFIG = container(
  entry('config', -2, '', null, '2.0.0', 'Parameters of the server.', () => {}),
  [
    entry('get', -3, ADMIN, null, '2.0.0', 'Parameters whose names match.', get),
    entry('set', -4, ADMIN, null, '2.0.0', 'Sets parameters, until the next start.', set, {
      tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
    }),
    entry('resetstat', 2, ADMIN, null, '2.0.0', 'Has the counters of INFO begin anew.', resetStat),
    entry('rewrite', 2, ADMIN, null, '2.8.0', 'Refused: shoal never writes its configuration file.', (call) =>
      call.reply.error('ERR shoal does not write its configuration file; change shoal.toml and restart'),
    ),
  ],
);
