import { expect, test } from 'vitest';
import { slotRange } from '../ranges/index.ts';
import { FakeNodes } from './testing/fake-nodes.ts';
import { END, HALF, halves, keyIn, settled, slotOf, until } from './testing/keys-and-nodes.ts';

test('a slot whose data is on two live nodes: each key is found where it is, new ones go to one place', async () => {
  await using nodes = new FakeNodes();
  const [a, b, c, d] = [await nodes.add(), await nodes.add(), await nodes.add(), await nodes.add()];
  const { start, end } = slotRange(slotOf('{t}'));
  const middle = start + (end - start + 1) / 2;
  nodes.map.register(a.id, 0, middle - 1);
  nodes.map.register(b.id, middle, END);
  const [low, high, other] = [keyIn(start, middle - 1), keyIn(middle, end), keyIn(middle, end, 4_000_000)];
  const proxy = await d.client();
  expect(await settled(proxy, 'SET', low, 'l')).toBe('+OK\r\n');
  expect(await settled(proxy, 'SET', high, 'h')).toBe('+OK\r\n');
  nodes.map.register(c.id, 0, END, 2);
  for (const at of [a, b, c, d]) {
    const client = await at.client();
    expect(await settled(client, 'GET', low)).toBe('$1\r\nl\r\n');
    expect(await client.ask('GET', high)).toBe('$1\r\nh\r\n');
    expect(await client.ask('MGET', high, other, low)).toBe('*3\r\n$1\r\nh\r\n$-1\r\n$1\r\nl\r\n');
  }
  for (const words of [['MULTI'], ['GET', low]]) expect(await proxy.ask(...words)).toMatch(/^\+/);
  expect(await proxy.ask('EXEC')).toMatch(
    /^-EXECABORT Transaction discarded because .+ refused a command of it/,
  );
  // What waits to be sought is its client's memory, for so long.
  const large = await c.client();
  expect(await large.ask('PING')).toMatch(/^\+PONG/);
  const theirs = [...c.group.server.state.clients.values()].at(-1);
  const sought: number[] = [];
  Object.defineProperty(theirs, 'soughtBytes', { get: () => sought.at(-1) ?? 0, set: (n) => sought.push(n) });
  const words = ['SETRANGE', high, '0', 'H'.repeat(100_000)] as const;
  for (const reply of await Promise.all([large.ask(...words), large.ask(...words)]))
    expect(reply).toBe(':100000\r\n');
  expect([Math.max(...sought) > 200_000, sought.at(-1)]).toEqual([true, 0]);
  // Writes of many at once, on keys that come and go: one copy of each, or none. Who has just said that it holds nothing takes nothing.
  const clients = await Promise.all([a, b, c, d].map((at) => at.client()));
  const writes = clients.flatMap((client, i) =>
    Array.from({ length: 50 }, (_, k) =>
      settled(client, ...((i + k) % 3 === 0 ? ['DEL', high] : ['INCR', other])),
    ),
  );
  for (const reply of await Promise.all(writes)) expect(reply).toMatch(/^:\d+/);
  const increments =
    writes.length -
    [0, 1, 2, 3].flatMap((i) => Array.from({ length: 50 }, (_, k) => (i + k) % 3)).filter((r) => r === 0)
      .length;
  expect(await proxy.ask('INCR', other)).toBe(`:${increments + 1}\r\n`);
  expect(await proxy.ask('SET', high, 'again')).toBe('+OK\r\n');
  expect([a, b, c].map(({ store }) => store.table.size).reduce((sum, size) => sum + size, 0)).toBe(3);
  expect(c.store.table.size).toBe(0);
  expect(await proxy.ask('DEL', low, high, other)).toBe(':3\r\n');
  await until('the slot is free', async () => c.group.router.slotCounts().held === 0);
  expect(await settled(proxy, 'SET', high, 'x')).toBe('+OK\r\n');
  expect(c.store.table.size).toBe(1);
});

test('what a former owner holds of a split slot is reached from every proxy, within two hops', async () => {
  await using nodes = new FakeNodes();
  const [a, b, c, d] = [await nodes.add(), await nodes.add(), await nodes.add(), await nodes.add()];
  const { start, end } = slotRange(slotOf('{t}'));
  const middle = start + (end - start + 1) / 2;
  nodes.map.register(a.id, 0, middle - 1);
  nodes.map.register(b.id, middle, END);
  nodes.map.register(c.id, 0, END, 2);
  const [low, high] = [keyIn(start, middle - 1), keyIn(middle, end)];
  const proxy = await d.client();
  expect(await settled(proxy, 'SET', low, 'l')).toBe('+OK\r\n');
  expect(await settled(proxy, 'SET', high, 'h')).toBe('+OK\r\n');
  nodes.map.release(c.id, 0, END);
  for (const at of [d, a, b, c]) {
    const client = await at.client();
    expect(await settled(client, 'GET', high)).toBe('$1\r\nh\r\n');
    expect(await settled(client, 'GET', low)).toBe('$1\r\nl\r\n');
    expect(await settled(client, 'MGET', low, high)).toBe('*2\r\n$1\r\nl\r\n$1\r\nh\r\n');
  }
  expect(c.store.table.size).toBe(2);
});

test('FLUSHALL at the proxy is refused while a node with messages is not here', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const client = await a.client();
  expect(await settled(client, 'SET', keyIn(HALF, END), '1')).toBe('+OK\r\n');
  nodes.map.join(b.id, nodes.address(b), 'down');
  for (const name of ['FLUSHALL', 'FLUSHDB'])
    expect(await client.ask(name)).toMatch(/^-TRYAGAIN FLUSH.* messages on .* cannot be reached now/);
  expect(await client.ask('DBSIZE')).toBe(':0\r\n');
  nodes.map.join(b.id, nodes.address(b), 'alive');
  expect(await settled(client, 'FLUSHALL')).toBe('+OK\r\n');
  expect(b.store.table.size).toBe(0);
});
