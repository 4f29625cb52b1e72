import { expect, test, vi } from 'vitest';
import { positionOf } from '../ranges/index.ts';
import { Call } from './call.ts';
import { Client, type Outlet } from './client.ts';
import type { Known } from './command.ts';
import { command } from './link-handshake.ts';
import { ROLE } from './role.ts';
import { FakeDisk } from './testing/fake-disk.ts';
import { type FakeNode, FakeNodes } from './testing/fake-nodes.ts';
import { poll, RawClient } from './testing/raw-client.ts';

const END = 2 ** 32 - 1;
const HALF = 2 ** 31;

/** Keys of the lower half of the key space, or the upper. */
function keysOf(half: 'lower' | 'upper', count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++)
    if (positionOf(`k${i}`) < HALF === (half === 'lower')) keys.push(`k${i}`);
  return keys;
}

/** Two nodes with half of the key space each, and a client at the first one's proxy port. */
async function two(nodes: FakeNodes, disks: FakeDisk[] = []) {
  const stores = [0, 1].map((i) => (disks[i] === undefined ? {} : { store: disks[i].store() }));
  const a = await nodes.add(stores[0]);
  const b = await nodes.add(stores[1]);
  nodes.map.register(a.id, 0, HALF - 1);
  nodes.map.register(b.id, HALF, END);
  const client = await RawClient.connect(a.ports.get(ROLE.proxy) as number);
  nodes.closers.push(() => client.close());
  const [low, high] = [keysOf('lower', 1), keysOf('upper', 1)] as [[string], [string]];
  for (const key of [...low, ...high]) {
    let reply = '';
    while (!/^(\$-1|\+)/.test(reply)) reply = await client.ask('GET', key);
  }
  return { a, b, client, low: low[0], high: high[0] };
}

test('a level of acknowledgement holds for all parts of a command, those here and those elsewhere', async () => {
  await using nodes = new FakeNodes();
  const disks = [new FakeDisk(), new FakeDisk()] as const;
  const { client, low, high } = await two(nodes, [...disks]);
  const waits = async (): Promise<void> => {
    await poll(() => disks[0].waiting === 1 && disks[1].waiting === 1);
    expect(client.waiting).toBe(0);
    disks[1].sync();
    client.send('PING');
    await poll(() => disks[1].waiting === 0);
    expect(client.waiting).toBe(0);
    disks[0].sync();
  };
  expect(await client.ask('CLIENT', 'ACKS', '1', '1')).toBe('+OK');
  client.send('MSET', low, '1', high, '1');
  await waits();
  expect(await client.replies(2)).toEqual(['+OK', '+PONG']);
  expect(await client.ask('CLIENT', 'ACKS', '1', '0')).toBe('+OK');
  expect(await client.ask('CLIENT', 'ACKS', 'NEXT', '1', '1')).toBe('+OK');
  client.send('DEL', high, low);
  await waits();
  expect(await client.replies(2)).toEqual([':2', '+PONG']);
  // It was for one write only.
  expect(await client.ask('DEL', high, low)).toBe(':0');
});

test('a change of several owners waits while the disk here is behind, before any part of it is done', async () => {
  await using nodes = new FakeNodes();
  const disks = [new FakeDisk(), new FakeDisk()] as const;
  const [here, elsewhere] = disks;
  const { a, client, low, high } = await two(nodes, [...disks]);
  const { paused } = a.group.server.state;
  expect(await client.ask('CLIENT', 'ACKS', 'NEXT', '2', '0')).toBe('+OK');
  for (const [reply, ...words] of [
    ['-NOREPLICAS need 2m0d, reachable 1', 'MSET', low, '1', high, '1'],
    ['+OK', 'MSET', low, '1', high, '1'],
    [':2', 'DEL', low, high],
    ['+OK', 'FLUSHALL'],
  ] as const) {
    const before = disks.map(({ sequence }) => sequence);
    here.congested = true;
    client.send(...words);
    await poll(() => paused.size === 1 || client.waiting > 0);
    expect(client.waiting).toBe(0);
    expect([here.sequence, elsewhere.sequence]).toEqual(before);
    here.congested = false;
    here.onRoom?.();
    expect(await client.reply()).toBe(reply);
  }
});

test('of an MSET with a key and no value no part is sent', async () => {
  await using nodes = new FakeNodes();
  const { a, b, client, low, high } = await two(nodes);
  client.send('MSET', low, '1', high, '1', low).send('PING');
  expect(await client.replies(2)).toEqual(["-ERR wrong number of arguments for 'mset' command", '+PONG']);
  expect([a.store.table.size, b.store.table.size]).toEqual([0, 0]);
});

