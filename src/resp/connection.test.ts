import { afterEach, expect, test } from 'vitest';
import { PIECE_BYTES, Rope, Span } from '../store/index.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import { BitWork } from './commands/bit-work.ts';
import { Connection } from './connection.ts';
import type { RespServer } from './server.ts';
import { FakeDisk, NOTHING_COLD } from './testing/fake-disk.ts';
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
  disk.readThrough = NOTHING_COLD;
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

test('a message in the middle of a command comes before what is replied after it, also when the socket is full', async () => {
  const { server, join } = await served.start();
  const client = await join();
  expect(await client.ask('PING')).toBe('+PONG');
  const large = Buffer.alloc(16 << 20, 'x');
  const run = (call: Call): void => {
    const { outlet } = call.client;
    call.reply.bulk(new Span(large), 0, large.length);
    outlet.flush();
    expect(outlet.isFull).toBe(true);
    call.inTransaction = true;
    outlet.push(Buffer.from('+message\r\n'));
    call.inTransaction = false;
    call.reply.simple('after it');
    outlet.flush();
  };
  Object.assign(server.state.commands.named('echo') ?? {}, { run });
  client.send('ECHO', 'x');
  expect((await client.reply()).length).toBeGreaterThan(large.length);
  expect(await client.replies(2)).toEqual(['+message', '+after it']);
});

test('what a command had found out before it was to run again counts as its client’s, who gives it up with RESET', async () => {
  const { server, join } = await served.start();
  const client = await join();
  expect(await client.ask('PING')).toBe('+PONG');
  const work = new BitWork('NOT', [Rope.of([new Uint8Array(PIECE_BYTES)])]);
  while (work.step());
  onlyClient(server).prepared = work;
  server.sweep.look(Date.now());
  expect(server.sweep.heldBytes).toBeGreaterThanOrEqual(PIECE_BYTES);
  // Copies of small values are part of it.
  onlyClient(server).prepared = new BitWork(
    'OR',
    Array.from({ length: 100 }, () => Rope.of([new Uint8Array(50_000)])),
  );
  server.sweep.look(Date.now());
  expect(server.sweep.heldBytes).toBeGreaterThanOrEqual(5_000_000);
  expect(await client.ask('RESET')).toBe('+RESET');
  server.sweep.look(Date.now());
  expect(server.sweep.heldBytes).toBeLessThan(PIECE_BYTES);
});

test('the names a client subscribes to are bounded, each and together, and count as its memory', async () => {
  const { server, join } = await served.start();
  const client = await join();
  expect(await client.ask('SUBSCRIBE', 'x'.repeat(1_000_001))).toMatch(
    /^-ERR a channel's name of 1000001 bytes/,
  );
  const name = (i: number): string => String(i).padEnd(1_000_000, 'x');
  for (let i = 0; i < 16; i++) expect(await client.ask('SUBSCRIBE', name(i))).toMatch(/^\*3/);
  server.sweep.look(Date.now());
  expect(server.sweep.heldBytes).toBeGreaterThan(16_000_000);
  expect(await client.ask('SUBSCRIBE', name(16))).toBe('-ERR too many subscriptions of one client');
  for (let i = 0; i < 16; i++) client.send('UNSUBSCRIBE', name(i));
  await client.replies(16);
  expect(onlyClient(server).subscribedBytes).toBe(0);
});

test('subscriptions and watched keys count as the memory of their client, whatever their names', async () => {
  const { server, join } = await served.start();
  const client = await join();
  const held = (): number => {
    server.sweep.look(Date.now());
    return server.sweep.heldBytes;
  };
  const names = Array.from({ length: 1000 }, (_, i) => String(i));
  expect(await client.ask('WATCH', ...names)).toBe('+OK');
  const watching = held();
  expect(watching).toBeGreaterThan(400_000);
  expect(await client.ask('UNWATCH')).toBe('+OK');
  expect(held()).toBeLessThan(watching - 400_000);
  client.send('PSUBSCRIBE', ...names);
  await client.replies(1000);
  expect(held()).toBeGreaterThan(400_000);
});

test('messages for a client that does not read wait side by side, not each in the socket, and come in order', async () => {
  const { server, join } = await served.start();
  const client = await join();
  expect(await client.ask('SUBSCRIBE', 'c')).toMatch(/^\*3/);
  client.socket.pause();
  const { outlet } = onlyClient(server);
  if (!(outlet instanceof Connection)) throw new Error('it has no connection');
  let sent = 0;
  const deliver = (count: number, bytes: number): void => {
    for (let i = 0; i < count; i++)
      server.state.channels.deliver('c', Buffer.from(String(sent++).padStart(bytes, '0')));
  };
  await poll(() => {
    deliver(10, 100_000);
    return outlet.isFull;
  });
  const inSocket = outlet.socket.writableLength;
  const waiting = outlet.waitingBytes;
  deliver(5000, 1);
  const { turns } = server.state.counters;
  await poll(() => server.state.counters.turns > turns);
  expect(outlet.socket.writableLength).toBe(inSocket);
  expect(outlet.waitingBytes - waiting).toBeGreaterThan(5000 * 30);
  expect(outlet.heldBytes).toBeLessThan(outlet.waitingBytes * 2 + 100_000);
  client.socket.resume();
  const came = await client.replies(sent);
  expect(came.map((message) => Number(message.split(' ').at(-1)))).toEqual(came.map((_, i) => i));
  expect(await client.ask('PING')).toBe('*2 $4 pong $0');
});

test('no message is sent behind the end of a connection, which would cut off what is before it', async () => {
  const { server, join } = await served.start();
  const client = await join();
  expect(await client.ask('SUBSCRIBE', 'c')).toMatch(/^\*3/);
  const { outlet } = onlyClient(server);
  if (!(outlet instanceof Connection)) throw new Error('it has no connection');
  const { socket } = outlet;
  const faults: string[] = [];
  socket.on('error', ({ message }) => faults.push(message));
  const end = socket.end.bind(socket);
  socket.end = () => {
    process.nextTick(() => server.state.channels.deliver('c', Buffer.from('late')));
    return end();
  };
  expect(await client.ask('QUIT')).toBe('+OK');
  await client.whenClosed();
  await poll(() => server.connections === 0);
  expect(faults).toEqual([]);
});
