import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS, ShoalError } from '../base/index.ts';
import { ask, ID, type Running, run, until } from './fake-node.ts';

const BEARER = { authorization: 'Bearer secret' };
const RANGE = { start: 1, end: 9 };

let it_: Running;
beforeEach(async () => {
  it_ = await run();
});
afterEach(() => it_.stop());

describe('the keyring', () => {
  const KEY = 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDA=';

  it('is listed and changed on the socket only, whatever token comes over TCP', async () => {
    const { json } = await ask(it_.socketPath, 'GET', '/v1/keys');
    expect(json).toMatchObject({ keys: [{ id: '0a1b2c3d', primary: true }] });
    const body = { op: 'install', key: KEY };
    expect((await ask(it_.socketPath, 'POST', '/v1/keys', body)).json).toMatchObject({ keys: [{}] });
    expect(it_.node.calls).toContainEqual(['changeKeys', 'install', KEY]);
    for (const [method, given] of [
      ['GET', undefined],
      ['POST', body],
    ] as const) {
      const { status, json } = await ask(it_.port, method, '/v1/keys', given, BEARER);
      expect([status, json.error.code]).toEqual([403, 'forbidden']);
    }
  });

  it.each([
    [{ op: 'steal', key: KEY }, 'bad-op'],
    [{ key: KEY }, 'bad-op'],
    [{ op: 'use' }, 'bad-key'],
    [{ op: 'use', key: 7 }, 'bad-key'],
    [{ op: 'use', key: KEY + KEY + KEY }, 'bad-key'],
    [{ op: 'use', key: KEY, more: 1 }, 'unknown-field'],
  ])('refuses %j, and repeats no key', async (body, code) => {
    const { status, text, json } = await ask(it_.socketPath, 'POST', '/v1/keys', body);
    expect([status, json.error.code]).toEqual([400, code]);
    expect(text).not.toContain('c2Vj');
  });

  it.each([
    ['not-sealed', 409],
    ['key-in-use', 409],
    ['too-many-keys', 409],
    ['unknown-key', 404],
    ['bad-key', 400],
  ])('says %s with %i', async (code, status) => {
    it_.node.failure = new ShoalError(code, 'no');
    expect((await ask(it_.socketPath, 'GET', '/v1/keys')).status).toBe(status);
  });
});

