import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Connection } from './connection.ts';
import type { RespServer } from './server.ts';
import { FakeDisk } from './testing/fake-disk.ts';
import { encode, poll } from './testing/raw-client.ts';
import { Served } from './testing/served.ts';

let served: Served;
beforeEach(() => {
  served = new Served();
});
afterEach(() => served.close());

describe('a client is cut', () => {
  let nowMs = 0;
  beforeEach(() => {
    nowMs = Date.now();
  });

  it('when it does not log in for thirty seconds', async () => {
    const { server, join } = await served.start({ requirepass: 'secret' });
    const [stranger, guest] = [await join(), await join()];
    expect(await guest.ask('AUTH', 'secret')).toBe('+OK');
    await poll(() => server.connections === 2);
    server.sweep.look(nowMs + 29_000);
    expect(server.state.counters.cutBeforeLogin).toBe(0);
    server.sweep.look(nowMs + 32_000);
    await stranger.whenClosed();
    expect(server.state.counters.cutBeforeLogin).toBe(1);
    expect(await guest.ask('PING')).toBe('+PONG');
  });

  it('when half a command is all that comes for a minute, a byte now and then', async () => {
    const { server, join } = await served.start();
    const [slow, quick, idle] = [await join(), await join(), await join()];
    for (const client of [slow, quick]) client.socket.write('*2\r\n$4\r\nECHO\r\n$100000\r\n');
    await poll(() => server.connections === 3 && held(server) > 2 * 20);
    for (let second = 0; second < 55; second += 5) {
      server.sweep.look(nowMs + second * 1000);
      slow.socket.write('x');
      const before = held(server);
      await poll(() => held(server) > before);
    }
    quick.socket.write('x'.repeat(90_000));
    await poll(() => held(server) > 90_000);
    server.sweep.look(nowMs + 58_000);
    server.sweep.look(nowMs + 65_000);
    await slow.whenClosed();
    expect(server.state.counters.cutForDawdling).toBe(1);
    quick.socket.write(`${'x'.repeat(10_000)}\r\n`);
    expect((await quick.reply()).length).toBeGreaterThan(100_000);
    expect(await idle.ask('PING')).toBe('+PONG');
  });
});

it('a command name of 512 MB is answered, and shortened', async () => {
  const { join } = await served.start();
  const client = await join();
  const megabyte = Buffer.alloc(1 << 20, 'x');
  client.socket.write('*1\r\n$536870912\r\n');
  for (let i = 0; i < 512; i++) client.socket.write(megabyte);
  client.socket.write('\r\n');
  expect(await client.reply()).toBe(`-ERR unknown command '${'x'.repeat(128)}', with args beginning with:`);
  expect(await client.ask('PING')).toBe('+PONG');
});

describe('a client is not cut for what the server does', () => {
  it('who has half a command here, while nobody is read', async () => {
    const { server, join } = await served.start();
    const client = await join();
    client.socket.write('*2\r\n$4\r\nECHO\r\n$5\r\n');
    await poll(() => server.connections === 1 && held(server) > 10);
    const [one] = server.state.clients.values();
    if (!(one?.outlet instanceof Connection)) throw new Error('it has no connection');
    const nowMs = Date.now();
    server.sweep.look(nowMs);
    one.outlet.holdBack(true);
    server.sweep.look(nowMs + 65_000);
    one.outlet.holdBack(false);
    server.sweep.look(nowMs + 66_000);
    expect(server.state.counters.cutForDawdling).toBe(0);
    client.socket.write('hello\r\n');
    expect(await client.reply()).toBe('$5 hello');
  });

  it('who waits for the disk, while who idles is', async () => {
    const disk = new FakeDisk();
    const { server, join } = await served.start({ timeout: '10' }, disk.store());
    const [writer, idle] = [await join(), await join()];
    expect(await idle.ask('PING')).toBe('+PONG');
    disk.congested = true;
    writer.send('SET', 'k', 'v');
    await poll(() => server.state.paused.size === 1);
    server.sweep.look(Date.now() + 20_000);
    await idle.whenClosed();
    expect(server.state.counters.cutForIdling).toBe(1);
    disk.congested = false;
    disk.onRoom?.();
    expect(await writer.reply()).toBe('+OK');
  });
});

