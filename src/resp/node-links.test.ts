import { expect, test } from 'vitest';
import { HELD_POSITIONS } from './holdings.ts';
import { linkSecret, proofOf } from './link-auth.ts';
import { ROLE } from './role.ts';
import { FakeNodes } from './testing/fake-nodes.ts';
import { END, HALF, halves, keyIn, settled } from './testing/keys-and-nodes.ts';

test('a question about more positions than one may have is refused, not answered in part', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const link = await b.client(ROLE.cluster);
  await link.ask('SHOAL', 'LINK', 'final', a.id, b.id, '0'.repeat(32));
  expect(await link.ask('SHOAL', 'PROVE', '-')).toBe('+OK\r\n');
  const positions = Array.from({ length: HELD_POSITIONS }, (_, i) => `${i * 4}`);
  expect(await link.ask('SHOAL', 'HELD', ...positions)).toBe('*0\r\n');
  expect(await link.ask('SHOAL', 'HELD', ...positions, '1', '2')).toMatch(/^-ERR HELD takes 10000 positions/);
});

test('nodes without a common secret do not forward, and say why', async () => {
  await using nodes = new FakeNodes();
  const a = await nodes.add({ keys: [Uint8Array.of(1, 2, 3)] });
  const b = await nodes.add({ keys: [Uint8Array.of(9, 9, 9)] });
  nodes.map.register(a.id, 0, HALF - 1);
  nodes.map.register(b.id, HALF, END);
  const client = await a.client();
  expect(await client.ask('GET', keyIn(HALF, END))).toMatch(/^-TRYAGAIN.*(proves nothing|cannot be reached)/);
  expect(b.group.router.counters.linksRefused).toBeGreaterThan(0);
  const stranger = await b.client(ROLE.cluster);
  expect(await stranger.ask('SHOAL', 'HELD', '0', '1')).toMatch(/^-ERR HELD is for nodes/);
  await stranger.ask('SHOAL', 'LINK', 'final', a.id, b.id, 'a'.repeat(32));
  expect(await stranger.ask('SHOAL', 'PROVE', 'b'.repeat(64))).toMatch(/^-ERR that proves nothing/);
});

test('who asks for a link hears nothing that a secret was used for before he has proved that he knows it', async () => {
  await using nodes = new FakeNodes();
  const a = await nodes.add({ settings: { requirepass: 'correct horse' } });
  const dialer = '00000000000000aa';
  const ask = async (password: string): Promise<string> => {
    const client = await a.client(ROLE.cluster);
    const dialerNonce = 'd'.repeat(32);
    const told = await client.ask('SHOAL', 'LINK', 'final', dialer, a.id, dialerNonce);
    expect(told).toMatch(/^\$32\r\n[0-9a-f]{32}\r\n$/);
    const acceptorNonce = told.slice(5, -2);
    const greeting = { kind: 'final', dialer, acceptor: a.id, dialerNonce, acceptorNonce };
    const secret = linkSecret(password);
    const proofs = [linkSecret('another'), secret].map((one) => proofOf(one, 'dialer', greeting));
    const reply = await client.ask('SHOAL', 'PROVE', proofs.join());
    return reply === `$64\r\n${proofOf(secret, 'acceptor', greeting)}\r\n` ? 'both proved it' : reply;
  };
  expect(await ask('correct horse')).toBe('both proved it');
  expect(await ask('battery staple')).toMatch(/^-ERR that proves nothing/);
  // A password that is changed while it runs is the secret from then on.
  const client = await a.client();
  await client.ask('AUTH', 'correct horse');
  expect(await client.ask('CONFIG', 'SET', 'requirepass', 'battery staple')).toBe('+OK\r\n');
  expect(await ask('correct horse')).toMatch(/^-ERR that proves nothing/);
  expect(await ask('battery staple')).toBe('both proved it');
});

test('a password that is set while it runs shuts the door to links without one, and nodes that have it forward', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  const clients = [await a.client(), await b.client()] as const;
  const early = await b.client(ROLE.cluster);
  expect(await early.ask('SHOAL', 'LINK', 'final', a.id, b.id, '0'.repeat(32))).toMatch(/^\$32/);
  for (const client of clients)
    expect(await client.ask('CONFIG', 'SET', 'requirepass', 'new secret')).toBe('+OK\r\n');
  expect(await early.ask('SHOAL', 'PROVE', '-')).toMatch(/^-ERR that proves nothing/);
  const late = await b.client(ROLE.cluster);
  expect(await late.ask('SHOAL', 'LINK', 'final', a.id, b.id, '0'.repeat(32))).toMatch(/^\$32/);
  expect(await late.ask('SHOAL', 'PROVE', '-')).toMatch(/^-ERR that proves nothing/);
  expect(await settled(clients[0], 'SET', keyIn(HALF, END), 'v')).toBe('+OK\r\n');
});

