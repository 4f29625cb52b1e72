import { afterEach, describe, expect, it } from 'vitest';
import { levelInName, parseLevel, showLevel } from './ack-level.ts';
import { RespServer } from './server.ts';
import { FakeDisk } from './testing/fake-disk.ts';
import { poll, RawClient } from './testing/raw-client.ts';

describe('a level of acknowledgement', () => {
  it.each(['1m0d', '1m1d', '2m1d', 'qm1d', 'allmqd', '255m0d'])("'%s' is one", (text) => {
    const level = parseLevel(text);
    expect(level === null ? null : showLevel(level)).toBe(text);
  });

  it.each(['', '1m', 'm1d', '0m0d', '1m2d', '256m0d', '1m0d ', 'xm1d', '-1m0d'])("'%s' is none", (text) => {
    expect(parseLevel(text)).toBeNull();
  });

  it('may be in a name', () => {
    expect(levelInName('app')).toBeNull();
    expect(levelInName('app;ack=2m1d')).toEqual({ memory: 2, disk: 1, timeoutMs: 0 });
    expect(levelInName('app;ack=fast')).toBeUndefined();
  });
});

describe('writes that wait for the disk', () => {
  const open: { server: RespServer; clients: RawClient[] }[] = [];
  afterEach(async () => {
    for (const { server, clients } of open.splice(0)) {
      for (const client of clients) client.close();
      await server.close();
    }
  });

  async function start(settings: Record<string, string> = {}) {
    const disk = new FakeDisk();
    const server = new RespServer(disk.store(), { settings });
    const port = await server.listen(0, '127.0.0.1');
    const clients: RawClient[] = [];
    open.push({ server, clients });
    const join = async (): Promise<RawClient> => {
      const client = await RawClient.connect(port);
      clients.push(client);
      return client;
    };
    return { disk, server, join };
  }

  it('hold back their replies and those behind them, not those before, nor other clients', async () => {
    const { disk, join } = await start();
    const [one, other] = [await join(), await join()];
    expect(await one.ask('CLIENT', 'SETNAME', 'app;ack=1m1d')).toBe('+OK');
    one.send('PING').send('SET', 'k', 'v').send('GET', 'k').send('PING');
    expect(await one.reply()).toBe('+PONG');
    expect(await other.ask('GET', 'k')).toBe('$1 v');
    await poll(() => disk.waiting === 1);
    one.send('SET', 'k', 'w');
    await poll(() => disk.sequence === 2);
    expect(one.waiting).toBe(0);
    disk.sync();
    expect(await one.replies(4)).toEqual(['+OK', '$1 v', '+PONG', '+OK']);
    expect(await one.ask('GET', 'k')).toBe('$1 w');
  });

  it.each([
    ['the user of AUTH', ['AUTH', 'ack-1m1d', 'secret']],
    ['the name of HELLO', ['HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'x;ack=1m1d']],
    ['the user of HELLO', ['HELLO', '2', 'AUTH', 'ack-1m1d', 'secret']],
  ])('may be asked for by %s', async (_, words) => {
    const { disk, join } = await start({ requirepass: 'secret' });
    const client = await join();
    expect(await client.ask(...words)).not.toMatch(/^-/);
    client.send('SET', 'k', 'v');
    await poll(() => disk.waiting === 1);
    expect(client.waiting).toBe(0);
    disk.sync();
    expect(await client.reply()).toBe('+OK');
  });

  it('may be asked for by CLIENT ACKS, for one write, and at its end', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('CLIENT', 'ACKS')).toBe('$4 1m0d');
    expect(await client.ask('CLIENT', 'ACKS', 'NEXT', '1', '1')).toBe('+OK');
    expect(await client.ask('GET', 'k')).toBe('$-1');
    client.send('SETNX', 'k', '1');
    await poll(() => disk.waiting === 1);
    disk.sync();
    expect(await client.reply()).toBe(':1');
    expect(await client.ask('APPEND', 'k', 'x')).toBe(':2');
    client.send('APPEND', 'k', 'x', 'ACKS', '1', '1');
    await poll(() => disk.waiting === 1);
    disk.sync();
    expect(await client.reply()).toBe(':3');
    expect(await client.ask('APPEND', 'k', 'x', 'ACKS', '1', 'x')).toMatch(/^-ERR ACKS takes m d/);
    expect(await client.ask('CLIENT', 'ACKS', '1', '1')).toBe('+OK');
    expect(await client.ask('CLIENT', 'ACKS')).toBe('$4 1m1d');
    expect(await client.ask('CLIENT', 'ACKS', '0', '0')).toMatch(/^-ERR CLIENT ACKS takes/);
  });

  it('are not begun when the copies cannot be had', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('APPEND', 'k', 'x', 'ACKS', '2', '1')).toBe('-NOREPLICAS need 2m1d, reachable 1');
    expect(await client.ask('CLIENT', 'ACKS', '2', '1')).toBe('+OK');
    expect(await client.ask('SET', 'k', 'v')).toBe('-NOREPLICAS need 2m1d, reachable 1');
    expect(await client.ask('MULTI')).toBe('+OK');
    expect(await client.ask('SET', 'k', 'v')).toBe('+QUEUED');
    expect(await client.ask('EXEC')).toBe('-NOREPLICAS need 2m1d, reachable 1');
    expect(await client.ask('GET', 'k')).toBe('$-1');
    expect(disk.sequence).toBe(0);
  });

  it('say so when the time is over, and are not rolled back', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('CLIENT', 'ACKS', '1', '1', '20')).toBe('+OK');
    expect(await client.ask('SET', 'k', 'v')).toBe('-ACKTIMEOUT 1m0d of 1m1d after 20 ms');
    expect(await client.ask('GET', 'k')).toBe('$1 v');
    disk.sync();
    expect(await client.ask('GET', 'k')).toBe('$1 v');
  });

  it('are never acknowledged by a disk that failed', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('CLIENT', 'ACKS', '1', '1')).toBe('+OK');
    client.send('SET', 'k', 'v').send('SET', 'l', 'v');
    await poll(() => disk.waiting > 0);
    disk.fail();
    expect(await client.reply()).toMatch(/^-ACKTIMEOUT 1m0d of 1m1d: the disk failed/);
    expect(await client.reply()).toBe('closed');
  });

  it('hold back the reply of a transaction as a whole', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('CLIENT', 'ACKS', '1', '1')).toBe('+OK');
    client.send('MULTI').send('SET', 'k', 'v').send('GET', 'k').send('EXEC').send('PING');
    expect(await client.replies(3)).toEqual(['+OK', '+QUEUED', '+QUEUED']);
    await poll(() => disk.waiting === 1);
    expect(client.waiting).toBe(0);
    disk.sync();
    expect(await client.replies(2)).toEqual(['*2 +OK $1 v', '+PONG']);
  });

  it('may be asked for at the end of EXEC, not of one command of a transaction', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('MULTI')).toBe('+OK');
    expect(await client.ask('SET', 'k', 'v', 'ACKS', '1', '1')).toMatch(/^-ERR ACKS is not for one command/);
    expect(await client.ask('EXEC')).toMatch(/^-EXECABORT/);
    client.send('MULTI').send('APPEND', 'k', 'v').send('EXEC', 'ACKS', '1', '1', '5000').send('PING');
    expect(await client.replies(2)).toEqual(['+OK', '+QUEUED']);
    await poll(() => disk.waiting === 1);
    expect(client.waiting).toBe(0);
    disk.sync();
    expect(await client.replies(2)).toEqual(['*1 :1', '+PONG']);
    client.send('MULTI').send('SET', 'k', 'v').send('EXEC', 'ACKS', '2', '0');
    expect(await client.replies(3)).toEqual(['+OK', '+QUEUED', '-NOREPLICAS need 2m0d, reachable 1']);
    expect(await client.ask('EXEC')).toBe('-ERR EXEC without MULTI');
  });

  it('are counted by WAITAOF when the disk has them, not before', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('WAITAOF', '1', '0', '0')).toBe('*2 :1 :0');
    expect(await client.ask('SET', 'k', 'v')).toBe('+OK');
    expect(await client.ask('WAITAOF', '1', '0', '20')).toBe('*2 :0 :0');
    client.send('WAITAOF', '1', '0', '0').send('PING');
    await poll(() => disk.waiting >= 2);
    expect(client.waiting).toBe(0);
    disk.sync();
    expect(await client.replies(2)).toEqual(['*2 :1 :0', '+PONG']);
    expect(await client.ask('WAITAOF', '0', '1', '20')).toBe('*2 :1 :0');
    expect(await client.ask('WAITAOF', '2', '0', '0')).toMatch(/^-ERR value is out of range/);
  });

  it('end every turn of commands with one of the store', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('SET', 'k', 'v')).toBe('+OK');
    await poll(() => disk.turns > 0);
    expect(disk.turns).toBeLessThan(20);
  });

  it('are refused while the store takes none, and nothing else is', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('SET', 'k', 'v')).toBe('+OK');
    disk.refusal = 'OOM no room';
    await poll(() => disk.turns > 0);
    expect(await client.ask('PING')).toBe('+PONG');
    await poll(() => disk.turns > 1);
    expect(await client.ask('SET', 'k', 'w')).toBe('-OOM no room');
    expect(await client.ask('GET', 'k')).toBe('$1 v');
    expect(await client.ask('DEL', 'k')).toBe(':1');
    disk.blocked = 'MISCONF nothing goes';
    expect(await client.ask('DEL', 'k')).toBe('-MISCONF nothing goes');
  });

  it('wait in their sockets while the back end has too much, and go on when it has room', async () => {
    const { disk, join } = await start();
    const client = await join();
    expect(await client.ask('PING')).toBe('+PONG');
    disk.congested = true;
    client.send('SET', 'k', 'v');
    const other = await join();
    other.send('PING');
    await poll(() => disk.turns > 1);
    expect(disk.sequence).toBe(0);
    disk.congested = false;
    disk.onRoom?.();
    expect(await client.reply()).toBe('+OK');
    expect(await other.reply()).toBe('+PONG');
  });
});