test('a level of several copies is refused before any part of a command is sent, and sticks to nobody', async () => {
  await using nodes = new FakeNodes();
  const { a, b, client, low, high } = await two(nodes);
  expect(await client.ask('CLIENT', 'ACKS', 'NEXT', '2', '0')).toBe('+OK');
  expect(await client.ask('MSET', low, '1', high, '1')).toBe('-NOREPLICAS need 2m0d, reachable 1');
  expect(await client.ask('CLIENT', 'ACKS', 'NEXT', '2', '0')).toBe('+OK');
  expect(await client.ask('SET', high, '1')).toBe('-NOREPLICAS need 2m0d, reachable 1');
  expect(await client.ask('CLIENT', 'ACKS', 'NEXT', '2', '0')).toBe('+OK');
  expect(await client.ask('FLUSHALL')).toBe('-NOREPLICAS need 2m0d, reachable 1');
  expect([a.store.table.size, b.store.table.size]).toEqual([0, 0]);
  // Of a command that is refused for another reason it is not left to the next one, which may be another client's.
  expect(await client.ask('CLIENT', 'ACKS', 'NEXT', '2', '0')).toBe('+OK');
  expect(await client.ask('GETEX', high, 'EX', '0')).toMatch(/^-/);
  const other = await RawClient.connect(a.ports.get(ROLE.proxy) as number);
  expect(await other.ask('SET', high, '1')).toBe('+OK');
  expect(await other.ask('SET', high, '1', 'ACKS', '2', '0')).toBe('-NOREPLICAS need 2m0d, reachable 1');
  expect(await other.ask('SET', high, '1')).toBe('+OK');
  other.close();
});

test('commands are forwarded as they came, those of a line of words too', async () => {
  await using nodes = new FakeNodes();
  const { client, high, b } = await two(nodes);
  client.socket.write(
    `SET ${high} "a\\r\\nb" PX 100000\r\nGET ${high}\r\n*2\r\n$6\r\nSTRLEN\r\n$${high.length}\r\n${high}\r\n`,
  );
  expect(await client.replies(3)).toEqual(['+OK', '$4 a b', ':4']);
  expect(b.store.table.size).toBe(1);
});

test('large commands come to their owner as they were, one behind the other', async () => {
  await using nodes = new FakeNodes();
  const { a, client, high } = await two(nodes);
  const values = Array.from({ length: 4 }, (_, i) => `${i}`.repeat(3_000_000 + i));
  for (const value of values) client.send('SET', high, value).send('GETRANGE', high, '0', '-1');
  const replies = await client.replies(8);
  values.forEach((value, i) => {
    expect(replies[2 * i]).toBe('+OK');
    expect(replies[2 * i + 1] === `$${value.length} ${value}`).toBe(true);
  });
  expect(a.store.table.size).toBe(0);
});

test('a node that answers SCAN with no cursor makes an error of it, and no more', async () => {
  await using nodes = new FakeNodes();
  const { b, client } = await two(nodes);
  const scan = b.group.server.state.commands.named('scan');
  Object.assign(scan ?? {}, { run: (call: Call) => call.reply.text('*2\r\n$1\r\nx\r\n*0\r\n') });
  // With a sign as well it is another node's.
  for (const cursor of [String(2n ** 47n), `+${2n ** 47n}`])
    expect(await client.ask('SCAN', cursor)).toBe('-ERR a node answered SCAN with no cursor');
  expect(await client.ask('PING')).toBe('+PONG');
});

test('CLIENT REPLY SKIP is for the command that follows, when that has to wait for its owner as well', async () => {
  await using nodes = new FakeNodes();
  const a = await nodes.add();
  const b = await nodes.add();
  nodes.map.register(a.id, 0, HALF - 1);
  nodes.map.register(b.id, HALF, END);
  const client = await RawClient.connect(a.ports.get(ROLE.proxy) as number);
  nodes.closers.push(() => client.close());
  // Nothing is settled yet, so that the first command waits.
  client
    .send('CLIENT', 'REPLY', 'SKIP')
    .send('SET', keysOf('lower', 1)[0] as string, '1')
    .send('PING');
  expect(await client.reply()).toBe('+PONG');
  expect(a.group.router.counters.waited).toBe(1);
});

test('a client that leaves while its slot is asked for is not kept, nor is a timer for it', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    await using nodes = new FakeNodes();
    const a: FakeNode = await nodes.add();
    await nodes.add();
    nodes.map.register(a.id, 0, END);
    const { state } = a.group.server;
    const call = new Call(a.store, state);
    call.client = new Client(1, '127.0.0.1:1', 0);
    call.client.role = ROLE.proxy;
    call.request = call.client.request;
    call.request.feed(command('GET', 'k'));
    call.request.next();
    call.select(0);
    call.known = state.commands.named('get') as Known;
    a.group.router.refresh();
    const before = vi.getTimerCount();
    expect(a.group.router.route(call, call.known)).toBe(false);
    expect(vi.getTimerCount()).toBe(before + 1);
    // It was told to go on, and left before it did.
    call.client.blocked = null;
    call.client.closing = true;
    vi.advanceTimersByTime(250);
    expect(vi.getTimerCount()).toBe(before);
  } finally {
    vi.useRealTimers();
  }
});

