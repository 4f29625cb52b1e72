import { afterEach, describe, expect, it } from 'vitest';
import { RespServer } from '../../resp/index.ts';
import { Store } from '../../store/index.ts';
import { shoal } from '../fake-daemon.testkit.ts';
import { keyOf } from './plan.ts';
import { RespSocket } from './socket.ts';

let server: RespServer | null = null;
afterEach(async () => {
  await server?.close();
  server = null;
});

async function start(settings: Record<string, string> = {}): Promise<number> {
  server = new RespServer(new Store(), { settings });
  return server.listen(0, '127.0.0.1');
}

describe('shoal bench against the store itself', () => {
  it('writes all its keys, and finds them again', async () => {
    const port = await start();
    const bench = (line: string) => shoal(['bench', ...line.split(' '), '--url', `127.0.0.1:${port}`]);
    const wrote = await bench('--requests 20000 --clients 10 --pipeline 32 --keys 100 --ratio 1:0 --json');
    expect([wrote.code, wrote.err]).toEqual([0, '']);
    expect(JSON.parse(wrote.out)).toMatchObject({ commands: 20_000, errorCount: 0, connectionsLost: 0 });
    const read = await bench('--requests 5000 --keys 100 --ratio 0:1 --pipeline 7 --json');
    expect(JSON.parse(read.out)).toMatchObject({ get: { count: 5000, misses: 0 } });
    const socket = await RespSocket.open({ host: '127.0.0.1', port, user: null, password: null });
    expect(await socket.ask(['DBSIZE'])).toBe(100);
    expect(await socket.ask(['GET', keyOf(99)])).toBe('x'.repeat(100));
    socket.close();
  });

  it('has each connection ask for its acknowledgement level', async () => {
    const port = await start();
    const { code, out } = await shoal(
      `bench --requests 100 --clients 3 --ack 1m0d --json --url 127.0.0.1:${port}`.split(' '),
    );
    expect([code, JSON.parse(out).commands, JSON.parse(out).plan.ack]).toEqual([0, 100, '1m0d']);
  });

  it('gives the password of the environment', async () => {
    const port = await start({ requirepass: 'a-long-password!' });
    const line = ['bench', '--requests', '10', '--clients', '1', '--url', `127.0.0.1:${port}`];
    expect((await shoal(line, { env: { REDISCLI_AUTH: 'a-long-password!' } })).code).toBe(0);
    const refused = await shoal(line);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/^shoal: redis:\/\/127\.0\.0\.1:\d+ says NOAUTH .*REDISCLI_AUTH\n$/);
    const wrong = await shoal(line, { env: { REDISCLI_AUTH: 'another-password' } });
    expect(wrong.err).toMatch(/WRONGPASS.*REDISCLI_AUTH\n$/);
  });
});
