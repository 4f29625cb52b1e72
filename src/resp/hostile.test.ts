import { afterEach, expect, it } from 'vitest';
import { Span, Store } from '../store/index.ts';
import { ROLE } from './role.ts';
import { RespServer } from './server.ts';
import { FakeNodes } from './testing/fake-nodes.ts';
import { RawClient } from './testing/raw-client.ts';
import { Script } from './testing/script.ts';
import { Served } from './testing/served.ts';

const served = new Served();
afterEach(() => served.close());

it('runs nothing of what a web page has a browser send, and tells of the first time', async () => {
  const said: string[] = [];
  const server = new RespServer(new Store(), { hooks: { warn: (text) => said.push(text) } });
  const port = await server.listen(0, '127.0.0.1');
  served.closers.push(() => server.close());
  const body = 'CONFIG SET requirepass owned\r\nFLUSHALL\r\n';
  const heads = [
    `POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`,
    `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n`,
    `PUT /x HTTP/1.1\r\nAccept: */*\r\nHOST: x\r\n`,
  ];
  for (const [i, head] of heads.entries()) {
    const page = await RawClient.connect(port);
    page.socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    await page.whenClosed();
    expect(server.state.counters.cutForHttp).toBe(i + 1);
  }
  expect(server.state.settings.password).toBe('');
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/^127\.0\.0\.1:\d+ spoke HTTP/);
});

it('takes names of up to 256 bytes', () => {
  const script = new Script();
  const [fits, long] = ['n'.repeat(256), 'n'.repeat(257)];
  expect(script.ask('CLIENT', 'SETNAME', fits)).toBe('+OK');
  expect(script.ask('CLIENT', 'SETINFO', 'LIB-NAME', fits)).toBe('+OK');
  expect(script.ask('CLIENT', 'SETNAME', long)).toBe('-ERR Client names have at most 256 bytes');
  expect(script.ask('HELLO', '2', 'SETNAME', long)).toBe('-ERR Client names have at most 256 bytes');
  expect(script.ask('CLIENT', 'SETINFO', 'LIB-VER', long)).toBe('-ERR LIB-VER has at most 256 bytes');
  expect(script.ask('CLIENT', 'GETNAME')).toBe(`$256\r\n${fits}`);
});

it('answers names given many times once, or not at all', async () => {
  const script = new Script();
  const times = (...words: string[]): string[] => Array.from({ length: 5000 }, () => words).flat();
  expect(script.ask('COMMAND', 'DOCS', ...times('client'))).toMatch(/^-ERR too many names/);
  expect(script.ask('COMMAND', 'INFO', ...times('client'))).toMatch(/^-ERR too many names/);
  expect(script.ask('COMMAND', 'INFO', 'get', 'get')).toMatch(/^\*2\r\n.*\$3\r\nget.*\$3\r\nget/s);
  script.ask('LCS', 'a', 'b');
  expect(script.ask('LATENCY', 'HISTOGRAM', ...times('lcs'))).toMatch(/^\*2\r\n\$3\r\nlcs/);
  const { join } = await served.start();
  const client = await join();
  const id = (await client.ask('CLIENT', 'ID')).slice(1);
  const list = await client.ask('CLIENT', 'LIST', 'ID', ...times(id));
  expect(list.match(/ addr=/g)).toHaveLength(1);
});

it('shows monitors the beginning of long commands', async () => {
  const { join } = await served.start();
  const [monitor, client] = [await join(), await join()];
  expect(await monitor.ask('MONITOR')).toBe('+OK');
  await client.ask('EXISTS', 'x'.repeat(100_000), ...new Array<string>(99).fill('y'));
  const line = await monitor.reply();
  expect(line).toContain(`"EXISTS" "${'x'.repeat(1024)}"... (98976 more bytes) "y"`);
  expect(line).toMatch(/"y" \.\.\. \(37 more arguments\)$/);
});

it('does not let all clients be cut by a bound that none can keep', () => {
  const script = new Script();
  const set = (value: string) => script.ask('CONFIG', 'SET', 'maxmemory-clients', value);
  expect(set('1')).toMatch(/^-ERR CONFIG SET failed .* argument must be 0 or between 1048576 and/);
  expect(set('1mb')).toBe('+OK');
  expect(set('0')).toBe('+OK');
});

it('answers other nodes about every slot once in one question', async () => {
  await using nodes = new FakeNodes();
  const [a, b] = [await nodes.add(), await nodes.add()];
  const link = await b.client(ROLE.cluster);
  await link.ask('SHOAL', 'LINK', 'final', a.id, b.id, '0'.repeat(32));
  expect(await link.ask('SHOAL', 'PROVE', '-')).toBe('+OK\r\n');
  const all = ['0', String(2 ** 32 - 1)];
  expect(await link.ask('SHOAL', 'HELD', ...all)).toBe('*0\r\n');
  expect(await link.ask('SHOAL', 'HELD', ...all, ...all)).toMatch(
    /^-ERR HELD takes ranges that do not overlap/,
  );
});

