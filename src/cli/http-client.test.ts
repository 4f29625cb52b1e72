import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, shoal } from './fake-daemon.testkit.ts';
import { HttpClient } from './http-client.ts';

const daemon = new FakeDaemon();
beforeAll(() => daemon.start());
afterAll(() => daemon.dispose());
beforeEach(() => {
  daemon.heard.length = 0;
  daemon.on('GET /v1/ranges', 200, { ranges: [] });
  daemon.on('PUT /v1/ranges', 200, { node: 'n', name: 'n', start: 0, end: 1, priority: 1 });
});

const url = () => `http://127.0.0.1:${daemon.port}`;

describe('the daemon is found', () => {
  it.each<[string, () => string[], () => Record<string, string>]>([
    ['by --socket', () => ['--socket', daemon.socket], () => ({ SHOAL_SOCKET: '/none' })],
    ['by --url', () => ['--url', url()], () => ({ SHOAL_SOCKET: '/none' })],
    ['by --url without http://', () => ['--url', `127.0.0.1:${daemon.port}`], () => ({})],
    ['by SHOAL_SOCKET', () => [], () => ({ SHOAL_SOCKET: daemon.socket })],
    ['by SHOAL_URL', () => [], () => ({ SHOAL_URL: url() })],
    [
      'by --socket though SHOAL_URL is set',
      () => ['--socket', daemon.socket],
      () => ({ SHOAL_URL: 'http://none' }),
    ],
  ])('%s', async (_how, flags, env) => {
    const after = await shoal(['ranges', ...flags()], { env: env() });
    expect(after).toEqual({ code: 0, out: '', err: '' });
    const before = await shoal([...flags(), 'ranges'], { env: env() });
    expect(before).toEqual({ code: 0, out: '', err: '' });
    expect(daemon.heard).toHaveLength(2);
  });

  it('at the default socket of an agent without flags', async () => {
    const env = { RUNTIME_DIRECTORY: daemon.directory };
    expect((await shoal(['ranges'], { env, files: { [daemon.socket]: '' } })).code).toBe(0);
  });

  it.each([
    [['ranges', '--socket', '/a', '--url', 'http://b:1'], /keep one/],
    [['ranges', '--socket', '/a', '--token-file', 't'], /goes with --url/],
    [['ranges', '--socket', ''], /may not be empty/],
    [['ranges', '--url', 'https://a:1'], /--url/],
    [['ranges', '--url', 'http://a:1/path'], /--url/],
    [['ranges', '--url', 'http://a:99999'], /not a URL/],
    [
      ['ranges', '--url', 'http://a:1', '--token-file', '/none'],
      /cannot read \/none \(there is no such file/,
    ],
  ])('%j is bad usage', async (argv, message) => {
    const { code, err } = await shoal(argv);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it('an empty SHOAL_SOCKET is named as what it is', async () => {
    const { code, err } = await shoal(['ranges'], { env: { SHOAL_SOCKET: '' } });
    expect([code, err]).toEqual([2, expect.stringMatching(/^shoal: SHOAL_SOCKET is set, and empty/)]);
  });
});

describe('a socket that this user may not look for', () => {
  const SOCKET = '/run/shoal/shoal.sock';

  it('is the one a verb that writes asks', async () => {
    const locked = await shoal(['register', '0', '1'], { locked: [SOCKET] });
    expect(locked.code).toBe(3);
    expect(locked.err).toContain(SOCKET);
  });

  it('is named by a verb that reads when HTTP does not answer either', async () => {
    const target = { kind: 'url', host: '127.0.0.1', port: 1, token: null, locked: SOCKET } as const;
    const asked = new HttpClient(target, 5000).call('GET', '/v1/status');
    await expect(asked).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(
        /^permission denied: .*shoal\.sock: run as root.*nobody answers at http/,
      ),
    });
  });
});

describe('the token', () => {
  it('is asked for in words of the verbs', async () => {
    const message =
      'writing needs authority: use the Unix socket (--socket PATH), or send Authorization: Bearer TOKEN';
    daemon.on('PUT /v1/ranges', 401, { error: { code: 'unauthorized', message } });
    const { code, err } = await shoal(['register', '0', '1', '--url', url()]);
    expect(code).toBe(1);
    expect(err).toMatch(/or give --token-file FILE/);
    expect(err).not.toContain('Bearer');
  });

  it('goes with writes and reads over TCP', async () => {
    const files = { '/t': 'secret\n' };
    await shoal(['register', '0', '1', '--url', url(), '--token-file', '/t'], { files });
    await shoal(['register', '0', '1', '--url', url()], { files, env: { SHOAL_TOKEN_FILE: '/t' } });
    await shoal(['register', '0', '1', '--url', url()]);
    const sent = daemon.heard.map((call) => call.headers.authorization);
    expect(sent).toEqual(['Bearer secret', 'Bearer secret', undefined]);
  });

  it('that is no token is refused', async () => {
    const { code, err } = await shoal(['ranges', '--url', url(), '--token-file', '/t'], {
      files: { '/t': 'a\nb' },
    });
    expect([code, err]).toEqual([2, expect.stringMatching(/one token/)]);
  });
});

describe('when the daemon says no', () => {
  it.each([400, 401, 403, 404, 409, 413, 503])(
    'with %d, its words go to standard error, exit code 1',
    async (status) => {
      daemon.on('PUT /v1/ranges', status, { error: { code: 'x', message: 'not now: do that' } });
      const ran = await shoal(['register', '0', '1', '--socket', daemon.socket]);
      expect(ran).toEqual({ code: 1, out: '', err: 'shoal: not now: do that\n' });
    },
  );
});

describe('when there is no daemon: exit code 3, one line that says what to do', () => {
  const expectNone = async (argv: string[], message: RegExp) => {
    const { code, out, err } = await shoal(argv);
    expect([code, out]).toEqual([3, '']);
    expect(err).toMatch(message);
    expect(err).toMatch(/^shoal: [^\n]+\n$/);
  };

  it('no socket', () => expectNone(['ranges', '--socket', '/none/s'], /no daemon at \/none\/s: start one/));

  it('nobody behind a left-over socket file', async () => {
    const path = join(daemon.directory, 'file');
    writeFileSync(path, '');
    await expectNone(['ranges', '--socket', path], /no daemon at/);
  });

  it('nobody on the port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    await expectNone(['ranges', '--url', `http://127.0.0.1:${port}`], /no daemon at http/);
  });

  it('no such host', () =>
    expectNone(
      ['ranges', '--url', 'http://none.invalid:1'],
      /cannot talk to .*no host of that name|does not answer/,
    ));

  it('something that does not speak HTTP', async () => {
    const server = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('SSH-2.0-x\r\n'),
    ).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await expectNone(['ranges', '--url', `http://127.0.0.1:${port}`], /is not a shoal daemon/);
    await new Promise((resolve) => server.close(resolve));
  });

  it('nothing given and no default socket: a write does not try HTTP', () =>
    expectNone(['register', '0', '1'], /no daemon at \/nonexistent-home\/.*shoal\.sock/));

  it('somebody else answers', async () => {
    daemon.answer('GET /v1/ranges', (_heard, res) => res.end('<html>'));
    await expectNone(['ranges', '--socket', daemon.socket], /is not a shoal daemon/);
    daemon.on('GET /v1/ranges', 404, { detail: 'Not Found' });
    await expectNone(['ranges', '--socket', daemon.socket], /is not a shoal daemon/);
  });

  it('it dies within the answer', async () => {
    daemon.answer('GET /v1/ranges', (_heard, res) => {
      res.write('{"ranges":[', () => res.destroy());
    });
    await expectNone(['ranges', '--socket', daemon.socket], /cannot talk to/);
  });
});

it('an answer in an unexpected shape is one line, not a stack', async () => {
  daemon.on('GET /v1/ranges', 200, { other: 1 });
  const { code, err } = await shoal(['ranges', '--socket', daemon.socket]);
  expect(code).toBe(1);
  expect(err).toMatch(/^shoal: [^\n]+\n$/);
});

describe('a daemon that takes the call and does not answer in time', () => {
  it.each([
    ['before the answer', (_heard: unknown, _res: unknown) => {}],
    [
      'within the answer',
      (_heard: unknown, res: { write(text: string): unknown }) => res.write('{"ranges":['),
    ],
  ] as const)('is there: exit code 1 (%s)', async (_when, hang) => {
    daemon.answer('GET /v1/ranges', hang);
    const ran = await shoal(['ranges', '--socket', daemon.socket, '--timeout', '0.1']);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toMatch(/^shoal: no answer from .* within 0\.1 s: .*--timeout\n$/);
  });
});
