import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { ask, RawClient, type Running, run, until } from './fake-node.ts';
import { Turns } from './lane.ts';

const PATIENCE_MS = 150;
const LONG = 60_000;

let running: Running;
const clients: RawClient[] = [];
beforeEach(async () => {
  running = await run({ times: { listPatienceMs: PATIENCE_MS } });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await running.stop();
});

/** Asks for lists, `copies` of them on one connection, and reads nothing. */
function askAndSleep(copies = 1): RawClient {
  const client = new RawClient(running.port);
  client.socket.pause();
  client.send('GET /v1/ranges HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(copies));
  clients.push(client);
  return client;
}

const called = (): number => running.node.calls.length;

describe('long lists', () => {
  it('are sent to few readers at once over TCP, and to the Unix socket all the same', async () => {
    await running.stop();
    running = await run();
    running.node.rangeCount = LONG;
    for (let i = 0; i < LIMITS.httpLists; i++) askAndSleep();
    await until(() => called() === LIMITS.httpLists, 'all places are taken');
    for (const path of ['/v1/ranges', '/v1/owners', '/v1/members']) {
      const refused = await ask(running.port, 'GET', path);
      expect(refused).toMatchObject({ status: 503, json: { error: { code: 'overloaded' } } });
      expect(refused.headers['retry-after']).toBe('1');
    }
    expect(called()).toBe(LIMITS.httpLists);
    for (const path of ['/v1/owners?key=a', '/v1/coverage', '/v1/status', '/v1/drops'])
      expect((await ask(running.port, 'GET', path)).status).toBe(200);
    running.node.rangeCount = 3;
    expect((await ask(running.socketPath, 'GET', '/v1/ranges')).json.ranges).toHaveLength(3);
    // A place is free again when its reader is gone.
    clients[0]?.socket.destroy();
    await until(async () => (await ask(running.port, 'GET', '/v1/ranges')).status === 200, 'a place is free');
  });

  it('are taken from the reader that has slept longest, when another asks', async () => {
    running.node.rangeCount = LONG;
    for (let i = 0; i < LIMITS.httpLists; i++) askAndSleep();
    await until(() => called() === LIMITS.httpLists, 'all places are taken');
    running.node.rangeCount = 3;
    await until(async () => (await ask(running.port, 'GET', '/v1/ranges')).status === 200, 'one is cut off');
    for (const client of clients) client.socket.resume();
    await until(
      () => clients.every(({ closed, text }) => closed || text.endsWith('\r\n0\r\n\r\n')),
      'all end',
    );
    expect(clients.filter(({ closed }) => closed)).toHaveLength(1);
  });

  it('give their places back when a connection ends with several asked for on it', async () => {
    running.node.rangeCount = LONG;
    for (let round = 0; round < 3; round++) {
      const before = called();
      const client = askAndSleep(LIMITS.httpLists);
      await until(() => called() === before + LIMITS.httpLists, 'all are under way');
      client.socket.destroy();
      const { rangeCount } = running.node;
      running.node.rangeCount = 1;
      await until(
        async () => (await ask(running.port, 'GET', '/v1/members')).status === 200,
        'there is room',
      );
      // The other three notice in their next turns.
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      running.node.rangeCount = rangeCount;
    }
  });

  it('are made and written in turns between which the loop does other things', async () => {
    running.node.rangeCount = 20_000;
    let turns = 0;
    let counting = true;
    const count = (): void => {
      turns++;
      if (counting) setImmediate(count);
    };
    count();
    const answers = await Promise.all(
      Array.from({ length: LIMITS.httpLists }, () => ask(running.port, 'GET', '/v1/ranges')),
    );
    counting = false;
    const bytes = answers.reduce((sum, { text }) => sum + text.length, 0);
    const ranges = running.node.ranges();
    for (const { text } of answers) expect(text === `${JSON.stringify({ ranges })}\n`).toBe(true);
    expect(turns).toBeGreaterThan(bytes / (70 * 1024));
  });
});

describe('turns', () => {
  const busy = (ms: number): void => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };

  it('come one at a time, in order, and fail alone', async () => {
    const turns = new Turns(4);
    const seen: string[] = [];
    const works = ['a', 'b', 'c'].map((name) =>
      turns.make(() => {
        setImmediate(() => seen.push(`after ${name}`));
        seen.push(name);
        if (name === 'b') throw new Error('no');
      }),
    );
    expect(seen).toEqual([]);
    const results = await Promise.allSettled(works);
    await new Promise((resolve) => setImmediate(resolve));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(seen.filter((name) => name.length === 1)).toEqual(['a', 'b', 'c']);
    expect(seen.indexOf('after a')).toBeLessThan(seen.indexOf('c'));
  });

  it('rest after long work, also when nothing waited for it', async () => {
    for (const [times, least, most] of [
      [4, 150, Infinity],
      [0, 0, 120],
    ] as const) {
      // A machine that is busy is late: the quickest of some.
      const pieces: number[] = [];
      const waits: number[] = [];
      for (let i = 0; i < 5; i++) {
        const turns = new Turns(times);
        await turns.make(() => busy(40));
        const started = performance.now();
        await turns.piece(() => {});
        pieces.push(performance.now() - started);
        await turns.make(() => {});
        waits.push(performance.now() - started);
      }
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(least);
      expect(Math.min(...waits)).toBeLessThan(most);
      expect(Math.min(...pieces)).toBeLessThan(120);
    }
  });

  it('are refused when too many wait, but not to what has begun', async () => {
    const turns = new Turns(0);
    const asked = Array.from({ length: LIMITS.httpTurns }, () => turns.make(() => 'done'));
    await expect(turns.make(() => 'done')).rejects.toMatchObject({ code: 'overloaded' });
    expect(await turns.piece(() => 'begun')).toBe('begun');
    expect(await Promise.all(asked)).toHaveLength(LIMITS.httpTurns);
    expect(await turns.make(() => 'again')).toBe('again');
  });
});
