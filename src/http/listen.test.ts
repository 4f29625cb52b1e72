import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShoalError } from '../base/index.ts';
import { ask, FakeNode, RawClient, type Running, run, until } from './fake-node.ts';
import { createHttpServer } from './index.ts';

let it_: Running;
beforeEach(async () => {
  it_ = await run();
});
afterEach(() => it_.stop());

describe('listening', () => {
  const parts = (tcp: { host: string; port: number } | null, socketPath: string | null) =>
    createHttpServer({
      api: new FakeNode(),
      pageFiles: new Map(),
      tcp,
      socketPath,
      token: null,
      log: { warn() {}, error() {} },
      version: '0',
    });
  const failure = (promise: Promise<unknown>): Promise<ShoalError> =>
    promise.then(
      () => {
        throw new Error('it started');
      },
      (error) => error,
    );

  it('makes a socket that nobody but its owner can open at any moment, whatever the umask', async () => {
    const path = `${it_.socketPath}1`;
    const umask = process.umask(0);
    try {
      const server = parts(null, path);
      const started = server.start();
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(0);
      await started;
      expect(statSync(path).mode & 0o777).toBe(0o600);
      await server.close();
    } finally {
      process.umask(umask);
    }
  });

  it('removes its socket when it closes, and can start on it again', async () => {
    await it_.server.close();
    expect(existsSync(it_.socketPath)).toBe(false);
    const again = parts(null, it_.socketPath);
    expect(await again.start()).toEqual({ http: null, socket: it_.socketPath });
    await again.close();
  });

  it('names the setting when the port is taken, and leaves nothing open', async () => {
    const path = `${it_.socketPath}2`;
    const error = await failure(parts({ host: '127.0.0.1', port: it_.port }, path).start());
    expect(error).toMatchObject({ code: 'port-in-use', field: 'http' });
    expect(error.message).toContain(`127.0.0.1:${it_.port}`);
    expect(error.message).toContain('--no-http');
    expect(existsSync(path)).toBe(false);
  });

  it('says which address it cannot have', async () => {
    const error = await failure(parts({ host: '192.0.2.1', port: 0 }, null).start());
    expect(error).toMatchObject({ code: 'cannot-listen', field: 'http' });
    expect(error.message).toContain('192.0.2.1:0 (that is not an address of this machine)');
  });

  it('leaves a socket alone that another process answers on', async () => {
    const error = await failure(parts(null, it_.socketPath).start());
    expect(error).toMatchObject({ code: 'socket-in-use', field: 'socket' });
    expect((await ask(it_.socketPath, 'GET', '/healthz')).status).toBe(200);
  });

  it('leaves a file alone that is no socket', async () => {
    const path = `${it_.socketPath}.txt`;
    writeFileSync(path, 'precious');
    expect(await failure(parts(null, path).start())).toMatchObject({ code: 'socket-in-use' });
    expect(statSync(path).size).toBe(8);
  });

  it('takes the place of a socket whose process is gone', async () => {
    const path = `${it_.socketPath}3`;
    const directory = mkdtempSync(join(tmpdir(), 'shoal-stale-'));
    // A listener closed by unlinking elsewhere: bind, rename the file away so that close does not remove it, put back.
    const old = createServer();
    await new Promise<void>((resolve) => old.listen(path, resolve));
    renameSync(path, join(directory, 'kept'));
    await new Promise<void>((resolve) => old.close(() => resolve()));
    renameSync(join(directory, 'kept'), path);
    const fresh = parts(null, path);
    await fresh.start();
    expect((await ask(path, 'GET', '/healthz')).status).toBe(200);
    await fresh.close();
    rmSync(directory, { recursive: true });
  });

  it('says what to do about a socket path that cannot be', async () => {
    const missing = await failure(parts(null, join(it_.socketPath, '..', 'no', 'such', 's.sock')).start());
    expect(missing).toMatchObject({ code: 'socket-unusable', field: 'socket' });
    expect(missing.message).toMatch(/there is no \S+\/no\/such\): make that directory.*--socket PATH/);
    const file = await failure(parts(null, '/dev/null/s.sock').start());
    expect(file).toMatchObject({ code: 'socket-unusable', field: 'socket' });
    expect(file.message).toContain('(a part of the path is not a directory)');
    const long = await failure(parts(null, `/tmp/${'x'.repeat(120)}`).start());
    expect(long).toMatchObject({ code: 'bad-socket', field: 'socket' });
    expect(long.message).toContain('107');
  });

  it('closes idle connections and event streams at once, and those that hang after a moment', async () => {
    const idle = new RawClient(it_.port).send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const watcher = new RawClient(it_.port).send('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    it_.node.convergence = new Promise(() => {});
    const hanging = new RawClient(it_.port).send(
      'GET /v1/converged?wait=9 HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    await until(() => idle.text.endsWith('ok') && watcher.text.includes('retry:'), 'answers');
    await until(() => it_.node.calls.length === 1, 'one hangs');
    const began = Date.now();
    await it_.server.close();
    await until(() => idle.closed && watcher.closed && hanging.closed, 'all are closed');
    expect(Date.now() - began).toBeLessThan(8000);
    expect(it_.node.listeners.size).toBe(0);
  });
});
