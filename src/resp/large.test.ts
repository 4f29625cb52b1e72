import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { Span } from '../store/index.ts';
import { encode, poll } from './testing/raw-client.ts';
import { Served } from './testing/served.ts';

const MB = 1 << 20;
let served: Served;
beforeEach(() => {
  served = new Served();
});
afterEach(() => served.close());

/** Text that is different everywhere. */
function pattern(length: number): string {
  let text = '';
  for (let i = 0; text.length < length; i++) text += `${i}.`;
  return text.slice(0, length);
}

describe('a value of megabytes', () => {
  it('is what was written, whatever is done to it', async () => {
    const { join } = await served.start();
    const client = await join();
    let model = Buffer.from(pattern(3 * MB + 77), 'latin1');
    const is = async (key = 'k'): Promise<void> => {
      const reply = await client.ask('GET', key);
      expect(reply === `$${model.length} ${model.toString('latin1')}`).toBe(true);
    };
    const over = (at: number, text: string): void => {
      const longer = Buffer.alloc(Math.max(model.length, at + text.length));
      longer.set(model);
      longer.write(text, at, 'latin1');
      model = longer;
    };
    expect(await client.ask('SET', 'k', model.toString('latin1'))).toBe('+OK');
    await is();
    over(model.length, 'tail');
    expect(await client.ask('APPEND', 'k', 'tail')).toBe(`:${model.length}`);
    over(MB - 3, 'across pieces');
    expect(await client.ask('SETRANGE', 'k', `${MB - 3}`, 'across pieces')).toBe(`:${model.length}`);
    const much = pattern(2 * MB + 1);
    over(model.length, much);
    expect(await client.ask('APPEND', 'k', much)).toBe(`:${model.length}`);
    await is();
    expect(await client.ask('STRLEN', 'k')).toBe(`:${model.length}`);
    const part = model.subarray(MB - 10, 2 * MB + 10).toString('latin1');
    expect(await client.ask('GETRANGE', 'k', `${MB - 10}`, `${2 * MB + 9}`)).toBe(`$${part.length} ${part}`);
    expect(await client.ask('SETBIT', 'k', `${2 * MB * 8 + 1}`, '1')).toMatch(/^:[01]$/);
    model[2 * MB] = (model[2 * MB] as number) | 0x40;
    expect(await client.ask('GETBIT', 'k', `${2 * MB * 8 + 1}`)).toBe(':1');
    expect(await client.ask('BITFIELD', 'k', 'SET', 'u16', `#${MB}`, '16961', 'GET', 'u8', '0')).toMatch(
      /^\*2/,
    );
    over(2 * MB, 'BA');
    expect(await client.ask('COPY', 'k', 'copy')).toBe(':1');
    expect(await client.ask('RENAME', 'copy', 'renamed')).toBe('+OK');
    await is();
    await is('renamed');
    expect((await client.ask('SET', 'k', 'v', 'GET')).length).toBe(`$${model.length} `.length + model.length);
    expect(await client.ask('GET', 'k')).toBe('$1 v');
    await is('renamed');
    expect((await client.ask('GETDEL', 'renamed')).length).toBeGreaterThan(model.length);
    expect(await client.ask('DBSIZE')).toBe(':1');
  });

  it('has its bits counted, found and combined', async () => {
    const { join } = await served.start();
    const client = await join();
    const weights = Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);
    const ones = (bytes: Uint8Array): number =>
      bytes.reduce((sum, byte) => sum + (weights[byte] as number), 0);
    const a = Buffer.from(pattern(2 * MB + 5), 'latin1');
    const b = Buffer.from(pattern(MB + 3).replaceAll('1', 'x'), 'latin1');
    await client.ask('SET', '{k}a', a.toString('latin1'));
    await client.ask('SET', '{k}b', b.toString('latin1'));
    expect(await client.ask('BITCOUNT', '{k}a')).toBe(`:${ones(a)}`);
    expect(await client.ask('BITCOUNT', '{k}a', '5', '-7')).toBe(`:${ones(a.subarray(5, -6))}`);
    expect(await client.ask('BITOP', 'XOR', '{k}c', '{k}a', '{k}b')).toBe(`:${a.length}`);
    const xor = Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));
    expect((await client.ask('GET', '{k}c')) === `$${xor.length} ${xor.toString('latin1')}`.trimEnd()).toBe(
      true,
    );
    expect(await client.ask('BITOP', 'NOT', '{k}c', '{k}b')).toBe(`:${b.length}`);
    expect(await client.ask('BITCOUNT', '{k}c')).toBe(`:${b.length * 8 - ones(b)}`);
    expect(await client.ask('SETBIT', '{k}far', `${20 * MB * 8 + 9}`, '1')).toBe(':0');
    expect(await client.ask('BITPOS', '{k}far', '1')).toBe(`:${20 * MB * 8 + 9}`);
    expect(await client.ask('BITPOS', '{k}far', '1', `${20 * MB + 2}`)).toBe(':-1');
    expect(await client.ask('BITCOUNT', '{k}far', '0', `${20 * MB * 8 + 9}`, 'BIT')).toBe(':1');
    client.send('MULTI').send('BITCOUNT', '{k}far').send('STRLEN', '{k}far').send('GET', '{k}b').send('EXEC');
    const replies = await client.replies(5);
    expect(
      replies[4]?.startsWith(`*3 :1 :${20 * MB + 2} $${b.length} ${b.toString('latin1').slice(0, 99)}`),
    ).toBe(true);
  });

  it('that is replaced while it is sent to a slow reader still arrives as it was, and others wait for nothing', async () => {
    const { server, join } = await served.start();
    const [slow, other] = [await join(), await join()];
    const text = pattern(24 * MB);
    expect(await other.ask('SET', 'k', text)).toBe('+OK');
    slow.socket.pause();
    slow.send('GET', 'k').send('GET', 'k').send('ECHO', 'x');
    const client = (): number =>
      [...server.state.clients.values()].reduce((sum, { outlet }) => sum + outlet.waitingBytes, 0);
    await poll(() => client() > MB);
    server.sweep.look(Date.now());
    const before = server.sweep.heldBytes;
    expect(before).toBeLessThan(4 * MB);
    expect(await other.ask('SETRANGE', 'k', '5', 'other')).toBe(`:${text.length}`);
    server.sweep.look(Date.now());
    expect(server.sweep.heldBytes).toBeGreaterThan(16 * MB);
    slow.socket.resume();
    expect((await slow.reply()) === `$${text.length} ${text}`).toBe(true);
    expect((await slow.reply()).length).toBe(`$${text.length} ${text}`.length);
    expect(await slow.reply()).toBe('$1 x');
  });

  it('is sent to the end to one who quits', async () => {
    const { join } = await served.start();
    const client = await join();
    const text = pattern(16 * MB);
    expect(await client.ask('SET', 'k', text)).toBe('+OK');
    client.socket.write(Buffer.concat([encode(['GET', 'k']), encode(['QUIT'])]));
    expect((await client.reply()).length).toBe(`$${text.length} ${text}`.length);
    expect(await client.replies(2)).toEqual(['+OK', 'closed']);
  });
});

