import { expect, test } from 'vitest';
import { slotRange } from '../ranges/index.ts';
import { ROLE } from './role.ts';
import { FakeDisk } from './testing/fake-disk.ts';
import { FakeNodes } from './testing/fake-nodes.ts';
import { END, HALF, halves, keyIn, settled, slotOf, until } from './testing/keys-and-nodes.ts';

test('the cluster port redirects to the owner, and refuses keys of several slots and slots of nobody', async () => {
  await using nodes = new FakeNodes();
  const a = await nodes.add();
  const b = await nodes.add();
  nodes.map.register(a.id, 0, slotRange(99).end);
  nodes.map.register(b.id, slotRange(100).start, slotRange(199).end);
  const client = await a.client(ROLE.cluster);
  const mine = keyIn(0, slotRange(99).end);
  const other = keyIn(slotRange(100).start, slotRange(199).end);
  const nobodys = keyIn(slotRange(200).start, END);
  expect(await settled(client, 'SET', mine, '1')).toBe('+OK\r\n');
  expect(await client.ask('GET', other)).toBe(`-MOVED ${slotOf(other)} ${nodes.address(b)}\r\n`);
  expect(await client.ask('GET', nobodys)).toBe('-CLUSTERDOWN Hash slot not served\r\n');
  expect(await client.ask('MGET', mine, other)).toMatch(/^-CROSSSLOT/);
  expect(await client.ask('MGET', `{${mine}}a`, `{${mine}}b`)).toBe('*2\r\n$-1\r\n$-1\r\n');
  expect(await client.ask('DBSIZE')).toBe(':1\r\n');
});

test('a slot whose only owner is down is shown there, as failed, and commands on it are refused', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const client = await a.client(ROLE.cluster);
  const there = keyIn(HALF, END);
  const clusterInfo = async (): Promise<string[]> =>
    (await client.ask('CLUSTER', 'INFO')).match(/cluster_(state|size|slots_\w+):\w+/g) ?? [];
  const counts = (state: string, ok: number, pfail: number, fail: number, size: number): string[] => [
    `cluster_state:${state}`,
    `cluster_slots_assigned:${ok + pfail + fail}`,
    `cluster_slots_ok:${ok}`,
    `cluster_slots_pfail:${pfail}`,
    `cluster_slots_fail:${fail}`,
    `cluster_size:${size}`,
  ];
  const nodesLine = async (): Promise<string> =>
    (await client.ask('CLUSTER', 'NODES')).split('\n').find((line) => line.startsWith(b.id)) ?? '';
  const before = await client.ask('CLUSTER', 'SLOTS');
  expect(await clusterInfo()).toEqual(counts('ok', 16_384, 0, 0, 2));
  expect(await nodesLine()).toMatch(/ master - 0 \d+ 2 connected 8192-16383$/);

  nodes.map.join(b.id, nodes.address(b), 'suspect');
  expect(await clusterInfo()).toEqual(counts('ok', 8192, 8192, 0, 2));
  expect(await nodesLine()).toMatch(/ master,fail\? - 0 \d+ 2 connected 8192-16383$/);
  expect(await client.ask('GET', there)).toMatch(/^-MOVED/);

  nodes.map.join(b.id, nodes.address(b), 'down');
  expect(await client.ask('GET', there)).toBe('-CLUSTERDOWN Hash slot not served\r\n');
  expect(await client.ask('CLUSTER', 'SLOTS')).toBe(before);
  expect(await clusterInfo()).toEqual(counts('ok', 8192, 0, 8192, 2));
  expect(await nodesLine()).toMatch(/ master,fail - 0 0 2 disconnected 8192-16383$/);
  const shards = await client.ask('CLUSTER', 'SHARDS');
  expect(shards.match(/(?<=health\r\n\$\d\r\n)\w+/g)).toEqual(['online', 'fail']);

  nodes.map.release(a.id, 0, HALF - 1);
  expect(await clusterInfo()).toEqual(counts('fail', 0, 0, 8192, 1));
  nodes.map.release(b.id, HALF, END);
  expect(await client.ask('CLUSTER', 'SLOTS')).toBe('*0\r\n');
  expect(await nodesLine()).toBe('');
});

