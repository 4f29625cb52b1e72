import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { Store } from '../store/index.ts';
import type { Command } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { ROLE } from './role.ts';
import { RespServer } from './server.ts';
import { FakeDisk } from './testing/fake-disk.ts';
import { encode, poll, RawClient } from './testing/raw-client.ts';
import { Served } from './testing/served.ts';

const served = new Served();
const { closers } = served;
afterEach(() => served.close());
const start: Served['start'] = (...how) => served.start(...how);

/** All that the server holds for its clients. */
function held(server: RespServer): number {
  let bytes = 0;
  for (const { outlet, request } of server.state.clients.values())
    bytes += outlet.waitingBytes + request.pendingBytes;
  return bytes;
}

describe('a pipeline', () => {
  it('of thousands of commands is answered in order, however many others there are', async () => {
    const { join } = await start();
    const clients = await Promise.all(Array.from({ length: 20 }, () => join()));
    const count = 3000;
    clients.forEach((client, k) => {
      const parts = Array.from({ length: count }, (_, i) => encode(['ECHO', `${k}-${i}`]));
      client.socket.write(Buffer.concat(parts));
    });
    for (const [k, client] of clients.entries()) {
      const replies = await client.replies(count);
      expect(replies.every((reply, i) => reply.endsWith(` ${k}-${i}`))).toBe(true);
    }
  });

  it('waits behind a command that waits, and goes on after it', async () => {
    const { join } = await start();
    const client = await join();
    client.send('PING').send('WAIT', '1', '30').send('ECHO', 'a').send('WAIT', '0', '0').send('ECHO', 'b');
    expect(await client.replies(5)).toEqual(['+PONG', ':0', '$1 a', ':0', '$1 b']);
  });

  it('goes on behind an answer that is deferred and given at once, or out of order', async () => {
    const command = (name: string, run: Command['run']): Command => ({
      name,
      arity: -1,
      flags: [],
      keys: null,
      group: 'test',
      since: 'shoal',
      summary: '',
      run,
    });
    const answers: (() => void)[] = [];
    const server = new RespServer(new Store(), {
      commands: [
        ...COMMANDS,
        command('now', (call) => call.defer()((reply) => reply.integer(1))),
        command('later', (call) => {
          const answer = call.later();
          const word = call.text(1);
          answers.push(() => answer((reply) => reply.simple(word)));
        }),
      ],
    });
    closers.push(() => server.close());
    const client = await RawClient.connect(await server.listen(0, '127.0.0.1'));
    closers.push(() => client.close());
    for (let i = 0; i < 40; i++) client.send('NOW').send('ECHO', `${i}`);
    const expected = Array.from({ length: 40 }, (_, i) => [':1', `$${`${i}`.length} ${i}`]).flat();
    expect(await client.replies(80)).toEqual(expected);
    client.send('LATER', 'a').send('ECHO', 'x').send('LATER', 'b').send('LATER', 'c').send('ECHO', 'y');
    await poll(() => answers.length === 3);
    for (const i of [2, 0]) answers[i]?.();
    expect(await client.replies(2)).toEqual(['+a', '$1 x']);
    answers[1]?.();
    expect(await client.replies(3)).toEqual(['+b', '+c', '$1 y']);
  });

  it('that reads nothing makes the server stop reading, holding little, and hurts nobody', async () => {
    const { server, join } = await start();
    const [slow, other] = [await join(), await join()];
    expect(await other.ask('SET', 'k', 'x'.repeat(1 << 16))).toBe('+OK');
    slow.socket.pause();
    const part = Buffer.concat(Array.from({ length: 2000 }, () => encode(['GET', 'k'])));
    for (let i = 0; i < 20; i++) slow.socket.write(part);
    await poll(() => held(server) > 1 << 16);
    for (let i = 0; i < 200; i++) expect(await other.ask('PING')).toBe('+PONG');
    expect(held(server)).toBeLessThan(4 << 20);
    slow.socket.resume();
    for (let i = 0; i < 200; i++) expect((await slow.reply()).length).toBeGreaterThan(1 << 16);
  });

  it('of a hundred slow readers hurts nobody', async () => {
    const { server, join } = await start();
    const other = await join();
    expect(await other.ask('SET', 'k', 'x'.repeat(1 << 18))).toBe('+OK');
    const part = Buffer.concat(Array.from({ length: 100 }, () => encode(['GET', 'k'])));
    for (let i = 0; i < 100; i++) {
      const slow = await join();
      slow.socket.pause();
      slow.socket.write(part);
    }
    await poll(() => server.connections === 101 && held(server) > 1 << 20);
    for (let i = 0; i < 100; i++) expect(await other.ask('PING')).toBe('+PONG');
    expect(held(server)).toBeLessThan(100 << 20);
  });

  it('is cut when one command is larger than the query buffer may be', async () => {
    const { server, join } = await start({ 'client-query-buffer-limit': String(1 << 20) });
    const client = await join();
    client.socket.write('*2\r\n$4\r\nECHO\r\n$5000000\r\n');
    for (let i = 0; i < 60; i++) client.socket.write('x'.repeat(1 << 16));
    await client.whenClosed();
    expect(server.state.counters.cutForInput).toBe(1);
  });

  it('that breaks the protocol gets what was whole, the error, and the end', async () => {
    const { join } = await start();
    const client = await join();
    client.socket.write('*1\r\n$4\r\nPING\r\n*1\r\n:1\r\n');
    expect(await client.replies(3)).toEqual([
      '+PONG',
      "-ERR Protocol error: expected '$', got ':'",
      'closed',
    ]);
  });

  it('runs nothing after QUIT', async () => {
    const { join } = await start();
    const client = await join();
    client.send('QUIT').send('SET', 'k', 'v');
    expect(await client.replies(2)).toEqual(['+OK', 'closed']);
    expect(await (await join()).ask('GET', 'k')).toBe('$-1');
  });
});

