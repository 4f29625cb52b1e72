import { expect, test } from 'vitest';
import { positionOf, slotAt } from '../ranges/index.ts';
import { ROLE, type Role } from './role.ts';
import { type FakeNode, FakeNodes } from './testing/fake-nodes.ts';
import { poll, RawClient } from './testing/raw-client.ts';

const END = 2 ** 32 - 1;
const HALF = 2 ** 31;

/** Clients of one test. */
class Clients {
  readonly #all: RawClient[] = [];

  async of(node: FakeNode, role: Role, version = '2'): Promise<RawClient> {
    const client = await RawClient.connect(node.ports.get(role) as number);
    this.#all.push(client);
    await client.ask('HELLO', version);
    return client;
  }

  [Symbol.dispose](): void {
    for (const client of this.#all) client.close();
  }
}

/** Two nodes with half of the key space each, and a shard channel of each. */
async function halves(nodes: FakeNodes): Promise<{ a: FakeNode; b: FakeNode; ofA: string; ofB: string }> {
  const [a, b] = [await nodes.add(), await nodes.add()];
  nodes.map.register(a.id, 0, HALF - 1);
  nodes.map.register(b.id, HALF, END);
  const channelIn = (start: number, end: number): string => {
    for (let i = 0; ; i++) {
      const position = positionOf(`s${i}`);
      if (position >= start && position <= end) return `s${i}`;
    }
  };
  return { a, b, ofA: channelIn(0, HALF - 1), ofB: channelIn(HALF, END) };
}

test('a message comes to the subscribers of all nodes, from either port, and is counted for those of its own', async () => {
  await using nodes = new FakeNodes();
  using clients = new Clients();
  const { a, b } = await halves(nodes);
  const here = await clients.of(a, ROLE.cluster);
  const there = await clients.of(b, ROLE.proxy, '3');
  expect(await here.ask('SUBSCRIBE', 'n\xe9ws')).toBe('*3 $9 subscribe $4 n\xe9ws :1');
  expect(await there.ask('PSUBSCRIBE', 'n*')).toBe('>3 $10 psubscribe $2 n* :1');
  for (const role of [ROLE.cluster, ROLE.proxy]) {
    const sender = await clients.of(a, role);
    expect(await sender.ask('PUBLISH', 'n\xe9ws', 'a\0\xff')).toBe(':1');
    expect(await here.reply()).toBe('*3 $7 message $4 n\xe9ws $3 a\0\xff');
    expect(await there.reply()).toBe('>4 $8 pmessage $2 n* $4 n\xe9ws $3 a\0\xff');
    expect(await sender.ask('PUBSUB', 'NUMSUB', 'n\xe9ws')).toBe('*2 $4 n\xe9ws :1');
    expect(await sender.ask('PUBSUB', 'NUMPAT')).toBe(':0');
  }
  const sender = await clients.of(b, ROLE.cluster);
  expect(await sender.ask('PUBSUB', 'CHANNELS')).toBe('*0');
  expect(await sender.replies(0)).toEqual([]);
  sender.send('MULTI').send('PUBLISH', 'n\xe9ws', 'x').send('EXEC');
  expect(await sender.replies(3)).toEqual(['+OK', '+QUEUED', '*1 :1']);
  expect(await here.reply()).toBe('*3 $7 message $4 n\xe9ws $1 x');
});

test('a shard channel is where its slot is: others say so, or forward what is published', async () => {
  await using nodes = new FakeNodes();
  using clients = new Clients();
  const { a, b, ofA, ofB } = await halves(nodes);
  const moved = `-MOVED ${slotAt(positionOf(ofB))} ${nodes.address(b)}`;
  const atA = await clients.of(a, ROLE.cluster);
  const atB = await clients.of(b, ROLE.cluster);
  for (const command of ['SSUBSCRIBE', 'SUNSUBSCRIBE']) expect(await atA.ask(command, ofB)).toBe(moved);
  expect(await atA.ask('SPUBLISH', ofB, 'x')).toBe(moved);
  expect(await atA.ask('SSUBSCRIBE', ofA, ofB)).toMatch(/^-CROSSSLOT/);
  expect(await atB.ask('SSUBSCRIBE', ofB)).toBe(`*3 $10 ssubscribe $${ofB.length} ${ofB} :1`);
  const proxy = await clients.of(a, ROLE.proxy);
  expect(await proxy.ask('SSUBSCRIBE', ofB)).toMatch(/^-ERR shard channels are at the node/);
  expect(await proxy.ask('SPUBLISH', ofB, 'x')).toBe(':1');
  expect(await atB.reply()).toBe(`*3 $8 smessage $${ofB.length} ${ofB} $1 x`);
  expect(await proxy.ask('SPUBLISH', ofA, 'x')).toBe(':0');
  expect(await (await clients.of(b, ROLE.proxy)).ask('PUBSUB', 'SHARDNUMSUB', ofB)).toBe(
    `*2 $${ofB.length} ${ofB} :1`,
  );
  expect(await proxy.ask('PUBSUB', 'SHARDCHANNELS')).toBe('*0');
});

test('subscribers of a shard channel whose slot goes elsewhere are told that they are none any more', async () => {
  await using nodes = new FakeNodes();
  using clients = new Clients();
  const { a, b, ofA, ofB } = await halves(nodes);
  const [two, three] = [await clients.of(b, ROLE.cluster), await clients.of(b, ROLE.cluster, '3')];
  for (const client of [two, three]) expect(await client.ask('SSUBSCRIBE', ofB)).toMatch(/:1$/);
  const stays = await clients.of(a, ROLE.cluster);
  expect(await stays.ask('SSUBSCRIBE', ofA)).toMatch(/:1$/);
  const position = positionOf(ofB);
  const start = (slotAt(position) << 18) >>> 0;
  nodes.map.register(a.id, start, start + 2 ** 18 - 1, 5);
  const gone = `3 $12 sunsubscribe $${ofB.length} ${ofB} :0`;
  expect([await two.reply(), await three.reply()]).toEqual([`*${gone}`, `>${gone}`]);
  expect(b.group.server.state.channels.shardCount).toBe(0);
  expect(await two.ask('PING')).toBe('+PONG');
  await poll(() => a.group.router.servesShard(Buffer.from(ofB)));
  expect(await stays.ask('SSUBSCRIBE', ofB)).toMatch(/:2$/);
  expect(await (await clients.of(a, ROLE.cluster)).ask('SPUBLISH', ofB, 'x')).toBe(':1');
});

test('a message that takes too long to compare with a pattern is not sent by it, and is counted', async () => {
  await using nodes = new FakeNodes();
  using clients = new Clients();
  const { a } = await halves(nodes);
  const [listener, speaker] = [await clients.of(a, ROLE.cluster), await clients.of(a, ROLE.cluster)];
  for (const pattern of [`*${'a'.repeat(500)}b`, 'a*'])
    expect(await listener.ask('PSUBSCRIBE', pattern)).toContain('psubscribe');
  expect(await speaker.ask('PUBLISH', 'a'.repeat(1000), 'm')).toBe(':1');
  const { channels } = a.group.server.state;
  expect(channels.uncompared).toBe(1);
  expect(await speaker.ask('PUBLISH', 'a'.repeat(1025), 'm')).toBe(':0');
  expect(channels.uncompared).toBe(3);
  expect(await speaker.ask('PUBLISH', 'ab', 'm')).toBe(':1');
  expect(channels.uncompared).toBe(3);
});