describe('reading', () => {
  it.each([
    ['/v1/status', { node: { id: ID }, cluster: 'test' }],
    ['/v1/members', { members: [{ id: ID, name: 'ant' }] }],
    ['/v1/ranges', { ranges: [{ node: ID, name: 'ant', priority: 3, start: 0, end: 0 }] }],
    [
      '/v1/owners',
      { segments: [{ start: 0, end: 4294967295, owners: [{ node: ID, name: 'ant', priority: 3 }] }] },
    ],
    ['/v1/owners?key=a', { position: 5, slot: 0, owners: [] }],
    [
      '/v1/owners?position=262144',
      { position: 262144, slot: 1, owners: [{ node: ID, name: 'ant', priority: 3 }] },
    ],
    ['/v1/coverage', { covered: true, copies: 1, missingPositions: 0, gaps: [] }],
    ['/v1/coverage?copies=3', { covered: true, copies: 3, missingPositions: 0, gaps: [] }],
    ['/v1/converged', { converged: true, digest: 'd', members: [] }],
    ['/v1/propagation', { ms: [1.5, 2] }],
    ['/v1/drops', { drops: [] }],
  ])('answers GET %s over TCP and over the socket alike', async (path, expected) => {
    for (const target of [it_.port, it_.socketPath]) {
      const answer = await ask(target, 'GET', path);
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(answer.json).toEqual(expected);
    }
  });

  it('passes what the query says on to the node', async () => {
    await ask(it_.port, 'GET', '/v1/ranges?node=b%C3%AAte');
    await ask(it_.port, 'GET', '/v1/owners?key=a+b%26%7Bc%7D');
    await ask(it_.port, 'GET', '/v1/owners?key=');
    await ask(it_.port, 'GET', '/v1/owners?position=0xFFffFFff');
    await ask(it_.port, 'GET', '/v1/owners?position=slot:16383');
    await ask(it_.port, 'GET', '/v1/owners?position=slot%3A1');
    await ask(it_.port, 'GET', '/v1/converged?wait=1.25');
    expect(it_.node.calls).toEqual([
      ['ranges', 'bête'],
      ['ownersOfKey', 'a b&{c}'],
      ['ownersOfKey', ''],
      ['ownersAt', 0xffffffff],
      ['ownersAt', 0xfffc0000],
      ['ownersAt', 0x40000],
      ['converged', 1250],
    ]);
  });

  it('answers HEAD like GET, without a body', async () => {
    for (const path of ['/v1/status', '/v1/ranges', '/v1/events', '/']) {
      const answer = await ask(it_.port, 'HEAD', path);
      expect([path, answer.status, answer.text]).toEqual([path, 200, '']);
    }
  });

  it('writes a list of any length in pieces that make one document', async () => {
    it_.node.rangeCount = 20_000;
    const answer = await ask(it_.port, 'GET', '/v1/ranges');
    const ranges = answer.json.ranges as { start: number }[];
    expect(ranges.length).toBe(20_000);
    expect(ranges.every((range, i) => range.start === i)).toBe(true);
    it_.node.rangeCount = 0;
    expect((await ask(it_.port, 'GET', '/v1/ranges')).json).toEqual({ ranges: [] });
  });

  it('tells health and readiness', async () => {
    expect(await ask(it_.port, 'GET', '/healthz')).toMatchObject({ status: 200, text: 'ok' });
    expect(await ask(it_.port, 'GET', '/readyz')).toMatchObject({ status: 200, text: 'in sync' });
    it_.node.isReady = false;
    expect(await ask(it_.port, 'GET', '/readyz')).toMatchObject({ status: 503, text: 'not joined yet' });
    expect((await ask(it_.port, 'GET', '/healthz')).status).toBe(200);
  });

  it('serves the page under a strict policy, and not again while unchanged', async () => {
    const page = await ask(it_.port, 'GET', '/?from=bookmark');
    expect(page).toMatchObject({ status: 200, text: '<h1>shoal</h1>' });
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    expect(page.headers['content-security-policy']).toContain("default-src 'self'");
    const etag = page.headers.etag ?? '';
    expect(await ask(it_.port, 'GET', '/', undefined, { 'if-none-match': etag })).toMatchObject({
      status: 304,
      text: '',
    });
  });

  it('lets few requests wait for convergence, fewer of them over TCP, and refuses more', async () => {
    let finish = (): void => {};
    it_.node.convergence = new Promise((resolve) => {
      finish = () => resolve({ converged: false, digest: 'd', members: [] });
    });
    const waiting: ReturnType<typeof ask>[] = [];
    for (const [target, most] of [
      [it_.port, LIMITS.httpWaiters - LIMITS.httpSocketWaiters],
      [it_.socketPath, LIMITS.httpWaiters],
    ] as const) {
      while (waiting.length < most) waiting.push(ask(target, 'GET', '/v1/converged?wait=300'));
      await until(() => it_.node.calls.length === most, 'all wait');
      const refused = await ask(target, 'GET', '/v1/converged');
      expect(refused).toMatchObject({ status: 503, json: { error: { code: 'overloaded' } } });
      expect(refused.json.error.message).toMatch(new RegExp(`^${most} requests wait`));
    }
    finish();
    for (const answer of await Promise.all(waiting)) expect(answer.status).toBe(200);
    expect((await ask(it_.port, 'GET', '/v1/converged')).status).toBe(200);
  });
});