test('a store that is full refuses what would be written here, not what is forwarded', async () => {
  await using nodes = new FakeNodes();
  const disk = new FakeDisk();
  const a = await nodes.add({ store: disk.store() });
  const b = await nodes.add();
  nodes.map.register(a.id, 0, HALF - 1);
  nodes.map.register(b.id, HALF, END);
  const client = await a.client();
  const [here, there] = [keyIn(0, HALF - 1), keyIn(HALF, END)];
  expect(await settled(client, 'SET', here, '1')).toBe('+OK\r\n');
  expect(await settled(client, 'SET', there, '1')).toBe('+OK\r\n');
  const refuse = (refusal: string | null, blocked: string | null): void => {
    disk.refusal = refusal;
    disk.blocked = blocked;
    expect(a.store.full).toBe(refusal !== null);
  };
  refuse('OOM no room', null);
  expect(await client.ask('SET', here, '2')).toBe('-OOM no room\r\n');
  expect(await client.ask('SET', there, '2')).toBe('+OK\r\n');
  expect(await (await a.client(ROLE.cluster)).ask('SET', there, '2')).toMatch(/^-MOVED/);
  const transaction = async (key: string): Promise<string[]> => {
    const words = [['MULTI'], ['SET', key, '3'], ['EXEC']];
    return (await Promise.all(words.map((one) => client.ask(...one)))).map((reply) => reply.slice(0, 10));
  };
  expect(await transaction(here)).toEqual(['+OK\r\n', '-OOM no ro', '-EXECABORT']);
  expect(await transaction(there)).toEqual(['+OK\r\n', '+QUEUED\r\n', '*1\r\n+OK\r\n']);
  // Taken apart, its part here is refused.
  expect(await client.ask('MSET', here, '4', there, '4')).toBe('-OOM no room\r\n');
  expect(await client.ask('MGET', here, there)).toBe('*2\r\n$1\r\n1\r\n$1\r\n4\r\n');
  expect(await client.ask('DEL', here, there)).toBe(':2\r\n');
  refuse('MISCONF no disk', 'MISCONF no disk');
  expect(await client.ask('DEL', here, there)).toBe('-MISCONF no disk\r\n');
  refuse(null, null);
  expect(await client.ask('SET', here, '5')).toBe('+OK\r\n');
});

test('the proxy forwards in order, whatever the mix of owners, and gives replies as they came', async () => {
  await using nodes = new FakeNodes();
  const [a] = await halves(nodes);
  const client = await a.client();
  await settled(client, 'SET', keyIn(HALF, END), 'warm');
  await settled(client, 'SET', keyIn(0, HALF), 'warm');
  const keys = Array.from({ length: 500 }, (_, i) => `key:${i}`);
  const replies = await Promise.all(
    keys.flatMap((key, i) => [
      client.ask('SET', key, i),
      client.ask('INCR', key),
      client.ask('STRLEN', key),
      client.ask('GETRANGE', key, 'x', 1),
    ]),
  );
  const wanted = keys.flatMap((_, i) => [
    '+OK\r\n',
    `:${i + 1}\r\n`,
    `:${String(i + 1).length}\r\n`,
    '-ERR value is not an integer or out of range\r\n',
  ]);
  expect(replies).toEqual(wanted);
  // RESP3 goes through as it is.
  expect(await client.ask('HELLO', '3')).toMatch(/^%/);
  expect(await client.ask('GET', keyIn(HALF, END, 1000))).toBe('_\r\n');
});

test('a command that the owner’s view sends back is refused after two hops, not sent in circles', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const client = await a.client();
  const key = keyIn(HALF, END);
  await settled(client, 'SET', key, '1');
  // B is sent, as the last hop, a key that it neither owns nor holds.
  const link = await b.client(ROLE.cluster);
  const nonce = '0'.repeat(32);
  expect(await link.ask('SHOAL', 'LINK', 'final', a.id, b.id, nonce)).toMatch(/^\$32\r\n/);
  expect(await link.ask('SHOAL', 'PROVE', '-')).toBe('+OK\r\n');
  expect(await link.ask('GET', keyIn(0, HALF - 1))).toMatch(/^-TRYAGAIN/);
  expect(await link.ask('GET', key)).toBe('$1\r\n1\r\n');
});

