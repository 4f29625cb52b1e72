import type { Call } from '../call.ts';
import { entries } from './entry.ts';
import { badSubcommand } from './errors.ts';
import { container } from './help.ts';

/** There are no scripts. What test suites ask before and after their tests is answered as a server without any would. */

function flush(text: string) {
  return (call: Call): void => {
    const words = call.count - 2;
    if (words > 1 || (words === 1 && !call.is(2, 'SYNC') && !call.is(2, 'ASYNC'))) call.reply.error(text);
    else call.reply.ok();
  };
}

function functionFlush(call: Call): void {
  if (call.count > 3) call.reply.error(badSubcommand('FUNCTION', call.shown(1)));
  else flush('ERR FUNCTION FLUSH only supports SYNC|ASYNC option')(call);
}

/** `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`, each once. */
function list(call: Call): void {
  const given = new Set<string>();
  for (let i = 2; i < call.count; i++) {
    const word = call.text(i).toUpperCase();
    if (!/^(LIBRARYNAME|WITHCODE)$/.test(word) || given.has(word)) {
      call.reply.error(`ERR Unknown argument ${call.shown(i)}`);
      return;
    }
    given.add(word);
    if (word === 'LIBRARYNAME' && ++i === call.count) {
      call.reply.error('ERR library name argument was not given');
      return;
    }
  }
  call.reply.array(0);
}

function exists(call: Call): void {
  call.reply.array(call.count - 2);
  for (let i = 2; i < call.count; i++) call.reply.integer(0);
}

function stats(call: Call): void {
  const { reply } = call;
  reply.map(2);
  reply.bulkText('running_script');
  reply.none();
  reply.bulkText('engines');
  reply.map(0);
}

function kill(call: Call): void {
  call.reply.error('NOTBUSY No scripts in execution right now.');
}

const entry = entries('scripting', ['scripting']);
const ONE = { tips: ['request_policy:all_shards', 'response_policy:one_succeeded'] };
const ALL = { tips: ['request_policy:all_shards', 'response_policy:all_succeeded'] };

export const SCRIPTING_COMMANDS = [
  container(
    entry('function', -2, '', null, '7.0.0', 'There are no functions.', () => {}, { categories: [] }),
    [
      entry('flush', -2, 'noscript', null, '7.0.0', 'Nothing to do.', functionFlush, ALL),
      entry('list', -2, 'noscript', null, '7.0.0', 'None.', list, {
        tips: ['nondeterministic_output_order'],
      }),
      entry('stats', 2, 'noscript allow_busy', null, '7.0.0', 'None runs.', stats, {
        tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
      }),
      entry('kill', 2, 'noscript allow_busy', null, '7.0.0', 'None runs.', kill, ONE),
    ],
  ),
  container(
    entry('script', -2, '', null, '2.6.0', 'There are no scripts.', () => {}, { categories: [] }),
    [
      entry(
        'flush',
        -2,
        'noscript',
        null,
        '2.6.0',
        'Nothing to do.',
        flush('ERR SCRIPT FLUSH only support SYNC|ASYNC option'),
        { tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'] },
      ),
      entry('exists', -3, 'noscript', null, '2.6.0', 'None does.', exists, {
        tips: ['request_policy:all_shards', 'response_policy:agg_logical_and'],
      }),
      entry('kill', 2, 'noscript allow_busy', null, '2.6.0', 'None runs.', kill, ONE),
    ],
  ),
];