test('a transaction forwarded over a link leaves the link as it is: each client gets its own replies', async () => {
  await using nodes = new FakeNodes();
  const [a] = await halves(nodes);
  const [client, other] = [await a.client(), await a.client()];
  const there = keyIn(HALF, END);
  await settled(other, 'SET', there, 'mine');
  const about: readonly string[][] = [
    ['CLIENT', 'REPLY', 'SKIP'],
    ['CLIENT', 'REPLY', 'OFF'],
    ['CLIENT', 'ACKS', '5', '5'],
    ['CLIENT', 'SETNAME', 'x'],
    ['HELLO', '3'],
    ['SUBSCRIBE', 'c'],
    ['PSUBSCRIBE', 'c'],
    ['SSUBSCRIBE', there],
    ['MONITOR'],
    ['DBSIZE'],
  ];
  for (const words of about) {
    for (const commands of [
      [['GET', there], words],
      [words, ['GET', there]],
    ]) {
      expect(await client.ask('MULTI')).toBe('+OK\r\n');
      const queued = [];
      for (const one of commands) queued.push(await client.ask(...one));
      expect(queued.join(), words.join(' ')).toMatch(
        /-ERR .*(another node|cluster port|in transactions|inside a transaction)/,
      );
      expect(await client.ask('EXEC')).toMatch(/^-EXECABORT/);
      expect(await other.ask('GET', there), words.join(' ')).toBe('$4\r\nmine\r\n');
    }
  }
  await client.ask('MULTI');
  for (const words of [['ECHO', 'x'], ['GET', there], ['PING']])
    expect(await client.ask(...words)).toBe('+QUEUED\r\n');
  expect(await client.ask('EXEC')).toBe('*3\r\n$1\r\nx\r\n$4\r\nmine\r\n+PONG\r\n');
});

test('a link takes no command that would change what others get over it', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = await halves(nodes);
  for (const kind of ['relay', 'final']) {
    const link = await b.client(ROLE.cluster);
    await link.ask('SHOAL', 'LINK', kind, a.id, b.id, '0'.repeat(32));
    expect(await link.ask('SHOAL', 'PROVE', '-')).toBe('+OK\r\n');
    const refused = /^-ERR .*(links between nodes|in transactions|inside a transaction)/;
    for (const words of [
      ['CLIENT', 'REPLY', 'OFF'],
      ['CLIENT', 'SETNAME', 'x'],
      ['SUBSCRIBE', 'c'],
      ['PSUBSCRIBE', 'c'],
      ['SSUBSCRIBE', keyIn(HALF, END)],
      ['AUTH', 'x'],
      ['RESET'],
      ['MONITOR'],
      ['QUIT'],
      ['SHOAL', 'LINK', kind, a.id, b.id, '0'.repeat(32)],
    ])
      expect(await link.ask(...words), words.join(' ')).toMatch(refused);
    for (const words of [
      ['CLIENT', 'ACKS', '5', '5'],
      ['HELLO', '3'],
      ['CLIENT', 'REPLY', 'SKIP'],
    ]) {
      expect(await link.ask('MULTI')).toBe('+OK\r\n');
      expect(await link.ask(...words), words.join(' ')).toMatch(refused);
      expect(await link.ask('EXEC')).toMatch(/^-EXECABORT/);
    }
    expect(await link.ask('HELLO', '3')).toMatch(/^%/);
    expect(await link.ask('CLIENT', 'ACKS', '1', '0')).toBe('+OK\r\n');
    expect(await link.ask('SHOAL', 'HELD', '0', '1')).toBe('*0\r\n');
  }
});

test('a client that sends more than a link takes waits, and is answered in order', async () => {
  await using nodes = new FakeNodes();
  const [a] = await halves(nodes);
  const client = await a.client();
  const key = keyIn(HALF, END);
  await settled(client, 'SET', key, '');
  const megabyte = 'x'.repeat(2 ** 20);
  const replies = await Promise.all(Array.from({ length: 64 }, () => client.ask('GETSET', key, megabyte)));
  expect(replies.map((reply) => reply.length)).toEqual([6, ...new Array(63).fill(2 ** 20 + 12)]);
  expect(a.group.router.forwarder.counters).toMatchObject({ failed: 0 });
});