test('a majority of owners is of those of the keys, wherever in the command they are', async () => {
  await using nodes = new FakeNodes();
  const a = await nodes.add();
  const b = await nodes.add();
  nodes.map.register(a.id, 0, END, 2);
  nodes.map.register(b.id, 0, END, 1);
  const client = await a.client(ROLE.cluster);
  expect(await settled(client, 'SET', 'k', '1')).toBe('+OK\r\n');
  expect(await client.ask('CLIENT', 'ACKS', 'q', '0')).toBe('+OK\r\n');
  for (const words of [
    ['SET', 'k', '2'],
    ['BITOP', 'NOT', '{k}d', 'k'],
  ])
    expect(await client.ask(...words)).toMatch(/^-NOREPLICAS need qm0d/);
  expect(await client.ask('MULTI')).toBe('+OK\r\n');
  expect(await client.ask('SET', 'k', '2')).toBe('+QUEUED\r\n');
  expect(await client.ask('EXEC')).toMatch(/^-NOREPLICAS need qm0d/);
  expect(await client.ask('GET', 'k')).toBe('$1\r\n1\r\n');
});

test('a slot split between owners is served by the owner of its first position, for all of them', async () => {
  await using nodes = new FakeNodes();
  const a = await nodes.add();
  const b = await nodes.add();
  const slot = slotOf('{t}');
  const { start, end } = slotRange(slot);
  const middle = start + (end - start + 1) / 2;
  nodes.map.register(a.id, 0, middle - 1);
  nodes.map.register(b.id, middle, END);
  const [low, high] = [keyIn(start, middle - 1), keyIn(middle, end)];
  const ofA = await a.client(ROLE.cluster);
  const ofB = await b.client(ROLE.cluster);
  expect(await settled(ofA, 'SET', low, 'l')).toBe('+OK\r\n');
  expect(await settled(ofA, 'SET', high, 'h')).toBe('+OK\r\n');
  expect(await ofB.ask('GET', high)).toBe(`-MOVED ${slot} ${nodes.address(a)}\r\n`);
  expect(await ofA.ask('MGET', low, high)).toBe('*2\r\n$1\r\nl\r\n$1\r\nh\r\n');
  expect([a.store.table.countInSlot(slot), b.store.table.countInSlot(slot)]).toEqual([1, 1]);
  // A shard channel is the whole slot's.
  const { forwarded } = a.group.router.forwarder.counters;
  expect(await ofA.ask('SPUBLISH', high, 'x')).toBe(':0\r\n');
  expect(a.group.router.forwarder.counters.forwarded).toBe(forwarded);
  // The part that was b's becomes a's: what b holds of it is not missing.
  nodes.map.register(a.id, middle, END, 5);
  expect(await settled(ofA, 'GET', high)).toBe('$1\r\nh\r\n');
});

test('what was written before a range changed hands is found after it, at the one place where it is', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const client = await a.client(ROLE.cluster);
  const ofB = await b.client(ROLE.cluster);
  const key = keyIn(0, HALF - 1);
  expect(await settled(client, 'SET', key, 'v')).toBe('+OK\r\n');
  nodes.map.register(b.id, 0, HALF - 1, 7);
  expect(await settled(client, 'GET', key)).toMatch(/^-MOVED/);
  expect(await settled(ofB, 'GET', key)).toBe('$1\r\nv\r\n');
  expect(await ofB.ask('APPEND', key, 'w')).toBe(':2\r\n');
  expect([a.store.table.size, b.store.table.size]).toEqual([1, 0]);
  // Others of its slot stay with it; a slot without data is b's at once.
  const elsewhere = keyIn(slotRange(slotOf(key) + 1).start, HALF - 1);
  expect(await ofB.ask('SET', elsewhere, '1')).toBe('+OK\r\n');
  expect([a.store.table.size, b.store.table.size]).toEqual([1, 1]);
  expect([a.group.router.strays(), b.group.router.strays()]).toEqual([1, 0]);
  // When the last of it is gone, b has the slot.
  expect(await ofB.ask('DEL', key)).toBe(':1\r\n');
  await until('b has the slot', async () => b.group.router.slotCounts().held === 0);
  expect(await ofB.ask('SET', key, 'x')).toBe('+OK\r\n');
  expect([a.store.table.size, b.store.table.countInSlot(slotOf(key))]).toEqual([0, 1]);
});