/** Asks for a key until it is settled, then gives it a value. */
async function give(client: RawClient, key: string, value: string): Promise<void> {
  let reply = '';
  while (reply !== '+OK') reply = await client.ask('SET', key, value);
}

test('a client that does not read has little under way, and holds up nobody else', async () => {
  await using nodes = new FakeNodes();
  const { a, client, high } = await two(nodes);
  await give(client, high, 'x'.repeat(200_000));
  const slow = await RawClient.connect(a.ports.get(ROLE.proxy) as number);
  nodes.closers.push(() => slow.close());
  expect((await slow.ask('GET', high)).length).toBeGreaterThan(200_000);
  slow.socket.pause();
  for (let i = 0; i < 100; i++) slow.send('GET', high);
  const outlet = [...a.group.server.state.clients.values()].at(-1)?.outlet as Outlet;
  await poll(() => outlet.isFull);
  // Its answers come over the same link.
  for (let i = 0; i < 50; i++) expect(await client.ask('STRLEN', high)).toBe(':200000');
  expect(outlet.waitingBytes).toBeLessThan(16 * 2 ** 20);
  expect(a.group.router.forwarder.counters).toMatchObject({ held: 0, cut: 0 });
  slow.socket.resume();
  expect((await slow.replies(100)).every((reply) => reply.length > 200_000)).toBe(true);
});

test('a client with small replies that then asks for large ones, and does not read, is cut rather than filled up for', async () => {
  await using nodes = new FakeNodes();
  const { a, client, high } = await two(nodes);
  await give(client, high, 'x'.repeat(200_000));
  const slow = await RawClient.connect(a.ports.get(ROLE.proxy) as number);
  nodes.closers.push(() => slow.close());
  slow.socket.write(Buffer.concat(new Array(1000).fill(command('STRLEN', high))));
  await slow.replies(1000);
  const outlet = [...a.group.server.state.clients.values()].at(-1)?.outlet as Outlet;
  slow.socket.pause();
  const { counters } = a.group.router.forwarder;
  slow.socket.write(Buffer.concat(new Array(150).fill(command('GET', high))));
  await poll(() => counters.held > 0);
  expect(outlet.waitingBytes).toBeLessThan(32 * 2 ** 20);
  nodes.aheadMs = 6_000;
  await poll(() => counters.cut === 1);
  // The link is read again for the others.
  expect(await client.ask('STRLEN', high)).toBe(':200000');
});

test('a client that reads, but later, gets all of what it asked for, in order', async () => {
  await using nodes = new FakeNodes();
  const { a, client, low, high } = await two(nodes);
  await give(client, high, 'y'.repeat(200_000));
  await give(client, low, 'z'.repeat(100));
  const late = await RawClient.connect(a.ports.get(ROLE.proxy) as number);
  nodes.closers.push(() => late.close());
  late.socket.pause();
  for (let i = 0; i < 60; i++) late.send('GET', high).send('GET', low).send('MGET', low, high);
  const { counters } = a.group.router.forwarder;
  await poll(() => counters.forwarded > 20);
  late.socket.resume();
  const sizes = (await late.replies(180)).map((reply) => reply.length);
  expect(sizes.slice(0, 3)).toEqual([200_008, 105, 200_008 + 105 + 4]);
  expect(sizes).toEqual(Array.from({ length: 60 }, () => sizes.slice(0, 3)).flat());
  expect(counters).toMatchObject({ failed: 0, cut: 0 });
});

test('WAITAOF, which knows one disk, does not vouch for what was written at another node', async () => {
  await using nodes = new FakeNodes();
  const disks = [new FakeDisk(), new FakeDisk()] as const;
  const { a, low, high } = await two(nodes, [...disks]);
  for (const writes of [
    ['SET', high, '1'],
    ['MSET', low, '1', high, '2'],
  ]) {
    const client = await RawClient.connect(a.ports.get(ROLE.proxy) as number);
    nodes.closers.push(() => client.close());
    expect(await client.ask('SET', low, '0')).toBe('+OK');
    expect(await client.ask('GET', high)).toMatch(/^\$/);
    disks[0].sync();
    expect(await client.ask('WAITAOF', '1', '0', '0')).toBe('*2 :1 :0');
    expect(await client.ask(...writes)).toBe('+OK');
    disks[0].sync();
    expect(await client.ask('WAITAOF', '1', '0', '0')).toMatch(/^-ERR WAITAOF knows this node's disk only/);
  }
  expect(disks[1].onDiskSequence).toBe(0);
});
