import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { ask, RawClient, type Running, run, until } from './fake-node.ts';

const BEARER = { authorization: 'Bearer secret' };
const RANGE = { start: 1, end: 9 };

let it_: Running;
beforeEach(async () => {
  it_ = await run();
});
afterEach(() => it_.stop());

describe('bad input', () => {
  const tooLong = 'x'.repeat(LIMITS.nameBytes + 1);
  it.each<[string, string, unknown, string, string | undefined]>([
    ['PUT', '/v1/ranges', '{"start":1,', 'bad-json', undefined],
    ['PUT', '/v1/ranges', '', 'bad-json', undefined],
    ['PUT', '/v1/ranges', Buffer.from([0x7b, 0xff, 0x7d]), 'bad-json', undefined],
    ['PUT', '/v1/ranges', '['.repeat(60_000), 'bad-json', undefined],
    ['PUT', '/v1/ranges', [1, 2], 'bad-json', undefined],
    ['PUT', '/v1/ranges', 'null', 'bad-json', undefined],
    ['PUT', '/v1/ranges', '"start"', 'bad-json', undefined],
    ['PUT', '/v1/ranges', { ...RANGE, priority: 1, prio: 1 }, 'unknown-field', 'prio'],
    ['PUT', '/v1/ranges', '{"__proto__":{"start":1}}', 'unknown-field', '__proto__'],
    ['PUT', '/v1/ranges', { end: 9, priority: 1 }, 'bad-range', 'start'],
    ['PUT', '/v1/ranges', { start: 1, priority: 1 }, 'bad-range', 'end'],
    ['PUT', '/v1/ranges', { start: '1', end: 9, priority: 1 }, 'bad-range', 'start'],
    ['PUT', '/v1/ranges', { start: 1.5, end: 9, priority: 1 }, 'bad-range', 'start'],
    ['PUT', '/v1/ranges', { start: -1, end: 9, priority: 1 }, 'bad-range', 'start'],
    ['PUT', '/v1/ranges', { start: null, end: 9, priority: 1 }, 'bad-range', 'start'],
    ['PUT', '/v1/ranges', { start: 1, end: 2 ** 32, priority: 1 }, 'bad-range', 'end'],
    ['PUT', '/v1/ranges', '{"start":1,"end":1e400,"priority":1}', 'bad-range', 'end'],
    ['PUT', '/v1/ranges', { start: 9, end: 1, priority: 1 }, 'bad-range', 'start'],
    ['PUT', '/v1/ranges', RANGE, 'bad-priority', 'priority'],
    ['PUT', '/v1/ranges', { ...RANGE, priority: 0 }, 'bad-priority', 'priority'],
    ['PUT', '/v1/ranges', { ...RANGE, priority: LIMITS.priority + 1 }, 'bad-priority', 'priority'],
    ['PUT', '/v1/ranges', { ...RANGE, priority: 1, node: 7 }, 'bad-node', 'node'],
    ['PUT', '/v1/ranges', { ...RANGE, priority: 1, node: '' }, 'bad-node', 'node'],
    ['PUT', '/v1/ranges', { ...RANGE, priority: 1, node: tooLong }, 'bad-node', 'node'],
    ['PATCH', '/v1/ranges', RANGE, 'bad-amount', 'by'],
    ['PATCH', '/v1/ranges', { ...RANGE, by: 0 }, 'bad-amount', 'by'],
    ['PATCH', '/v1/ranges', { ...RANGE, by: -LIMITS.priority - 1 }, 'bad-amount', 'by'],
    ['PATCH', '/v1/ranges', { ...RANGE, by: '2' }, 'bad-amount', 'by'],
    ['DELETE', '/v1/ranges', { ...RANGE, priority: 1 }, 'unknown-field', 'priority'],
    ['POST', '/v1/join', {}, 'bad-address', 'addresses'],
    ['POST', '/v1/join', { addresses: 'a:1' }, 'bad-address', 'addresses'],
    ['POST', '/v1/join', { addresses: [] }, 'bad-address', 'addresses'],
    [
      'POST',
      '/v1/join',
      { addresses: Array(LIMITS.joinAddresses + 1).fill('a:1') },
      'bad-address',
      'addresses',
    ],
    ['POST', '/v1/join', { addresses: ['a:1', 'b'] }, 'bad-address', 'addresses'],
    ['POST', '/v1/join', { addresses: ['a:0'] }, 'bad-address', 'addresses'],
    ['POST', '/v1/join', { addresses: [':1'] }, 'bad-address', 'addresses'],
    ['POST', '/v1/join', { addresses: ['a:65536'] }, 'bad-address', 'addresses'],
    ['POST', '/v1/join', { addresses: [7] }, 'bad-address', 'addresses'],
    ['POST', '/v1/leave', { release: 'yes' }, 'bad-flag', 'release'],
    ['POST', '/v1/leave', '[]', 'bad-json', undefined],
    ['POST', '/v1/force-leave', {}, 'bad-node', 'node'],
    ['PUT', '/v1/ranges?force=1', { ...RANGE, priority: 1 }, 'unknown-parameter', 'force'],
    ['GET', '/v1/status?x', undefined, 'unknown-parameter', 'x'],
    ['GET', '/v1/events?type*=owners-changed', undefined, 'unknown-parameter', 'type*'],
    ['GET', '/v1/ranges?node=', undefined, 'bad-node', 'node'],
    ['GET', '/v1/ranges?node=%ff', undefined, 'bad-query', undefined],
    ['GET', '/v1/ranges?node=a&node=b', undefined, 'bad-query', 'node'],
    ['GET', '/v1/owners?position=1&key=a', undefined, 'bad-query', 'position'],
    ['GET', '/v1/owners?position=', undefined, 'bad-position', 'position'],
    ['GET', '/v1/owners?position=-1', undefined, 'bad-position', 'position'],
    ['GET', '/v1/owners?position=4294967296', undefined, 'bad-position', 'position'],
    ['GET', '/v1/owners?position=0x100000000', undefined, 'bad-position', 'position'],
    ['GET', '/v1/owners?position=1e3', undefined, 'bad-position', 'position'],
    ['GET', '/v1/owners?position=slot:16384', undefined, 'bad-position', 'position'],
    ['GET', '/v1/owners?position=slot:', undefined, 'bad-position', 'position'],
    ['GET', '/v1/coverage?copies=0', undefined, 'bad-copies', 'copies'],
    ['GET', '/v1/coverage?copies=two', undefined, 'bad-copies', 'copies'],
    ['GET', '/v1/converged?wait=301', undefined, 'bad-wait', 'wait'],
    ['GET', '/v1/converged?wait=-1', undefined, 'bad-wait', 'wait'],
    ['GET', '/v1/events?type=fire', undefined, 'bad-type', 'type'],
  ])('%s %s with %.60j is 400 %s naming %s', async (method, path, body, code, field) => {
    const answer = await ask(it_.socketPath, method, path, body);
    expect(answer.status).toBe(400);
    expect(answer.json.error).toMatchObject({ code, message: expect.stringMatching(/^[^\n]{10,300}$/) });
    expect(answer.json.error.field).toBe(field);
    expect(it_.node.calls).toEqual([]);
  });

  it('knows no other path, and no other method of a path', async () => {
    for (const path of [
      '/v1/nothing',
      '/v2/status',
      '/v1/status/',
      '//v1/status',
      '/..%2fetc/passwd',
      '/__proto__',
    ])
      expect(await ask(it_.port, 'GET', path)).toMatchObject({
        status: 404,
        json: { error: { code: 'not-found' } },
      });
    const wrong = await ask(it_.port, 'POST', '/v1/ranges', RANGE, BEARER);
    expect(wrong).toMatchObject({ status: 405, json: { error: { code: 'method-not-allowed' } } });
    expect(wrong.headers.allow).toBe('GET, HEAD, PUT, PATCH, DELETE');
    expect((await ask(it_.port, 'OPTIONS', '/v1/status')).status).toBe(405);
    expect(it_.node.calls).toEqual([]);
  });

  it('refuses a body that is too large, announced or not, in time for the client to read why', async () => {
    const body = JSON.stringify({ ...RANGE, priority: 1, node: 'x'.repeat(LIMITS.httpBodyBytes) });
    const announced = await ask(it_.socketPath, 'PUT', '/v1/ranges', body);
    expect(announced).toMatchObject({ status: 413, json: { error: { code: 'too-large' } } });
    const chunked = await ask(it_.socketPath, 'PUT', '/v1/ranges', body, { 'transfer-encoding': 'chunked' });
    expect(chunked).toMatchObject({ status: 413, json: { error: { code: 'too-large' } } });
    const atLimit = JSON.stringify(RANGE).padEnd(LIMITS.httpBodyBytes);
    expect((await ask(it_.socketPath, 'DELETE', '/v1/ranges', atLimit)).status).toBe(200);
    expect(it_.node.calls).toEqual([['release', RANGE]]);
  });

  it.each([
    ['PUT', '413'],
    ['GET', '400'],
  ])('cuts off a %s whose body never ends, having answered %s', async (method) => {
    const path = method === 'PUT' ? '/v1/ranges' : '/v1/ranges?x=1';
    const client = new RawClient(it_.socketPath);
    client.send(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
    let sent = 0;
    const pump = (): void => {
      while (!client.closed && !client.socket.destroyed && client.socket.write(chunk)) sent += chunk.length;
      sent += chunk.length;
    };
    client.socket.on('drain', pump);
    pump();
    await until(() => client.closed, 'the connection is cut');
    expect(client.text).toMatch(method === 'PUT' ? /^HTTP\/1.1 413 / : /^HTTP\/1.1 400 /);
    expect(sent).toBeLessThan(LIMITS.httpDiscardBytes * 4);
    expect((await ask(it_.socketPath, 'GET', '/healthz')).status).toBe(200);
  });

  it('answers garbage with 400, oversized headers with 431, and stays up', async () => {
    const garbage = new RawClient(it_.port).send('\x00\x01\x02 hello\r\n\r\n');
    await until(() => garbage.closed, 'garbage is cut off');
    expect(garbage.text).toMatch(/^HTTP\/1.1 400 [\s\S]*"code":"bad-http"/);
    const long = new RawClient(it_.port).send(`GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`);
    await until(() => long.closed, 'long headers are cut off');
    expect(long.text).toMatch(/^HTTP\/1.1 431 [\s\S]*"code":"headers-too-large"/);
    for (let i = 0; i < 20; i++) {
      const bytes = Array.from({ length: 200 }, (_, j) =>
        String.fromCharCode((i * 31 + j * j * 7) % 256),
      ).join('');
      const client = new RawClient(it_.port).send(`${bytes}\r\n\r\n`);
      await until(() => client.closed, `garbage ${i} is cut off`);
    }
    expect((await ask(it_.port, 'GET', '/healthz')).status).toBe(200);
    expect(it_.node.calls).toEqual([]);
  });

  it('answers a request that arrives too slowly with 408, whether in its headers or its body', async () => {
    const quick = await run({ times: { requestTimeoutMs: 60, checkPeriodMs: 20 } });
    const headers = new RawClient(quick.port).send('GET /v1/status HTTP/1.1\r\nHost: ');
    const body = new RawClient(quick.socketPath).send(
      'PUT /v1/ranges HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"start":',
    );
    await until(() => headers.closed && body.closed, 'both are cut off');
    expect(headers.text).toMatch(/^HTTP\/1.1 408 [\s\S]*"code":"request-timeout"/);
    expect(body.text).toMatch(/^HTTP\/1.1 408 [\s\S]*"code":"request-timeout"/);
    expect(quick.node.calls).toEqual([]);
    await quick.stop();
  });

  it('survives a client that goes away in the middle of its body', async () => {
    const client = new RawClient(it_.socketPath).send(
      'PUT /v1/ranges HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"start":',
    );
    client.socket.end();
    await until(() => client.closed, 'the connection is closed');
    expect((await ask(it_.socketPath, 'GET', '/healthz')).status).toBe(200);
    expect(it_.logged).toEqual([]);
  });

  it('uses a connection again after a refused request', async () => {
    const client = new RawClient(it_.port).send(
      'PUT /v1/ranges HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello' +
        'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    await until(() => client.text.endsWith('\r\n\r\nok'), 'the second answer');
    expect(client.text).toMatch(/^HTTP\/1.1 401 [\s\S]*HTTP\/1.1 200 /);
    client.socket.destroy();
  });
});

describe('crowds and sluggards', () => {
  it('cuts off a reader that takes nothing of a long reply', async () => {
    const quick = await run({ times: { stallTimeoutMs: 300 } });
    quick.node.rangeCount = 200_000;
    quick.node.ranges();
    const openFds = async (): Promise<number> =>
      Number(/shoal_process_open_fds (\d+)/.exec((await ask(quick.socketPath, 'GET', '/metrics')).text)?.[1]);
    const baseline = await openFds();
    const client = new RawClient(quick.port);
    client.socket.pause();
    client.send('GET /v1/ranges HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => quick.node.calls.length === 2, 'the call is made');
    // One more than before is the client's own end.
    await until(async () => (await openFds()) <= baseline + 1, 'the server has let go');
    client.socket.resume();
    await until(() => client.closed, 'the client sees the end');
    expect(client.text.endsWith(']}\n\r\n0\r\n\r\n')).toBe(false);
    expect(client.text.length).toBeGreaterThan(10_000);
    await quick.stop();
  });

  it('takes so many connections and no more, and the socket still answers', async () => {
    const clients: RawClient[] = [];
    for (let i = 0; i < LIMITS.httpConnections + 3; i++) clients.push(new RawClient(it_.port));
    await until(() => clients.filter((client) => client.closed).length === 3, 'the surplus is closed');
    const metrics = (await ask(it_.socketPath, 'GET', '/metrics')).text;
    expect(metrics).toContain('\nshoal_http_rejected_total{reason="too-many-connections"} 3\n');
    for (const client of clients) client.socket.destroy();
  });
});