test('while the holder is away its data is not missing, and is given up only when an operator says so', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const ofB = await b.client(ROLE.cluster);
  const key = keyIn(0, HALF - 1);
  expect(await settled(await a.client(ROLE.cluster), 'SET', key, 'v')).toBe('+OK\r\n');
  nodes.map.register(b.id, 0, END, 1);
  // b is second to none now: it never asked a, for a was the owner until it went.
  nodes.map.join(a.id, nodes.address(a), 'down');
  expect(await ofB.ask('GET', key)).toMatch(/^-TRYAGAIN/);
  expect(await ofB.ask('SET', key, 'new')).toMatch(/^-TRYAGAIN/);
  nodes.map.release(a.id, 0, HALF - 1);
  expect(await ofB.ask('GET', key)).toMatch(/^-TRYAGAIN/);
  nodes.map.join(a.id, nodes.address(a), 'alive');
  expect(await settled(ofB, 'GET', key)).toBe('$1\r\nv\r\n');
  nodes.map.join(a.id, nodes.address(a), 'left');
  expect(await ofB.ask('GET', key)).toMatch(/^-TRYAGAIN/);
  expect(b.group.router.holdings.warnings().join()).toMatch(/is not here and may hold data of 1 slots/);
  expect(await ofB.ask('SHOAL', 'FORGET', a.id)).toBe(':1\r\n');
  expect(await settled(ofB, 'GET', key)).toBe('$-1\r\n');
});

test('what is pipelined while slots are not settled is run when they are, all of it, once', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const client = await a.client();
  const keys = Array.from({ length: 300 }, (_, i) => `p${i}`);
  const replies = await Promise.all(keys.map((key) => client.ask('INCR', key)));
  expect(replies).toEqual(keys.map(() => ':1\r\n'));
  expect(a.store.table.size + b.store.table.size).toBe(300);
  expect(a.group.router.counters.waited + b.group.router.counters.waited).toBeGreaterThan(0);
});

test('who waits for a slot is told to go on when its time is over, but not who waits for something else by then', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  Object.assign(b.group.server.state.commands.named('shoal|held') ?? {}, { run: () => {} });
  const [one, other] = [await a.client(), await a.client()];
  const waiting = () => [...a.group.server.state.clients.values()].filter(({ blocked }) => blocked !== null);
  void one.ask('GET', keyIn(0, HALF - 1));
  await until('the first one waits, for B does not say what it holds', async () => waiting().length === 1);
  const blocked = { unblock: () => false, cancel: () => {} };
  for (const client of waiting()) client.blocked = blocked;
  const reply = other.ask('GET', keyIn(0, HALF - 1));
  await until('the second one waits', async () => waiting().length === 2);
  nodes.aheadMs += 2_000;
  expect(await reply).toMatch(/^-TRYAGAIN/);
  expect(waiting().map((client) => client.blocked === blocked)).toEqual([true]);
});

test('transactions at the proxy run as a whole at the owner of their keys', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const client = await a.client();
  const [here, there] = [keyIn(0, HALF - 1), keyIn(HALF, END)];
  await settled(client, 'GET', here);
  await settled(client, 'GET', there);
  const run = async (...commands: readonly string[][]): Promise<string> => {
    await client.ask('MULTI');
    for (const words of commands) await client.ask(...words);
    return client.ask('EXEC');
  };
  expect(await run(['SET', there, '1'], ['INCR', there])).toBe('*2\r\n+OK\r\n:2\r\n');
  expect(await run(['SET', here, '1'], ['INCR', here])).toBe('*2\r\n+OK\r\n:2\r\n');
  expect(await run(['PING'], ['SET', there, '2'])).toBe('*2\r\n+PONG\r\n+OK\r\n');
  const apart = /^-CROSSSLOT .*: keys of this transaction, or watched for it, are on several nodes/;
  expect(await run(['SET', there, '7'], ['SET', here, '7'])).toMatch(apart);
  expect(await run(['SET', here, '7'], ['SET', there, '7'])).toMatch(apart);
  expect(await client.ask('WATCH', here)).toBe('+OK\r\n');
  expect(await run(['SET', there, '7'])).toMatch(apart);
  expect(await client.ask('EXEC')).toBe('-ERR EXEC without MULTI\r\n');
  expect([await client.ask('GET', here), await client.ask('GET', there)]).toEqual([
    '$1\r\n2\r\n',
    '$1\r\n2\r\n',
  ]);
  expect(await client.ask('WATCH', there)).toMatch(/^-ERR WATCH/);
  expect([a.store.table.size, b.store.table.size]).toEqual([1, 1]);
});
