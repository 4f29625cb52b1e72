import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { encode } from './testing/raw-client.ts';
import { Served } from './testing/served.ts';

const served = new Served();
afterEach(() => served.close());

describe('watched keys', () => {
  it.each([
    ['written', ['SET', 'k', 'w'], true],
    ['deleted', ['DEL', 'k'], true],
    ['given an expiry', ['EXPIRE', 'k', '100'], true],
    ['emptied with all others', ['FLUSHALL'], true],
    ['read', ['GET', 'k'], false],
    ['not written after all', ['SET', 'k', 'w', 'NX'], false],
    ['beside one that was written', ['SET', 'other', 'w'], false],
  ])('%s by another', async (_, words, aborts) => {
    const { join } = await served.start();
    const [one, other] = [await join(), await join()];
    await one.ask('SET', 'k', 'v');
    await one.ask('WATCH', 'k');
    await other.ask(...words);
    await one.ask('MULTI');
    await one.ask('GET', 'x');
    expect(await one.ask('EXEC')).toBe(aborts ? '*-1' : '*1 $-1');
    await one.ask('MULTI');
    expect(await one.ask('EXEC')).toBe('*0');
  });

  it('that was absent, and is absent again', async () => {
    const { server, join } = await served.start();
    const [one, other] = [await join(), await join()];
    await one.ask('WATCH', 'k');
    await other.ask('SET', 'k', 'v');
    await other.ask('DEL', 'k');
    await one.ask('MULTI');
    expect(await one.ask('EXEC')).toBe('*-1');
    expect(server.state.gates).toBe(0);
  });

  it('are so many and no more, and fewer may still be', async () => {
    const { join } = await served.start();
    const [one, other] = [await join(), await join()];
    const keys = Array.from({ length: LIMITS.watchedKeys }, (_, i) => `k${i}`);
    expect(await one.ask('WATCH', ...keys.slice(1))).toBe('+OK');
    expect(await one.ask('WATCH', 'a', 'b')).toMatch(
      /^-ERR too many watched keys: a connection may watch 1024/,
    );
    expect(await one.ask('WATCH', 'x'.repeat(LIMITS.watchedBytes))).toMatch(/^-ERR too many watched keys/);
    await other.ask('MSET', 'a', 'v', 'b', 'v');
    await one.ask('MULTI');
    expect(await one.ask('EXEC')).toBe('*0');
    expect(await one.ask('WATCH', ...keys)).toBe('+OK');
    await other.ask('SET', 'k7', 'v');
    await one.ask('MULTI');
    expect(await one.ask('EXEC')).toBe('*-1');
  });
});

describe('transactions', () => {
  it('are bounded', async () => {
    const { join } = await served.start();
    const client = await join();
    expect(await client.ask('MULTI')).toBe('+OK');
    const part = Buffer.concat(Array.from({ length: 1024 }, () => encode(['PING'])));
    for (let i = 0; i < LIMITS.transactionCommands / 1024; i++) client.socket.write(part);
    const replies = await client.replies(LIMITS.transactionCommands);
    expect(replies.every((reply) => reply === '+QUEUED')).toBe(true);
    expect(await client.ask('PING')).toBe('-ERR too many commands in a transaction');
    expect(await client.ask('EXEC')).toMatch(/^-EXECABORT/);
  });

  it('end when EXEC is refused, and say why', async () => {
    const { join } = await served.start();
    const client = await join();
    const why = "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
    expect(await client.ask('MULTI')).toBe('+OK');
    expect(await client.ask('SET', 'k', 'v')).toBe('+QUEUED');
    expect(await client.ask('EXEC', 'x')).toBe(why);
    expect(await client.ask('GET', 'k')).toBe('$-1');
    expect(await client.ask('EXEC', 'x')).toBe(why);
  });

  it('leave what was pipelined behind them in order', async () => {
    const { join } = await served.start();
    const client = await join();
    client.send('MULTI').send('SET', 'a', '1').send('INCR', 'a').send('CLIENT', 'GETNAME').send('EXEC');
    client.send('GET', 'a').send('GET', 'b');
    expect(await client.replies(7)).toEqual([
      '+OK',
      '+QUEUED',
      '+QUEUED',
      '+QUEUED',
      '*3 +OK :2 $-1',
      '$1 2',
      '$-1',
    ]);
  });
});
