import { request } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { ask, ID, RawClient, type Running, run, type Target, until } from './fake-node.ts';

let running: Running;
const watchers: Watcher[] = [];
beforeEach(async () => {
  running = await run({ times: { heartbeatMs: 20 } });
});
afterEach(async () => {
  for (const watcher of watchers.splice(0)) watcher.stop();
  await running.stop();
});

/** What an EventSource does with the stream, in a few lines: the blocks between blank lines, comments apart. */
class Watcher {
  status = 0;
  contentType = '';
  text = '';
  ended = false;
  readonly #req;

  constructor(target: Target, query = '', headers: Record<string, string> = {}) {
    const where = typeof target === 'number' ? { host: '127.0.0.1', port: target } : { socketPath: target };
    this.#req = request({ ...where, path: `/v1/events${query}`, headers, agent: false }, (res) => {
      this.status = res.statusCode ?? 0;
      this.contentType = res.headers['content-type'] ?? '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        this.text += chunk;
      });
      res.on('close', () => {
        this.ended = true;
      });
      res.on('error', () => {});
    });
    this.#req.on('error', () => {
      this.ended = true;
    });
    this.#req.end();
    watchers.push(this);
  }

  stop(): void {
    this.#req.destroy();
  }

  events(): { id: number; event: string; data: { id: number; type: string } }[] {
    const blocks = this.text.split('\n\n').filter((block) => block.startsWith('id: '));
    return blocks.map((block) => {
      const match = /^id: (\d+)\nevent: (\S+)\ndata: (.*)$/.exec(block);
      if (match === null) throw new Error(`not an event: ${block}`);
      return { id: Number(match[1]), event: String(match[2]), data: JSON.parse(String(match[3])) };
    });
  }

  ids(): number[] {
    return this.events().map((event) => event.id);
  }

  resyncs(): { subject: string; type: string; reason: string }[] {
    return [...this.text.matchAll(/^event: resync\ndata: (.*)$/gm)].map((match) =>
      JSON.parse(match[1] ?? ''),
    );
  }
}

async function watch(target: Target, query = '', headers: Record<string, string> = {}): Promise<Watcher> {
  const watcher = new Watcher(target, query, headers);
  await until(() => watcher.text.includes('retry: 1000\n\n'), 'the stream is open');
  return watcher;
}

it('streams events with id, type and the whole view, over TCP and over the socket', async () => {
  const both = [await watch(running.port), await watch(running.socketPath)];
  const first = running.node.emit('member-join', 'two\nlines');
  const second = running.node.emit('owners-changed');
  for (const watcher of both) {
    expect(watcher.contentType).toBe('text/event-stream; charset=utf-8');
    await until(() => watcher.events().length === 2, 'both events arrive');
    expect(watcher.events()).toEqual([
      { id: 1, event: 'member-join', data: first },
      { id: 2, event: 'owners-changed', data: second },
    ]);
  }
});

it('streams only the types asked for', async () => {
  const one = await watch(running.port, '?type=member-down');
  const two = await watch(running.port, '?type=member-down&type=member-leave');
  running.node.emit('member-join');
  running.node.emit('member-down');
  running.node.emit('member-leave');
  running.node.emit('member-down');
  await until(() => one.ids().length === 2 && two.ids().length === 3, 'the events arrive');
  expect(one.ids()).toEqual([2, 4]);
  expect(two.ids()).toEqual([2, 3, 4]);
});

it('starts a new watcher with what happens from now on', async () => {
  running.node.emit('member-join');
  const watcher = await watch(running.port);
  running.node.emit('member-down');
  await until(() => watcher.ids().length > 0, 'an event arrives');
  expect(watcher.ids()).toEqual([2]);
});

it('gives a watcher that comes back what it missed, once and in order', async () => {
  const watcher = await watch(running.port);
  running.node.emit('member-join');
  await until(() => watcher.ids().length === 1, 'the first event arrives');
  watcher.stop();
  running.node.emit('member-suspect');
  running.node.emit('member-down');
  const back = await watch(running.port, '', { 'last-event-id': '1' });
  running.node.emit('member-leave');
  await until(() => back.ids().length >= 3, 'the events arrive');
  expect(back.ids()).toEqual([2, 3, 4]);
  expect(back.resyncs()).toEqual([]);
  const filtered = await watch(running.port, '?type=member-down', { 'last-event-id': '0' });
  await until(() => filtered.ids().length >= 1, 'the event arrives');
  expect(filtered.ids()).toEqual([3]);
  expect(filtered.resyncs()).toEqual([]);
  const upToDate = await watch(running.port, '', { 'last-event-id': '4' });
  running.node.emit('member-join');
  await until(() => upToDate.ids().length > 0, 'an event arrives');
  expect(upToDate.ids()).toEqual([5]);
  expect(upToDate.resyncs()).toEqual([]);
});

/** A node that remembers events 101 to 104. */
function remembering(): void {
  for (let i = 0; i < 104; i++) running.node.emit(i % 2 === 0 ? 'member-join' : 'member-down');
  running.node.history.splice(0, 100);
}