describe('all clients together', () => {
  it('hold no more than they may: the greediest go, who said no to that stay', async () => {
    const { server, join } = await served.start({ 'maxmemory-clients': String(4 << 20) });
    const [small, greedy, kept] = [await join(), await join(), await join()];
    expect(await kept.ask('CLIENT', 'NO-EVICT', 'ON')).toBe('+OK');
    const half = (bytes: number): Buffer => encode(['SET', 'k', 'x'.repeat(bytes)]).subarray(0, -10);
    small.socket.write(half(100_000));
    kept.socket.write(half(1 << 20));
    await poll(() => held(server) > 1 << 20);
    greedy.socket.write(half(5 << 20));
    await greedy.whenClosed();
    expect(server.state.counters.cutForMemory).toBe(1);
    for (const client of [small, kept]) {
      client.socket.write('xxxxxxxx\r\n');
      expect(await client.reply()).toBe('+OK');
    }
  });

  it('hold no more if all of them say no to that', async () => {
    const { server, join } = await served.start({ 'maxmemory-clients': String(4 << 20) });
    const [small, greedy] = [await join(), await join()];
    for (const client of [small, greedy]) expect(await client.ask('CLIENT', 'NO-EVICT', 'ON')).toBe('+OK');
    small.socket.write('*2\r\n$4\r\nECHO\r\n$8\r\n');
    greedy.socket.write(encode(['SET', 'k', 'x'.repeat(6 << 20)]).subarray(0, -10));
    await greedy.whenClosed();
    expect(server.state.counters.cutForMemory).toBe(1);
    small.socket.write('xxxxxxxx\r\n');
    expect(await small.reply()).toBe('$8 xxxxxxxx');
  });

  it('are weighed without those that were cut already', async () => {
    const { server, join } = await served.start();
    const [small, greedy] = [await join(), await join()];
    const half = (bytes: number): Buffer => encode(['SET', 'k', 'x'.repeat(bytes)]).subarray(0, -10);
    small.socket.write(half(100_000));
    greedy.socket.write(half(3 << 20));
    await poll(() => held(server) > 3 << 20);
    expect(server.state.settings.set([['maxmemory-clients', String(1 << 20)]])).toBeNull();
    for (let i = 0; i < 3; i++) server.sweep.look(Date.now());
    expect(server.state.counters.cutForMemory).toBe(1);
    expect(server.sweep.heldBytes).toBeLessThan(1 << 20);
    await greedy.whenClosed();
    small.socket.write('xxxxxxxx\r\n');
    expect(await small.reply()).toBe('+OK');
  });

  it('that do not read are cut as well, and others are served', async () => {
    const { server, join } = await served.start({ 'maxmemory-clients': String(8 << 20) });
    const other = await join();
    expect(await other.ask('SET', 'k', 'x'.repeat(1 << 20))).toBe('+OK');
    const part = Buffer.concat(Array.from({ length: 100 }, () => encode(['GET', 'k'])));
    for (let i = 0; i < 30; i++) {
      const slow = await join();
      slow.socket.pause();
      slow.socket.write(part);
    }
    await poll(() => server.state.counters.cutForMemory > 0);
    server.sweep.look(Date.now());
    expect(server.sweep.heldBytes).toBeLessThan(9 << 20);
    expect(await other.ask('PING')).toBe('+PONG');
  });
});

function held(server: RespServer): number {
  let bytes = 0;
  for (const { request } of server.state.clients.values()) bytes += request.pendingBytes;
  return bytes;
}
