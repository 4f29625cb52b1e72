import { randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox, type TestAgent } from './harness.ts';

function port(address: string): number {
  return Number(address.split(':').at(-1));
}

async function sendDatagrams(to: number, datagrams: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket('udp4');
  for (const bytes of datagrams) {
    await new Promise<void>((done) => socket.send(bytes, to, '127.0.0.1', () => done()));
  }
  await new Promise<void>((done) => socket.close(() => done()));
}

/** Writes, and resolves when the other side has closed or a moment passed. */
function sendStream(to: number, bytes: Uint8Array): Promise<void> {
  return new Promise((done) => {
    const socket = connect({ port: to, host: '127.0.0.1' }, () => socket.write(bytes));
    socket.on('error', () => {});
    socket.setTimeout(500, () => socket.destroy());
    socket.on('close', () => done());
    socket.resume();
  });
}

async function metric(agent: TestAgent, name: string): Promise<number> {
  const { json } = await agent.call('GET', '/metrics');
  let sum = 0;
  for (const line of String(json).split('\n')) {
    if (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) sum += Number(line.split(' ').at(-1));
  }
  return sum;
}

/** Everything garbage could have changed. */
async function picture(agent: TestAgent): Promise<unknown> {
  return [await agent.digest(), await agent.memberStates(), await agent.rangesOf()];
}

/** Datagrams that the group itself multicasts. */
async function genuineDatagrams(sandbox: Sandbox): Promise<Uint8Array[]> {
  const [group, groupPort] = sandbox.multicast.split(':') as [string, string];
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const caught: Uint8Array[] = [];
  socket.on('message', (bytes) => caught.push(Uint8Array.from(bytes)));
  await new Promise<void>((done) => socket.bind(Number(groupPort), group, done));
  socket.addMembership(group, '127.0.0.1');
  await eventually('two multicasts', () => caught.length >= 2);
  socket.close();
  return caught;
}

test('garbage datagrams are counted and dropped, and change nothing', async () => {
  await using sandbox = new Sandbox();
  const agents = [await sandbox.start({ name: 'a' }), await sandbox.start({ name: 'b' })];
  const [a] = agents as [TestAgent, TestAgent];
  await agreement(agents);
  await a.ok('register', '0', '9');
  await agreement(agents);
  const before = await picture(a);
  const dropped = await metric(a, 'shoal_messages_dropped_total');
  const genuine = await genuineDatagrams(sandbox);
  // Cut off anywhere, and of another version or cluster. (Nothing is sealed yet: a well-formed lie would be believed.)
  const bent = genuine.flatMap((bytes) => [
    ...Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length)),
    ...[0, 1, 2, 3, 4].map((at) => bytes.map((byte, i) => (i === at ? byte ^ 0x5a : byte))),
  ]);
  const noise = Array.from({ length: 2_000 }, () => randomBytes(randomInt(0, 1_400)));
  await sendDatagrams(port(a.ready.gossip), [...noise, ...bent]);
  await eventually(
    'they are counted',
    async () => (await metric(a, 'shoal_messages_dropped_total')) > dropped,
  );
  expect(await picture(a)).toEqual(before);
  await a.ok('register', '10', '19');
  await agreement(agents);
});

test('garbage on the gossip port by TCP closes the connection and changes nothing', async () => {
  await using sandbox = new Sandbox();
  const agents = [await sandbox.start({ name: 'a' }), await sandbox.start({ name: 'b' })];
  const [a] = agents as [TestAgent, TestAgent];
  await agreement(agents);
  const before = await picture(a);
  const to = port(a.ready.gossip);
  const length = (n: number): Uint8Array => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
  await Promise.all([
    sendStream(to, length(0xffffffff)),
    sendStream(to, length(0)),
    sendStream(to, Buffer.concat([length(100), randomBytes(50)])),
    sendStream(to, Buffer.concat([length(1000), randomBytes(1000)])),
    sendStream(to, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')),
    ...Array.from({ length: 50 }, () => sendStream(to, randomBytes(randomInt(1, 5_000)))),
  ]);
  expect(await picture(a)).toEqual(before);
  await a.ok('register', '10', '19');
  await agreement(agents);
});

test('a node of another cluster on the same multicast group is not let in', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  const stranger = await sandbox.start({
    name: 'stranger',
    flags: ['--cluster', 'elsewhere', '--join', a.ready.gossip],
  });
  await eventually(
    'what it sends is counted',
    async () => (await metric(a, 'shoal_messages_dropped_total')) > 0,
  );
  await a.ok('register', '0', '9');
  await agreement([a, b]);
  expect(await stranger.memberStates()).toEqual(['stranger=alive']);
  expect(await stranger.rangesOf()).toEqual([]);
});
