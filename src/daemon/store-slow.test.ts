import { expect, it } from 'vitest';
import { RespServer } from '../resp/index.ts';
import { Store } from '../store/index.ts';
import { slowCommands } from './store-slow.ts';

function log(...lines: readonly string[][]) {
  const { state } = new RespServer(new Store());
  const entry = { atMs: 0, usec: 12_345, address: '127.0.0.1:5', clientName: 'app\n' };
  for (const words of lines) state.slowLog.add({ ...entry, words }, 100);
  return state;
}

const shown = (...lines: readonly string[][]) =>
  slowCommands(log(...lines), 100, true).entries.map(({ command, keys }) => [command, ...(keys ?? [])]);

it('shows the keys of slow commands, and never a value or a password', () => {
  expect(
    shown(
      ['MSET', 'a', 'secret', 'b', 'secret'],
      ['SET', 'caf\xc3\xa9\n', 'secret'],
      ['Config', 'set', 'requirepass', 'secret'],
      ['DEL', ...Array.from({ length: 30 }, (_, i) => `k${i}`), '... (69 more arguments)'],
      ['nonsense', 'secret'],
      ['COPY', 'from', 'to'],
    ),
  ).toEqual([
    ['copy', 'from', 'to'],
    ['unknown'],
    ['del', ...Array.from({ length: 30 }, (_, i) => `k${i}`)],
    ['config|set'],
    ['set', 'caf\\xc3\\xa9\\x0a'],
    ['mset', 'a', 'b'],
  ]);
});

it('shows no keys to whom the store would not', () => {
  const { slowerThanMs, entries } = slowCommands(log(['GET', 'a'], ['GET', 'b']), 1, false);
  expect(slowerThanMs).toBe(10);
  expect(entries).toEqual([
    {
      id: 1,
      time: '1970-01-01T00:00:00.000Z',
      ms: 12.345,
      command: 'get',
      keys: null,
      client: '127.0.0.1:5',
      clientName: 'app\\x0a',
    },
  ]);
});
