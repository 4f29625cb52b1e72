import { afterEach, expect, test } from 'vitest';
import type { Client } from './client.ts';
import type { RespServer } from './server.ts';
import { FakeDisk } from './testing/fake-disk.ts';
import { poll } from './testing/raw-client.ts';
import { Served } from './testing/served.ts';

const served = new Served();
afterEach(() => served.close());

/** The server's side of the only client. */
function onlyClient(server: RespServer): Client {
  const [client] = server.state.clients.values();
  if (client === undefined) throw new Error('there is no client');
  return client;
}

test('the end of a client whose command waits is noticed, also when the command had to wait for its turn', async () => {
  const disk = new FakeDisk();
  const { server, join } = await served.start({}, disk.store());
  const client = await join();
  disk.congested = true;
  client.send('WAIT', '1', '0');
  await poll(() => server.connections === 1 && onlyClient(server).bytesIn > 0);
  disk.congested = false;
  disk.onRoom?.();
  await poll(() => onlyClient(server).blocked !== null);
  client.close();
  await poll(() => server.connections === 0);
});

test('messages keep their order, also when one came before and one after a command whose answer is not known yet', async () => {
  const { server, join } = await served.start();
  const client = await join();
  expect(await client.ask('PING')).toBe('+PONG');
  const { outlet } = onlyClient(server);
  outlet.push(Buffer.from('+one\r\n'));
  const place = outlet.place();
  outlet.push(Buffer.from('+two\r\n'));
  outlet.fill(place, Buffer.from('+answer\r\n'));
  expect(await client.replies(3)).toEqual(['+one', '+answer', '+two']);
});