it('puts no more copies of values into one reply than it has room for', async () => {
  const { join } = await served.start();
  const client = await join();
  await client.ask('SET', 'v', 'x'.repeat(60_000));
  // What is outside the arena is not copied.
  await client.ask('SET', 'large', 'y'.repeat(100_000));
  const many = (count: number, key: string): string[] => new Array<string>(count).fill(key);
  const refused = /^-ERR the values are more than 64 MB: ask for fewer at once/;
  expect(await client.ask('MGET', ...many(2000, 'v'))).toMatch(refused);
  expect((await client.ask('MGET', ...many(500, 'v'))).length).toBeGreaterThan(30_000_000);
  expect((await client.ask('MGET', ...many(800, 'large'))).length).toBeGreaterThan(80_000_000);
  client.send('MULTI');
  for (let i = 0; i < 1200; i++) client.send('GET', 'v');
  client.send('SET', 'after', '1').send('EXEC');
  const replies = await client.replies(1203);
  const told = replies.at(-1) as string;
  expect(told.length).toBeLessThan(70_000_000);
  expect(told).toMatch(/-ERR not run: the replies of this transaction are more than 64 MB$/);
  expect(await client.ask('EXISTS', 'after')).toBe(':0');
  expect(await client.ask('MGET', 'v', 'none')).toMatch(/^\*2 \$60000 x+ \$-1$/);
}, 20_000);

it('takes memory for the fields that BITFIELD writes to, not for what is between them', () => {
  const script = new Script();
  script.ask('SET', 'other', '1');
  const before = process.memoryUsage().arrayBuffers;
  const far = String(2 ** 32 - 16);
  expect(script.ask('BITFIELD', 'k', 'SET', 'u8', '0', '255', 'SET', 'u8', far, '7')).toBe('*2\r\n:0\r\n:0');
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
  // Over the edge of what is copied, twice, and beyond the end.
  const edge = String(64 * 1024 * 8 - 3);
  const words = ['SET', 'u8', edge, '165', 'INCRBY', 'u8', edge, '1', 'GET', 'u8', edge, 'GET', 'u8', far];
  expect(script.ask('BITFIELD', 'k', ...words, 'GET', 'u8', '0')).toBe(
    '*5\r\n:0\r\n:166\r\n:166\r\n:7\r\n:255',
  );
  const after = String(64 * 1024 * 8);
  expect(script.ask('BITFIELD_RO', 'k', 'GET', 'u8', edge, 'GET', 'u5', after)).toBe('*2\r\n:166\r\n:6');
  expect(script.ask('STRLEN', 'k')).toBe(`:${2 ** 29 - 1}`);
});

it('counts and combines the bits of large values in a transaction for so long only', () => {
  const script = new Script();
  script.ask('SETBIT', 'k', String(2 ** 32 - 1), '1');
  script.ask('MULTI');
  for (let i = 0; i < 40; i++) script.ask('BITCOUNT', 'k');
  script.ask('BITOP', 'NOT', 'to', 'k');
  const told = script.ask('EXEC');
  expect(told).toMatch(/-ERR this takes too long within a transaction: run it by itself$/);
  expect(script.ask('EXISTS', 'to')).toBe(':0');
  for (const words of [['MULTI'], ['SETBIT', 'short', String(2 ** 24), '1'], ['BITCOUNT', 'short']])
    script.ask(...words);
  expect(script.ask('EXEC')).toBe('*2\r\n:0\r\n:1');
});

it('takes a moment of a turn for BITOP, however often it is given a value', async () => {
  const { server, join } = await served.start();
  const [client, other] = [await join(), await join()];
  await client.ask('SET', 'k', 'x'.repeat(1_000_000));
  await client.ask('SET', 'y', 'y');
  let answered = false;
  client.send('BITOP', 'XOR', 'to', ...new Array<string>(301).fill('k'), 'y');
  const result = client.reply().then((reply) => {
    answered = true;
    return reply;
  });
  // It goes through 300 MB: meanwhile others are served.
  let pings = 0;
  while (!answered && (await other.ask('PING')) === '+PONG') pings++;
  expect(await result).toBe(':1000000');
  expect(pings).toBeGreaterThan(10);
  // x ^ y, and x where y is no more.
  expect(await client.ask('GETRANGE', 'to', '0', '2')).toBe('$3 \x01xx');
  expect(await client.ask('BITOP', 'AND', 'to', ...new Array<string>(1025).fill('k'))).toMatch(
    /^-ERR BITOP takes 1024 values/,
  );
  expect(server.state.clients.size).toBe(2);
});