it('says so, and gives all there is, when events after the last one seen are no longer remembered', async () => {
  remembering();
  const gap = await watch(running.port, '', { 'last-event-id': '99' });
  await until(() => gap.ids().length >= 4, 'the events arrive');
  expect(gap.ids()).toEqual([101, 102, 103, 104]);
  expect(gap.resyncs()).toMatchObject([{ type: 'resync', subject: ID, origin: null }]);
  expect(gap.text.indexOf('event: resync')).toBeLessThan(gap.text.indexOf('id: 101'));
  const noGap = await watch(running.port, '', { 'last-event-id': '100' });
  await until(() => noGap.ids().length >= 4, 'the events arrive');
  expect(noGap.ids()).toEqual([101, 102, 103, 104]);
  expect(noGap.resyncs()).toEqual([]);
  const metrics = (await ask(running.port, 'GET', '/metrics')).text;
  expect(metrics).toContain('\nshoal_http_event_resyncs_total 1\n');
});

it('says so when the last id seen is of another run, whatever types are asked for', async () => {
  remembering();
  for (const id of ['105', '1', '4503599627370495']) {
    const back = await watch(running.port, '?type=member-down', { 'last-event-id': id });
    await until(() => back.ids().length >= 2, 'the events arrive');
    expect(back.ids()).toEqual([102, 104]);
    expect(back.resyncs().length).toBe(1);
  }
});

it('says so even when nothing has happened yet in this run', async () => {
  const back = await watch(running.port, '', { 'last-event-id': '7' });
  await until(() => back.resyncs().length > 0, 'the notice arrives');
  running.node.emit('member-join');
  await until(() => back.ids().length > 0, 'an event arrives');
  expect(back.ids()).toEqual([1]);
});

it('ignores a Last-Event-ID that is no id', async () => {
  remembering();
  for (const id of ['x', '-1', '1.5', '', '9'.repeat(16), '9'.repeat(40)]) {
    const watcher = await watch(running.port, '', { 'last-event-id': id });
    const { id: next } = running.node.emit('member-join');
    await until(() => watcher.ids().length > 0, 'an event arrives');
    expect(watcher.ids()).toEqual([next]);
    expect(watcher.resyncs()).toEqual([]);
  }
});

it('keeps a silent stream alive by comments, and listens to the node only while someone watches', async () => {
  expect(running.node.listeners.size).toBe(0);
  const one = await watch(running.port);
  const two = await watch(running.port);
  expect(running.node.listeners.size).toBe(1);
  await until(() => one.text.endsWith(':\n\n:\n\n'), 'two heartbeats');
  one.stop();
  two.stop();
  await until(() => running.node.listeners.size === 0, 'the node is let go');
  expect(one.events()).toEqual([]);
});

it('takes so many watchers and no more, until one goes', async () => {
  const all = await Promise.all(
    Array.from({ length: LIMITS.eventWatchers }, () => watch(running.socketPath)),
  );
  const refused = await ask(running.port, 'GET', '/v1/events');
  expect(refused).toMatchObject({ status: 503, json: { error: { code: 'too-many-watchers' } } });
  const metrics = (await ask(running.port, 'GET', '/metrics')).text;
  expect(metrics).toContain(`\nshoal_http_event_watchers ${LIMITS.eventWatchers}\n`);
  expect(metrics).toContain('\nshoal_http_rejected_total{reason="too-many-watchers"} 1\n');
  all[0]?.stop();
  const open = `shoal_http_event_watchers ${LIMITS.eventWatchers}\n`;
  const full = async (): Promise<boolean> => (await ask(running.port, 'GET', '/metrics')).text.includes(open);
  await until(async () => !(await full()), 'a place is free');
  expect((await watch(running.port)).status).toBe(200);
});

it('keeps places that watchers over TCP cannot take for those on the Unix socket', async () => {
  const overTcp = LIMITS.eventWatchers - LIMITS.socketWatchers;
  await Promise.all(Array.from({ length: overTcp }, () => watch(running.port)));
  const refused = await ask(running.port, 'GET', '/v1/events');
  expect(refused).toMatchObject({ status: 503, json: { error: { code: 'too-many-watchers' } } });
  await Promise.all(Array.from({ length: LIMITS.socketWatchers }, () => watch(running.socketPath)));
  expect((await ask(running.socketPath, 'GET', '/v1/events')).status).toBe(503);
});

it('closes and counts a watcher that does not read, and no other', async () => {
  const good = await watch(running.port);
  const slow = new RawClient(running.port).send('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => slow.text.includes('retry'), 'the slow stream is open');
  slow.socket.pause();
  const closed = async (): Promise<boolean> =>
    (await ask(running.port, 'GET', '/metrics')).text.includes('\nshoal_http_slow_watchers_closed_total 1\n');
  let sent = 0;
  const name = 'x'.repeat(50_000);
  while (!(await closed())) {
    running.node.emit('member-update', name);
    sent++;
    // What the kernel takes for the reader is a few MB on top of the backlog.
    expect(sent * name.length).toBeLessThan(64 << 20);
    await until(() => good.ids().at(-1) === sent, 'the good watcher keeps up');
    if (sent % 20 === 0) good.text = `id: ${sent}\nevent: member-update\ndata: {}\n\n`;
  }
  expect(sent * name.length).toBeGreaterThan(LIMITS.eventBacklogBytes);
  expect(good.ended).toBe(false);
  running.node.emit('member-down');
  await until(() => good.events().at(-1)?.event === 'member-down', 'the good watcher goes on');
  slow.socket.destroy();
});

it('ends all streams when it closes', async () => {
  const watcher = await watch(running.port);
  await running.server.close();
  await until(() => watcher.ended, 'the stream ends');
});
