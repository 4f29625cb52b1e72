/** The store's calls, over a store that remembers what it was asked. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StoreApi } from '../node/contract.ts';
import { ask, type Running, run } from './fake-node.ts';

let asked: unknown[][];
let running: Running;

beforeEach(async () => {
  asked = [];
  const noting =
    (name: string) =>
    (...args: unknown[]) => {
      asked.push([name, ...args]);
      return { name };
    };
  const names = ['info', 'scan', 'count', 'history', 'slow'];
  const store = Object.fromEntries(names.map((name) => [name, noting(name)])) as unknown as StoreApi;
  running = await run({ store });
});
afterEach(() => running.stop());

it('figures and their history are told to all, what is in the store to the socket only', async () => {
  const { port, socketPath } = running;
  expect((await ask(port, 'GET', '/v1/store')).json).toEqual({ name: 'info' });
  expect((await ask(port, 'GET', '/v1/store/history?after=17')).json).toEqual({ name: 'history' });
  const messages = '/v1/store/messages?start=1&end=2&cursor=3&count=4';
  expect((await ask(port, 'GET', messages)).status).toBe(403);
  expect((await ask(socketPath, 'GET', messages)).status).toBe(200);
  expect((await ask(port, 'GET', '/v1/store/count?start=5')).json).toEqual({ name: 'count' });
  expect(asked).toEqual([['info'], ['history', 17], ['scan', 1, 2, 3, 4], ['count', 5, 0xffffffff]]);
});

it('the slow log is told to all, and that who asks is on the socket', async () => {
  for (const target of [running.port, running.socketPath])
    expect((await ask(target, 'GET', '/v1/store/slowlog?count=7')).status).toBe(200);
  expect(asked).toEqual([
    ['slow', 7, false],
    ['slow', 7, true],
  ]);
});

it.each([
  'history?after=-1',
  'history?after=x',
  'slowlog?count=0',
  'slowlog?count=1001',
  'slowlog?key=a',
  'count?start=2&end=1',
])('%s is bad', async (call) => {
  expect((await ask(running.port, 'GET', `/v1/store/${call}`)).status).toBe(400);
  expect(asked).toEqual([]);
});