describe('writing', () => {
  const WRITES: [string, string, unknown, unknown[], unknown][] = [
    [
      'PUT',
      '/v1/ranges',
      { ...RANGE, priority: 2, node: 'bee' },
      ['register', { ...RANGE, priority: 2, node: 'bee' }],
      { node: ID, name: 'ant', ...RANGE, priority: 2 },
    ],
    ['PATCH', '/v1/ranges', { ...RANGE, by: -4 }, ['adjust', { ...RANGE, by: -4 }], { released: true }],
    ['DELETE', '/v1/ranges', RANGE, ['release', RANGE], { released: true }],
    [
      'POST',
      '/v1/join',
      { addresses: ['10.0.0.1:29999', '[fe80::1]:1'] },
      ['join', ['10.0.0.1:29999', '[fe80::1]:1']],
      { reached: 2, failed: [] },
    ],
    ['POST', '/v1/leave', undefined, ['leave', { release: false }], { left: true }],
    ['POST', '/v1/leave', { release: true }, ['leave', { release: true }], { left: true }],
    ['POST', '/v1/force-leave', { node: 'bee' }, ['forceLeave', 'bee'], { left: true }],
  ];

  it.each(WRITES)(
    '%s %s %j reaches the node over the socket, and over TCP with the token',
    async (...row) => {
      const [method, path, body, call, expected] = row;
      expect(await ask(it_.socketPath, method, path, body)).toMatchObject({ status: 200, json: expected });
      expect(await ask(it_.port, method, path, body, BEARER)).toMatchObject({ status: 200, json: expected });
      expect(it_.node.calls).toEqual([call, call]);
    },
  );

  it.each(WRITES)(
    '%s %s %j is refused over TCP without the token, with a wrong one, or when there is none',
    async (...row) => {
      const [method, path, body] = row;
      const without = await ask(it_.port, method, path, body);
      expect(without).toMatchObject({ status: 401, json: { error: { code: 'unauthorized' } } });
      expect(without.headers['www-authenticate']).toBe('Bearer realm="shoal"');
      expect(without.json.error.message).toMatch(/--socket PATH.*Authorization: Bearer TOKEN/);
      for (const authorization of [
        'Bearer secre',
        'Bearer secrets',
        'Bearer',
        'Basic secret',
        'secret',
        '',
      ]) {
        const wrong = await ask(it_.port, method, path, body, { authorization });
        expect(wrong).toMatchObject({ status: 403, json: { error: { code: 'forbidden' } } });
      }
      const closed = await run({ token: null });
      const none = await ask(closed.port, method, path, body, BEARER);
      expect(none).toMatchObject({ status: 403, json: { error: { code: 'forbidden' } } });
      expect(none.json.error.message).toContain('--socket PATH');
      expect([...it_.node.calls, ...closed.node.calls]).toEqual([]);
      await closed.stop();
    },
  );

  it.each([
    ['bad-range', 400],
    ['bad-priority', 400],
    ['bad-amount', 400],
    ['bad-address', 400],
    ['bad-position', 400],
    ['bad-node', 400],
    ['not-registered', 404],
    ['unknown-node', 404],
    ['no-store', 404],
    ['name-conflict', 409],
    ['not-down', 409],
    ['member-is-self', 409],
    ['too-many-increments', 409],
    ['too-many-registrations', 409],
    ['leaving', 503],
    ['overloaded', 503],
    ['disk-full', 503],
    ['disk-failed', 503],
    ['timeout', 503],
    ['unreachable', 503],
  ])("turns the node's %s into %i", async (code, status) => {
    it_.node.failure = new ShoalError(code, 'no, do this', 'start');
    const answer = await ask(it_.socketPath, 'DELETE', '/v1/ranges', RANGE);
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({ error: { code, message: 'no, do this', field: 'start' } });
    expect(it_.logged).toEqual([]);
  });

  it('hides a mistake of ours from the client, and logs it', async () => {
    const bugs: unknown[] = [];
    const running = await run({ onBug: (error) => bugs.push(error) });
    running.node.failure = new Error('assertion failed: x');
    for (const [method, path, body] of [
      ['GET', '/v1/status', undefined],
      ['PUT', '/v1/ranges', { ...RANGE, priority: 1 }],
    ] as const) {
      const answer = await ask(running.socketPath, method, path, body);
      expect(answer).toMatchObject({ status: 500, json: { error: { code: 'internal' } } });
      expect(answer.text).not.toContain('assertion');
    }
    expect(running.logged.length).toBe(2);
    expect(bugs).toEqual([running.node.failure, running.node.failure]);
    await running.stop();
  });
});

describe('foreign web pages', () => {
  it.each(['127.0.0.1:29980', '[::1]:29980', 'localhost:1', 'LOCALHOST.', 'x.localhost', '192.168.1.7'])(
    'answers on loopback when asked as %s',
    async (host) => {
      expect((await ask(it_.port, 'GET', '/v1/status', undefined, { host })).status).toBe(200);
    },
  );

  it.each([
    'evil.example:29980',
    'rebind.local',
    'board7',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
  ])("does not answer on loopback when asked as '%s', but for the token or over the socket", async (host) => {
    const answer = await ask(it_.port, 'GET', '/v1/status', undefined, { host });
    expect(answer).toMatchObject({ status: 403, json: { error: { code: 'foreign-host' } } });
    expect((await ask(it_.port, 'GET', '/v1/status', undefined, { host, ...BEARER })).status).toBe(200);
    expect((await ask(it_.socketPath, 'GET', '/v1/status', undefined, { host })).status).toBe(200);
  });

  it('answers to local names when bound beyond loopback, still not to foreign ones', async () => {
    const open = await run({ tcp: { host: '0.0.0.0', port: 0 } });
    for (const host of ['board7', 'board7.local:29980', 'board7.lan'])
      expect((await ask(open.port, 'GET', '/v1/status', undefined, { host })).status).toBe(200);
    expect((await ask(open.port, 'GET', '/v1/status', undefined, { host: 'evil.example' })).status).toBe(403);
    await open.stop();
  });

  it('refuses what a browser fetches for another site, but not a link to the page', async () => {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
    expect(await ask(it_.port, 'GET', '/v1/events', undefined, headers)).toMatchObject({
      status: 403,
      json: { error: { code: 'cross-site' } },
    });
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect((await ask(it_.port, 'GET', '/', undefined, link)).status).toBe(200);
  });

  it('never allows another origin to read or write', async () => {
    const answer = await ask(it_.port, 'OPTIONS', '/v1/ranges', undefined, {
      origin: 'https://evil.example',
      'access-control-request-method': 'PUT',
    });
    expect(answer.status).toBe(405);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });
});
