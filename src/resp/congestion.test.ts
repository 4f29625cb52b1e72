import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { FakeDisk, NOTHING_COLD } from './testing/fake-disk.ts';
import { poll } from './testing/raw-client.ts';
import { Served } from './testing/served.ts';

const served = new Served();
afterEach(() => served.close());

describe('while the disk is behind', () => {
  it('changes wait, each in its place, and what only reads goes on', async () => {
    const disk = new FakeDisk();
    const { server, join } = await served.start({}, disk.store());
    const [writer, reader, transaction] = [await join(), await join(), await join()];
    expect(await writer.ask('SET', 'k', 'before')).toBe('+OK');
    disk.congested = true;
    writer.send('GET', 'k').send('SET', 'k', 'after').send('GET', 'k');
    expect(await writer.reply()).toBe('$6 before');
    for (const words of [['MULTI'], ['APPEND', 'k', '!'], ['EXEC']]) transaction.send(...words);
    expect(await transaction.replies(2)).toEqual(['+OK', '+QUEUED']);
    expect(await reader.ask('GET', 'k')).toBe('$6 before');
    expect(await reader.ask('PUBLISH', 'c', 'm')).toBe(':0');
    expect([writer.waiting, transaction.waiting, disk.sequence]).toEqual([0, 0, 1]);
    disk.congested = false;
    disk.onRoom?.();
    expect(await writer.replies(2)).toEqual(['+OK', expect.stringMatching(/after!?$/)]);
    expect((await transaction.reply()).startsWith('*1')).toBe(true);
    expect(server.state.paused.size).toBe(0);
  });

  it('nothing is run when reading needs memory that waits for the disk', async () => {
    const disk = new FakeDisk();
    disk.readThrough = NOTHING_COLD;
    const { server, join } = await served.start({}, disk.store());
    const client = await join();
    disk.congested = true;
    client.send('PING');
    await poll(() => [...server.state.clients.values()].some(({ bytesIn }) => bytesIn > 0) && disk.turns > 0);
    expect(server.dispatcher.counters.commands).toBe(0);
    disk.congested = false;
    disk.onRoom?.();
    expect(await client.reply()).toBe('+PONG');
  });

  it('a change waits for the end of a pause as well, and a large one is run as it came', async () => {
    const disk = new FakeDisk();
    const { server, join } = await served.start({}, disk.store());
    const [writer, other] = [await join(), await join()];
    expect(await other.ask('CLIENT', 'PAUSE', '100000', 'WRITE')).toBe('+OK');
    disk.congested = true;
    const value = 'x'.repeat(3_000_000);
    writer.send('SET', 'k', value).send('STRLEN', 'k');
    await poll(() => server.state.paused.size === 1);
    expect(await other.ask('CLIENT', 'UNPAUSE')).toBe('+OK');
    await poll(() => server.state.paused.size === 1);
    expect(await other.ask('GET', 'k')).toBe('$-1');
    disk.congested = false;
    disk.onRoom?.();
    expect(await writer.replies(2)).toEqual(['+OK', ':3000000']);
    expect((await other.ask('GET', 'k')) === `$3000000 ${value}`).toBe(true);
  });

  it('who waits with a change counts once, however many replies to what he asked before come meanwhile', async () => {
    const disk = new FakeDisk();
    const { server, join } = await served.start({}, disk.store());
    const [writer, other] = [await join(), await join()];
    expect(await writer.ask('CLIENT', 'SETNAME', 'writer')).toBe('+OK');
    const outlet = [...server.state.clients.values()].find(({ name }) => name === 'writer')?.outlet;
    if (outlet === undefined) throw new Error('there is no writer');
    let place = outlet.place();
    disk.congested = true;
    writer.send('SET', 'k', 'x'.repeat(60_000));
    await poll(() => server.state.paused.size === 1);
    for (let bytes = 0; bytes < 2 * LIMITS.respQueuedBytes; bytes += 60_000) {
      const next = outlet.place();
      outlet.fill(place, Buffer.from('+earlier\r\n'));
      place = next;
      for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    // Nobody would be read any more.
    expect(await other.ask('PING')).toBe('+PONG');
  });

  it('those who wait with changes keep a bounded number of bytes here, all together', async () => {
    const disk = new FakeDisk();
    const { server, join } = await served.start({}, disk.store());
    disk.congested = true;
    const value = 'x'.repeat(1000);
    const writers = await Promise.all(Array.from({ length: 300 }, () => join()));
    for (const one of writers) for (let i = 0; i < 300; i++) one.send('SET', 'k', value);
    const taken = (): number => {
      let bytes = 0;
      for (const { request } of server.state.clients.values()) bytes += request.inputBytes;
      return bytes;
    };
    await poll(() => taken() > LIMITS.respQueuedBytes);
    for (let i = 0; i < 400; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(taken()).toBeLessThan(LIMITS.respQueuedBytes + 200_000);
    disk.congested = false;
    disk.onRoom?.();
    for (const one of writers) expect((await one.replies(300)).every((reply) => reply === '+OK')).toBe(true);
  });
});
