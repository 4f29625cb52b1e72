import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, type Ran, type RunOptions, shoal } from './fake-daemon.testkit.ts';

const daemon = new FakeDaemon();
beforeAll(() => daemon.start());
afterAll(() => daemon.dispose());
beforeEach(() => {
  daemon.heard.length = 0;
});

function ask(line: string, options: RunOptions = {}): Promise<Ran> {
  return shoal([...line.split(' '), '--socket', daemon.socket], options);
}

describe('the keyring', () => {
  const KEY = 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDA=';
  const list = {
    keys: [
      {
        id: '0a1b2c3d',
        primary: true,
        holders: 5,
        sealedMessages: 5,
        openedMessages: 0,
        lastSealedMs: 61_000,
        lastOpenedMs: null,
      },
    ],
  };

  it('keygen prints another key each time, of 32 bytes, and asks nobody', async () => {
    const [one, two] = [await shoal(['keygen']), await shoal(['keygen'])];
    expect(one).toMatchObject({ code: 0, err: '' });
    expect(Buffer.from(one.out.trim(), 'base64')).toHaveLength(32);
    expect(one.out).not.toBe(two.out);
  });

  it('keygen --out makes a file and writes over none', async () => {
    const files: Record<string, string> = {};
    expect(await shoal(['keygen', '--out', 'new'], { files })).toEqual({ code: 0, out: '', err: '' });
    const key = files.new ?? '';
    expect(Buffer.from(key.trim(), 'base64')).toHaveLength(32);
    const again = await shoal(['keygen', '--out', 'new'], { files });
    expect(again).toMatchObject({ code: 1, out: '' });
    expect(again.err).toMatch(/^shoal: --out: cannot make new \(it exists already\): .*name a new file\n$/);
    expect(files.new).toBe(key);
    expect((await shoal(['keygen', '--out', ''], { files })).code).toBe(2);
  });

  it('keys list tells ids and their use', async () => {
    daemon.on('GET /v1/keys', 200, list);
    expect((await ask('keys list')).out).toBe(
      '0a1b2c3d  primary  5 members  sealed 1 min 1 s ago  opened never\n',
    );
    expect(JSON.parse((await ask('keys list --json')).out)).toEqual(list);
  });

  it('keys install, use and remove send the key or its id, also from standard input', async () => {
    daemon.on('POST /v1/keys', 200, list);
    daemon.on('GET /v1/keys', 200, list);
    for (const line of [`keys install ${KEY}`, 'keys use 0a1b2c3d', 'keys remove 0a1b2c3d'])
      expect((await ask(line)).code).toBe(0);
    expect((await ask('keys install -', { files: { '/dev/stdin': `${KEY}\n` } })).code).toBe(0);
    expect(daemon.heard.filter(({ method }) => method === 'POST').map(({ body }) => body)).toEqual([
      { op: 'install', key: KEY },
      { op: 'use', key: '0a1b2c3d' },
      { op: 'remove', key: '0a1b2c3d' },
      { op: 'install', key: KEY },
    ]);
  });

  it('keys list and keys remove tell of members that are down and may have no other key', async () => {
    const [key] = list.keys;
    const down = {
      keys: [
        { ...key, id: '4e5f6a7b' },
        { ...key, primary: false, down: 1 },
      ],
    };
    daemon.on('GET /v1/keys', 200, down);
    daemon.on('POST /v1/keys', 200, list);
    expect((await ask('keys list')).out).toMatch(
      /opened never {2}1 member is down and may have only this key\n$/,
    );
    expect((await ask('keys remove 0A1B2C3D')).err).toContain(
      '1 member is down and may have only this key: without it',
    );
    expect(daemon.heard.at(-1)?.body).toEqual({ op: 'remove', key: '0a1b2c3d' });
  });

  it.each([
    'keys',
    'keys list x',
    'keys install',
    'keys burn x',
    `keys install ${KEY}x`,
    'keys install 0a1b2c3d',
    'keys install new-key',
  ])('%s is bad usage, and no key is repeated', async (line) => {
    const { code, err } = await ask(line);
    expect(code).toBe(2);
    expect(err).not.toContain('c2Vj');
    expect(daemon.heard).toEqual([]);
  });
});