it('puts together values that are written all the while, or says that it cannot', async () => {
  const store = new Store();
  const { join } = await served.start({}, store);
  const client = await join();
  await client.ask('SET', 'large', 'x'.repeat(1_000_000));
  const value = new Uint8Array(60_000);
  const key = new Span(Buffer.from('written'));
  let rounds = 0;
  const combine = async (...names: string[]): Promise<string> => {
    client.send('BITOP', 'OR', 'to', ...names);
    for (const end = rounds + 5000; client.waiting === 0 && rounds < end; rounds++) {
      value[0] = rounds;
      store.table.lookup(key, 0, key.bytes.length);
      store.table.put(new Span(value), 0, value.length, 0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.waiting).toBe(1);
    return client.reply();
  };
  expect(await combine(...new Array<string>(20).fill('written'))).toBe(':60000');
  const large = [...new Array<string>(20).fill('large'), 'written'];
  expect(await combine(...large)).toMatch(/^-TRYAGAIN the values were written again and again/);
  expect(await client.ask('BITOP', 'OR', 'to', ...large)).toBe(':1000000');
});

it('compares a pattern with names for so long only', () => {
  const script = new Script();
  const slow = `*${'a'.repeat(5000)}b`;
  script.ask('SET', 'a'.repeat(20_000), '1');
  const refused = '-ERR there is a key that takes too long to compare with this pattern';
  expect(script.ask('KEYS', slow)).toBe(refused);
  expect(script.ask('SCAN', '0', 'MATCH', slow, 'COUNT', '20000')).toBe(refused);
  expect(script.ask('KEYS', '*a*')).toMatch(/^\*1/);
  expect(script.ask('SCAN', '0', 'MATCH', '*a', 'COUNT', '20000')).toMatch(/^\*2\r\n\$1\r\n0\r\n\*1/);
  expect(script.ask('CONFIG', 'GET', ...new Array<string>(5000).fill('*e*e*e!'))).toMatch(
    /^-ERR too many names/,
  );
  script.ask('HELLO', '3');
  expect(script.ask('PSUBSCRIBE', 'a'.repeat(1025))).toMatch(/^-ERR a pattern of 1025 bytes/);
  script.ask('PSUBSCRIBE', `*${'a'.repeat(50)}b`);
  expect(script.ask('PUBLISH', `${'a'.repeat(100)}b`, 'm')).toBe(':1');
  expect(script.ask('PUBLISH', `${'a'.repeat(500)}b`, 'm')).toBe(':0');
  expect(script.ask('PUBLISH', `${'c'.repeat(2000)}${'a'.repeat(50)}b`, 'm')).toBe(':0');
});

it('compares a pattern with channels for so long only', () => {
  const script = new Script();
  const refused = '-ERR the channels take too long to compare with this pattern';
  const slow = `*${'a'.repeat(150)}b`;
  script.ask('HELLO', '3');
  for (let i = 0; i < 50; i++) script.ask('SUBSCRIBE', `${'a'.repeat(400)}${i}`);
  expect(script.ask('PUBSUB', 'CHANNELS', slow)).toBe('*0');
  for (let i = 50; i < 150; i++) script.ask('SUBSCRIBE', `${'a'.repeat(400)}${i}`);
  expect(script.ask('PUBSUB', 'CHANNELS', slow)).toBe(refused);
  expect(script.ask('PUBSUB', 'CHANNELS', 'a*1')).toMatch(/^\*15\r/);
  script.ask('SUBSCRIBE', 'a'.repeat(20_000));
  expect(script.ask('PUBSUB', 'CHANNELS', `*${'a'.repeat(5000)}b`)).toBe(refused);
});

it('sets no parameter that there is not', () => {
  const script = new Script();
  const unknown = (name: string): string =>
    `-ERR Unknown option or number of arguments for CONFIG SET - '${name}'`;
  expect(script.ask('CONFIG', 'SET', 'timeout\0junk', '5')).toBe(unknown('timeout'));
  expect(script.ask('CONFIG', 'SET', 'constructor', '5')).toBe(unknown('constructor'));
  expect(script.ask('CONFIG', 'GET', 'timeout')).toBe('*2\r\n$7\r\ntimeout\r\n$1\r\n0');
});

it('goes through as many keys as can be compared in a moment, and SCAN goes on from there', () => {
  const script = new Script();
  for (let i = 0; i < 1000; i++) script.ask('SET', `${'a'.repeat(400)}${i}`, '1');
  script.ask('SET', `${'a'.repeat(150)}b`, '1');
  let cursor = '0';
  let calls = 0;
  let found = 0;
  do {
    const reply = script.ask('SCAN', cursor, 'MATCH', `*${'a'.repeat(150)}b`, 'COUNT', '20000');
    cursor = reply.split('\r\n')[2] as string;
    if (reply.includes('ab')) found++;
    calls++;
  } while (cursor !== '0');
  expect(calls).toBeGreaterThan(5);
  expect(found).toBe(1);
});

it('leaves out of a transaction what reads for long once it took half a second', () => {
  const script = new Script();
  script.ask('MSET', 'a', 'x'.repeat(2000), 'b', 'y'.repeat(2000));
  script.ask('MULTI');
  for (let i = 0; i < 300; i++) script.ask('LCS', 'a', 'b');
  script.ask('SET', 'after', '1');
  const told = script.ask('EXEC');
  expect(told).toMatch(/^\*301\r\n\$0\r\n/);
  expect(told).toMatch(/-ERR this takes too long within a transaction: run it by itself\r\n\+OK$/);
});