describe('a command with an argument of megabytes', () => {
  it('comes in pieces of any size, before and behind others', async () => {
    const { join } = await served.start();
    const client = await join();
    const text = pattern(5 * MB + 3);
    const stream = Buffer.concat([
      encode(['SET', 'a', 'small']),
      encode(['SET', 'k', text, 'GET', 'EX', '100']),
      encode(['ECHO', 'x']),
      encode(['APPEND', 'k', text]),
      encode(['GET', 'a']),
    ]);
    for (let at = 0, size = 1; at < stream.length; at += size, size = Math.min(size * 3, 300_000))
      client.socket.write(stream.subarray(at, at + size));
    expect(await client.replies(5)).toEqual(['+OK', '$-1', '$1 x', `:${text.length * 2}`, '$5 small']);
    expect((await client.ask('GET', 'k')) === `$${text.length * 2} ${text}${text}`).toBe(true);
    expect(await client.ask('TTL', 'k')).toMatch(/^:(99|100)$/);
  });

  it('is put together for who cannot take it otherwise', async () => {
    const { join } = await served.start();
    const client = await join();
    const [a, b] = [pattern(2 * MB + 9), pattern(3 * MB + 1).replaceAll('7', 'seven')];
    expect((await client.ask('ECHO', a)) === `$${a.length} ${a}`).toBe(true);
    expect(await client.ask('MSET', 'x', a, 'small', 'v', 'y', b)).toBe('+OK');
    expect(await client.replies(0)).toEqual([]);
    client.send('MGET', 'y', 'small', 'x');
    expect((await client.reply()) === `*3 $${b.length} ${b} $1 v $${a.length} ${a}`).toBe(true);
    expect(await client.ask('SET', a, 'of a long key')).toBe('+OK');
    expect(await client.ask('GET', a)).toBe('$13 of a long key');
    expect(await client.ask('EXISTS', a, a, b)).toBe(':2');
    expect(await client.ask('SET', b, b)).toBe('+OK');
    expect(await client.ask('SET', b, 'w', 'IFEQ', b)).toBe('+OK');
    expect(await client.ask('GET', b)).toBe('$1 w');
    expect(await client.ask('DELIFEQ', 'y', b)).toBe(':1');
    client.send('MULTI').send('SET', 't', a).send('STRLEN', 't').send('EXEC');
    expect(await client.replies(4)).toEqual(['+OK', '+QUEUED', '+QUEUED', `*2 +OK :${a.length}`]);
    expect(await client.ask('INCRBY', 'small', a)).toMatch(/not an integer/);
    expect(await client.ask('INCRBYFLOAT', 'n', a)).toMatch(/not a valid float/);
    expect(await client.ask('SET', 'k', 'v', a)).toBe('-ERR syntax error');
  });

  it('that breaks the protocol, or is more than the query buffer may hold, ends the connection', async () => {
    const { server, join } = await served.start({ 'client-query-buffer-limit': String(4 * MB) });
    const [broken, long, greedy] = [await join(), await join(), await join()];
    const half = encode(['SET', 'k', 'x'.repeat(2 * MB)]).toString('latin1');
    broken.socket.write(half.replace('*3', '*4'));
    broken.socket.write(':5\r\n');
    expect(await broken.replies(2)).toEqual(["-ERR Protocol error: expected '$', got ':'", 'closed']);
    long.socket.write(half.replace('*3', '*4'));
    long.socket.write('$536870913\r\n');
    expect(await long.replies(2)).toEqual(['-ERR Protocol error: invalid bulk length', 'closed']);
    for (let i = 0; i < 3; i++) greedy.socket.write(half.replace('*3', '*9').slice(i === 0 ? 0 : 4));
    await greedy.whenClosed();
    expect(server.state.counters.cutForInput).toBe(1);
  });

  it('takes memory for what came, not for what it says will come', async () => {
    const { server, join } = await served.start();
    const clients = await Promise.all(Array.from({ length: 50 }, () => join()));
    for (const client of clients)
      client.socket.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n${'x'.repeat(100_000)}`);
    const held = (): number => {
      server.sweep.look(Date.now());
      return server.sweep.heldBytes;
    };
    await poll(() => [...server.state.clients.values()].every(({ bytesIn }) => bytesIn > 100_000));
    expect(held()).toBeGreaterThan(50 * 100_000);
    expect(held()).toBeLessThan(50 * 110_000);
  });
});

describe('a command on much', () => {
  it('lets others in between: BITOP of what is changed meanwhile is of what is there at its end', async () => {
    const { join } = await served.start();
    const [client, other] = [await join(), await join()];
    const a = 'a'.repeat(8 * MB);
    expect(await client.ask('SET', '{k}a', a)).toBe('+OK');
    client.send('BITOP', 'NOT', '{k}b', '{k}a').send('GETRANGE', '{k}b', '0', '1').send('STRLEN', '{k}b');
    expect(await other.ask('PING')).toBe('+PONG');
    expect(await other.ask('SETRANGE', '{k}a', '0', 'b')).toBe(`:${a.length}`);
    const [length, first, after] = await client.replies(3);
    expect([length, after]).toEqual([`:${a.length}`, `:${a.length}`]);
    const not = (text: string): string =>
      String.fromCharCode(...[...text].map((c) => ~c.charCodeAt(0) & 0xff));
    expect([not('aa'), not('ba')].map((text) => `$2 ${text}`)).toContain(first);
  });

  it('KEYS of many keys is answered whole, behind what others asked meanwhile', async () => {
    const { server, join } = await served.start();
    const client = await join();
    const { table } = server.dispatcher.call.store;
    const bytes = new Span(new Uint8Array(16));
    for (let i = 0; i < 60_000; i++) {
      const length = Buffer.from(bytes.bytes.buffer).write(`key:${i}`);
      table.lookup(bytes, 0, length);
      table.put(bytes, 0, length, 0);
    }
    const keys = client.ask('KEYS', 'key:*');
    const found = (await keys).match(/key:\d+/g) ?? [];
    expect(new Set(found).size).toBe(60_000);
    expect(await client.ask('KEYS', 'key:4999?')).toMatch(/^\*10 /);
    client.send('MULTI').send('KEYS', 'key:1234').send('EXEC');
    expect(await client.replies(3)).toEqual(['+OK', '+QUEUED', '*1 *1 $8 key:1234']);
  });

  it('KEYS that finds nothing leaves nothing behind for the next reply', async () => {
    const { join } = await served.start();
    const client = await join();
    client.send('SET', 'k', 'v').send('ECHO', 'x'.repeat(9)).send('KEYS', 'none');
    expect(await client.replies(3)).toEqual(['+OK', '$9 xxxxxxxxx', '*0']);
    client.send('KEYS', '*').send('GET', 'k');
    expect(await client.replies(2)).toEqual(['*1 $1 k', '$1 v']);
  });

  it('of more keys than one turn has time for is refused', async () => {
    const { join } = await served.start();
    const client = await join();
    const keys = Array.from({ length: LIMITS.respArguments }, (_, i) => `{k}${i}`);
    const ask = (name: string, words: string[]): Promise<string> => {
      client.socket.write(encode([name].concat(words)));
      return client.reply();
    };
    for (const name of ['DEL', 'UNLINK', 'MGET', 'EXISTS', 'TOUCH'])
      expect(await ask(name, keys)).toMatch(/^-ERR too many arguments/);
    const pairs = keys.flatMap((key) => [key, 'v']);
    for (const name of ['MSET', 'MSETNX']) expect(await ask(name, pairs)).toMatch(/^-ERR too many arguments/);
    expect(await ask('MSET', pairs.slice(0, LIMITS.respArguments - 1))).toBe('+OK');
    expect(await ask('DEL', keys)).toMatch(/^-ERR/);
    expect(await ask('DEL', keys.slice(1))).toBe(`:${(LIMITS.respArguments - 1) / 2 - 1}`);
  });
});