describe('a socket of somebody else', () => {
  it.each(['paused, not read', 'read already'])('%s, is served', async (how) => {
    const { server } = await start();
    const other = createServer({ pauseOnConnect: how !== 'read already' }, (socket) => {
      if (how === 'read already') {
        socket.once('data', (chunk) => {
          socket.pause();
          socket.unshift(chunk);
          server.accept(socket, ROLE.local);
          socket.resume();
        });
        return;
      }
      server.accept(socket, ROLE.local);
      socket.resume();
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const client = await RawClient.connect((other.address() as AddressInfo).port);
    expect(await client.ask('SET', 'k', 'v')).toBe('+OK');
    expect(await client.ask('GET', 'k')).toBe('$1 v');
    client.socket.end();
    await poll(() => server.connections === 0);
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('who may connect', () => {
  it('as many as maxclients says, and one more is told', async () => {
    const { server, join } = await start({ maxclients: '2' });
    const first = await join();
    const second = await join();
    expect(await first.ask('PING')).toBe('+PONG');
    expect(await second.ask('PING')).toBe('+PONG');
    const third = await join();
    expect(await third.replies(2)).toEqual(['-ERR max number of clients reached', 'closed']);
    expect(server.state.counters.rejected).toBe(1);
    second.close();
    await poll(() => server.connections === 1);
    expect(await (await join()).ask('PING')).toBe('+PONG');
  });

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

  it.skipIf(outside === undefined)('from elsewhere only with a password', async () => {
    const { server, join } = await start({}, new Store(), '0.0.0.0');
    const stranger = await join(outside);
    expect(await stranger.reply()).toMatch(/^-DENIED shoal is in protected mode/);
    expect(await stranger.reply()).toBe('closed');
    expect(await (await join()).ask('PING')).toBe('+PONG');
    expect(server.state.settings.set([['requirepass', 'secret']])).toBeNull();
    const guest = await join(outside);
    expect(await guest.ask('PING')).toBe('-NOAUTH Authentication required.');
    expect(await guest.ask('AUTH', 'secret')).toBe('+OK');
    expect(await guest.ask('PING')).toBe('+PONG');
  });

  it('and ask, before a password was given, little', async () => {
    const { join } = await start({ requirepass: 'secret' });
    const client = await join();
    expect(await client.ask('GET', 'k')).toBe('-NOAUTH Authentication required.');
    expect(await client.ask('HELLO', '3')).toMatch(/^-NOAUTH HELLO must be called/);
    expect(await client.ask('AUTH', 'wrong')).toMatch(/^-WRONGPASS/);
    expect(await client.ask('AUTH', 'ack-9', 'secret')).toMatch(/^-WRONGPASS/);
    expect(await client.ask('AUTH', 'default', 'secret')).toBe('+OK');
    expect(await client.ask('GET', 'k')).toBe('$-1');
    expect(await client.ask('RESET')).toBe('+RESET');
    expect(await client.ask('GET', 'k')).toBe('-NOAUTH Authentication required.');
    client.send('SET', 'k', 'x'.repeat(20_000));
    expect(await client.replies(2)).toEqual(['-ERR Protocol error: unauthenticated bulk length', 'closed']);
  });

  it('and stay idle no longer than the timeout, unless they wait for messages', async () => {
    const { server, join } = await start({ timeout: '1' });
    const [idle, listener] = [await join(), await join()];
    expect(await listener.ask('SUBSCRIBE', 'c')).toBe('*3 $9 subscribe $1 c :1');
    await idle.whenClosed();
    expect(listener.closed).toBe(false);
    expect(server.state.counters.cutForIdling).toBe(1);
  });
});

describe('messages', () => {
  it('reach the subscribers of channels, patterns and shard channels, in both versions of the protocol', async () => {
    const { server, join } = await start();
    const [two, three, sender] = [await join(), await join(), await join()];
    await three.ask('HELLO', '3');
    expect(await two.ask('SUBSCRIBE', 'news')).toBe('*3 $9 subscribe $4 news :1');
    expect(await three.ask('PSUBSCRIBE', 'n*')).toBe('>3 $10 psubscribe $2 n* :1');
    expect(await three.ask('SSUBSCRIBE', 'shard')).toBe('>3 $10 ssubscribe $5 shard :1');
    expect(await sender.ask('PUBLISH', 'news', 'hello')).toBe(':2');
    expect(await sender.ask('SPUBLISH', 'shard', 'x')).toBe(':1');
    expect(await sender.ask('PUBLISH', 'other', 'x')).toBe(':0');
    expect(await two.reply()).toBe('*3 $7 message $4 news $5 hello');
    expect(await three.replies(2)).toEqual([
      '>4 $8 pmessage $2 n* $4 news $5 hello',
      '>3 $8 smessage $5 shard $1 x',
    ]);
    expect(await sender.ask('PUBSUB', 'NUMSUB', 'news')).toBe('*2 $4 news :1');
    two.close();
    three.close();
    await poll(() => server.connections === 1);
    expect(await sender.ask('PUBSUB', 'NUMPAT')).toBe(':0');
    expect(await sender.ask('PUBSUB', 'CHANNELS')).toBe('*0');
  });

  it('come in order, also to the one who sent them within a transaction', async () => {
    const { join } = await start();
    const client = await join();
    await client.ask('HELLO', '3');
    client
      .send('SUBSCRIBE', 'c')
      .send('PUBLISH', 'c', '1')
      .send('MULTI')
      .send('PUBLISH', 'c', '2')
      .send('EXEC');
    expect(await client.replies(7)).toEqual([
      '>3 $9 subscribe $1 c :1',
      '>3 $7 message $1 c $1 1',
      ':1',
      '+OK',
      '+QUEUED',
      '>3 $7 message $1 c $1 2',
      '*1 :1',
    ]);
  });

  it('are told to the other nodes as well', async () => {
    const told: unknown[] = [];
    const server = new RespServer(new Store(), {
      hooks: {
        publishToGroup: (...both) =>
          told.push(both.map((bytes) => String.fromCharCode(...bytes.subarray(0, 9)))),
      },
    });
    closers.push(() => server.close());
    const client = await RawClient.connect(await server.listen(0, '127.0.0.1'));
    closers.push(() => client.close());
    expect(await client.ask('PUBLISH', 'c', 'x')).toBe(':0');
    expect(await client.ask('SPUBLISH', 's', 'y')).toBe(':0');
    // Who has subscribed to a shard channel is at its one node.
    expect(told).toEqual([['c', 'x']]);
    const long = 'x'.repeat(LIMITS.publicationBytes);
    expect(await client.ask('PUBLISH', 'c', long)).toMatch(
      /^-ERR a message of 1000001 bytes .* at most 1000000$/,
    );
    expect(await client.ask('PUBLISH', '', long)).toBe(':0');
    expect(told).toHaveLength(2);
  });

  it('that are not read end the connection: past the hard limit at once, past the soft one after its time', async () => {
    const { server, join } = await start({
      'client-output-buffer-limit': 'normal 0 0 0 slave 0 0 0 pubsub 4000000 1000000 1',
    });
    const [hard, soft, sender] = [await join(), await join(), await join()];
    for (const [client, channel] of [
      [hard, 'a'],
      [soft, 'b'],
    ] as const) {
      await client.ask('SUBSCRIBE', channel);
      client.socket.pause();
    }
    const message = 'x'.repeat(1 << 20);
    // What the kernel takes of it comes on top.
    for (let i = 0; i < 40 && server.state.counters.cutForOutput === 0; i++)
      await sender.ask('PUBLISH', 'a', message);
    expect(server.state.counters.cutForOutput).toBe(1);
    const waiting = (): number =>
      [...server.state.clients.values()].find((c) => c.channels.has('b'))?.outlet.waitingBytes ?? 0;
    const started = Date.now();
    // The kernel takes more and more of what waits: it is kept above the soft limit.
    while (server.connections === 2 && Date.now() - started < 10_000) {
      if (waiting() < 2_000_000) await sender.ask('PUBLISH', 'b', message);
      else await sender.ask('PING');
      expect(waiting()).toBeLessThan(4_000_000);
    }
    expect(Date.now() - started).toBeGreaterThan(1000);
    expect(server.state.counters.cutForOutput).toBe(2);
  });
});

describe('commands about other clients', () => {
  it('pause them, all or those who write, until they are let go', async () => {
    const { server, join } = await start();
    const [one, admin] = [await join(), await join()];
    // Longer than a timer takes.
    expect(await admin.ask('CLIENT', 'PAUSE', '9999999999', 'WRITE')).toBe('+OK');
    expect(await one.ask('GET', 'k')).toBe('$-1');
    one.send('SET', 'k', 'v').send('GET', 'k');
    expect(await admin.ask('GET', 'k')).toBe('$-1');
    expect(one.waiting).toBe(0);
    expect(await admin.ask('CLIENT', 'UNPAUSE')).toBe('+OK');
    expect(await one.replies(2)).toEqual(['+OK', '$1 v']);
    expect(await admin.ask('CLIENT', 'PAUSE', '30')).toBe('+OK');
    expect(await one.ask('GET', 'k')).toBe('$1 v');
    expect(await admin.ask('CLIENT', 'PAUSE', '100000', 'WRITE')).toBe('+OK');
    const words = [
      ['GET', 'k'],
      ['SET', 'k', 'w'],
      ['GET', 'k'],
      ['ECHO', 'end'],
    ];
    const { commands } = server.dispatcher.counters;
    one.socket.write(Buffer.concat(words.map(encode)));
    expect(await one.reply()).toBe('$1 v');
    expect(await admin.ask('CLIENT', 'UNPAUSE')).toBe('+OK');
    expect(await one.replies(3)).toEqual(['+OK', '$1 w', '$3 end']);
    // What waited counts once, when it runs.
    expect(server.dispatcher.counters.commands - commands).toBe(words.length + 1);
  });

  it('unblock and end them', async () => {
    const { server, join } = await start();
    const [one, admin] = [await join(), await join()];
    const id = Number((await one.ask('CLIENT', 'ID')).slice(1));
    one.send('WAIT', '1', '0').send('PING');
    await poll(() => server.state.clients.get(id)?.blocked !== null);
    expect(await admin.ask('CLIENT', 'UNBLOCK', `${id}`)).toBe(':1');
    expect(await one.replies(2)).toEqual([':0', '+PONG']);
    one.send('WAIT', '1', '0');
    await poll(() => server.state.clients.get(id)?.blocked !== null);
    expect(await admin.ask('CLIENT', 'UNBLOCK', `${id}`, 'ERROR')).toBe(':1');
    expect(await one.reply()).toBe('-UNBLOCKED client unblocked via CLIENT UNBLOCK');
    expect(await admin.ask('CLIENT', 'LIST', 'ID', `${id}`)).toContain(`id=${id} addr=127.0.0.1:`);
    expect(await admin.ask('CLIENT', 'KILL', 'ID', `${id}`)).toBe(':1');
    await one.whenClosed();
    expect(await admin.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no')).toBe(':1');
    expect(await admin.reply()).toBe('closed');
  });

  it('show what they do, but no passwords', async () => {
    const { join } = await start();
    const [one, monitor] = [await join(), await join()];
    expect(await monitor.ask('MONITOR')).toBe('+OK');
    await one.ask('SET', 'k', 'a "b"\n');
    await one.ask('AUTH', 'default', 'secret');
    expect(await monitor.reply()).toMatch(/^\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "a \\"b\\"\\n"$/);
    expect(await monitor.reply()).toMatch(/"AUTH" "\(redacted\)" "\(redacted\)"$/);
  });

  it('forget one that is gone while it waited', async () => {
    const { server, join } = await start();
    const client = await join();
    client.send('WATCH', 'k').send('SUBSCRIBE', 'c').send('WAIT', '1', '0');
    await poll(() => [...server.state.clients.values()].some((c) => c.channels.size > 0));
    client.close();
    await poll(() => server.state.clients.size === 0);
    expect(server.state.watches.clients).toBe(0);
    expect(server.state.channels.channelCount).toBe(0);
  });
});

describe('the end', () => {
  it('comes soon, and replies that the disk allows meanwhile are given', async () => {
    const disk = new FakeDisk();
    const { server, join } = await start({}, disk.store());
    const [durable, waiter, reader] = [await join(), await join(), await join()];
    await durable.ask('CLIENT', 'ACKS', '1', '1');
    durable.send('SET', 'k', 'v');
    waiter.send('WAIT', '1', '0');
    await poll(() => disk.waiting === 1);
    reader.socket.pause();
    const closed = server.close();
    disk.sync();
    expect(await durable.replies(2)).toEqual(['+OK', 'closed']);
    await closed;
    expect(server.connections).toBe(0);
  });
});
