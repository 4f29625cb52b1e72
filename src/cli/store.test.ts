import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeDaemon, type Ran, type RunOptions, shoal } from './fake-daemon.testkit.ts';

const daemon = new FakeDaemon();
beforeAll(() => daemon.start());
afterAll(() => daemon.dispose());
beforeEach(() => {
  daemon.heard.length = 0;
});

function ask(line: string, options: RunOptions = {}): Promise<Ran> {
  return shoal(['store', ...line.split(' '), '--socket', daemon.socket], options);
}

const MB = 2 ** 20;
const INFO = {
  resp: '127.0.0.1:29979',
  proxy: '127.0.0.1:29978',
  awake: true,
  backend: 'log',
  directory: '/s/store',
  keys: 1200,
  expiring: 7,
  strays: 40,
  usedBytes: 90 * MB,
  heldBytes: 100 * MB,
  memoryLimitBytes: 400 * MB,
  diskBytes: 50 * MB,
  diskLimitBytes: null,
  full: null,
  slots: { served: 16_380, unsettled: 4, held: 2, elsewhere: 0, unowned: 4 },
  clients: 3,
  links: 2,
  commands: 9000,
  perSecond: { second: 120, minute: 80 },
  forwarded: 5,
  hits: 900,
  misses: 100,
  expired: 0,
  queuedBytes: 0,
  snapshots: 1,
  snapshotAt: '2026-11-21T10:00:00.000Z',
  longestTurnMs: 1.26,
  longestStepMs: 0.4,
  slow: 2,
  warnings: ['it is open'],
};

describe('store info', () => {
  it('says how full it is, what it serves and how fast', async () => {
    daemon.on('GET /v1/store', 200, INFO);
    const { code, out } = await ask('info');
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      'ports     127.0.0.1:29979 (cluster), 127.0.0.1:29978 (plain)',
      'kept in   log, /s/store',
      'messages  1200, 7 with an expiry, 40 in slots not served here',
      'memory    90.0 MB used, 100.0 MB held, of 400.0 MB: 25 %',
      'disk      50.0 MB',
      'slots     16380 served, 2 of them with data elsewhere, 4 of them not settled yet, 0 elsewhere, 4 unowned',
      'clients   1, 2 other nodes',
      'commands  120 a second, 80 over a minute; 9000 in all, 5 forwarded',
      'reads     900 found, 100 not there',
      'snapshot  1 since the start, the last at 2026-11-21T10:00:00.000Z',
      'longest   turn 1.3 ms, step of a snapshot 0.4 ms',
      'slow      2 commands: shoal store slowlog',
      'warning: it is open',
      '',
    ]);
    expect(JSON.parse((await ask('info --json')).out)).toEqual(INFO);
    daemon.on('GET /v1/store', 200, { ...INFO, full: 'disk', diskLimitBytes: 90 * MB });
    expect((await ask('info')).out).toMatch(/: 25 %\ndisk +50\.0 MB of 90\.0 MB: full, with the room/);
    daemon.on('GET /v1/store', 200, { ...INFO, awake: false, warnings: [] });
    expect((await ask('info')).out).toMatch(/\nslots +not in use yet\n$/);
  });

  it('draws again until Ctrl-C', async () => {
    daemon.on('GET /v1/store', 200, INFO);
    const stop = new AbortController();
    let drawn = 0;
    const { code } = await ask('info --watch', {
      terminal: true,
      stop: stop.signal,
      onOut: (text) => {
        expect(text.startsWith('\x1b[H\x1b[Jports ')).toBe(true);
        if (++drawn === 2) stop.abort();
      },
    });
    expect([code, drawn]).toEqual([0, 2]);
  });

  it('tells the fill of all members as they told it', async () => {
    const capacity = { cores: 4, storeMb: 500, storePercent: 45, storeDiskMb: 1000, storeDiskPercent: 5 };
    daemon.on('GET /v1/members', 200, {
      members: [
        { name: 'alpha', status: 'alive', resp: '10.0.0.1:29979', capacity },
        { name: 'be', status: 'down', resp: '10.0.0.2:29979', capacity: { storeMb: 60 } },
        { name: 'cod', status: 'alive', resp: null, capacity: { cores: 1 } },
      ],
    });
    expect((await ask('info --all')).out.split('\n')).toEqual([
      'alpha  alive  10.0.0.1:29979  45 % of 500 MB  5 % of 1000 MB',
      'be     down   10.0.0.2:29979  0 % of 60 MB    -',
      'cod    alive  -               -               -',
      '',
    ]);
  });
});

describe('store scan', () => {
  const message = (i: number) => ({ key: `k${i}`, position: i, bytes: 1, value: 'v', expiresAt: null });

  it('asks page by page, up to the limit, and prints as they come', async () => {
    daemon.answer('GET /v1/store/messages', ({ url }, res) => {
      const query = new URLSearchParams(url.split('?')[1]);
      const [cursor, count] = [Number(query.get('cursor')), Number(query.get('count'))];
      const entries = Array.from({ length: count + 1 }, (_, i) => message(cursor + i));
      res.end(JSON.stringify({ entries, cursor: cursor + count + 1 }));
    });
    const printed: string[] = [];
    const { code, err } = await ask('scan --limit 1100', { onOut: (text) => printed.push(text) });
    expect([code, err]).toEqual([
      0,
      'shoal: there may be more than these 1100: --limit N for N, --count for how many\n',
    ]);
    expect(printed).toHaveLength(3);
    const lines = printed.join('').trimEnd().split('\n');
    expect([lines.length, lines[0], lines[1099]]).toEqual([
      1100,
      '0    k0    1  -  v',
      '1099  k1099  1  -  v',
    ]);
    const json = JSON.parse((await ask('scan --range slot:1-slot:1 --limit 2 --json')).out);
    expect(json).toEqual({ messages: [message(0), message(1)], more: true });
    expect(daemon.heard.at(-1)?.url).toBe('/v1/store/messages?start=262144&end=524287&cursor=0&count=2');
  });

  it('ends when there is no more', async () => {
    daemon.on('GET /v1/store/messages', 200, { entries: [message(5)], cursor: 0 });
    const { out } = await ask('scan', { terminal: true, env: { NO_COLOR: '1' } });
    expect(out).toBe('POSITION  KEY  BYTES  EXPIRES  VALUE\n5         k5   1      -        v\n');
    expect(JSON.parse((await ask('scan --json')).out).more).toBe(false);
    expect(daemon.heard).toHaveLength(2);
  });

  it('says how far it is when it takes long, where people read its errors', async () => {
    const pages = [[], [message(262_144)], []];
    daemon.answer('GET /v1/store/messages', ({ url }, res) => {
      clock.mockReturnValue(performance.now() + 600);
      const cursor = Number(new URLSearchParams(url.split('?')[1]).get('cursor'));
      res.end(JSON.stringify({ entries: pages[cursor], cursor: (cursor + 1) % pages.length }));
    });
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    try {
      const { out, err } = await ask('scan', { terminal: true, env: { NO_COLOR: '1' } });
      expect(out.match(/POSITION/g)).toHaveLength(1);
      expect(err).toBe(
        '\r\x1b[K1 message so far, at slot 1\r\x1b[K\r\x1b[K1 message so far, at slot 1\r\x1b[K',
      );
      expect((await ask('scan --json', { errorTerminal: true })).err).toMatch(/so far/);
      expect((await ask('scan')).err).toBe('');
    } finally {
      clock.mockRestore();
    }
  });

  it('counts in one call, over TCP too', async () => {
    daemon.on('GET /v1/store/count', 200, { messages: 77, firstSlot: 0, lastSlot: 8191 });
    const { out } = await ask('scan --range 0-0x7fffffff --count');
    expect(out).toBe('77 messages in slots 0 to 8191\n');
    expect(daemon.heard.at(-1)?.url).toBe('/v1/store/count?start=0&end=2147483647');
    const url = `http://127.0.0.1:${daemon.port}`;
    expect((await shoal(['store', 'scan', '--count', '--json', '--url', url])).code).toBe(0);
  });
});

describe('store slowlog', () => {
  const entry = (id: number, keys: string[] | null, clientName = '') => ({
    ...{ id, time: '2026-01-02T03:04:05.000Z', ms: 12.3456, command: 'config|set' },
    ...{ keys, client: '10.0.0.9:5', clientName },
  });

  it('lists commands with keys and clients', async () => {
    daemon.on('GET /v1/store/slowlog', 200, {
      slowerThanMs: 10,
      entries: [entry(2, ['a', 'b'], 'app'), entry(1, null), entry(0, [])],
    });
    const { out } = await ask('slowlog --limit 3');
    expect(out.split('\n')).toEqual([
      '2026-01-02T03:04:05.000Z  12.346  config set  a b                          app 10.0.0.9:5',
      '2026-01-02T03:04:05.000Z  12.346  config set  (keys: on the admin socket)  10.0.0.9:5',
      '2026-01-02T03:04:05.000Z  12.346  config set  -                            10.0.0.9:5',
      '',
    ]);
    expect(daemon.heard[0]?.url).toBe('/v1/store/slowlog?count=3');
    const { out: headed } = await ask('slowlog', { terminal: true, env: { NO_COLOR: '1' } });
    expect(headed).toMatch(/^TIME +MS +COMMAND +KEYS +CLIENT\n/);
  });
});

describe('what is not understood', () => {
  it.each([
    ['infos', /write 'shoal store info'/],
    ['info more', /write 'shoal store info'|too many arguments/],
    ['info --range 0-5', /--range is for shoal store scan/],
    ['info --limit 5', /--limit is for shoal store scan and slowlog/],
    ['slowlog --watch', /--watch is for shoal store info/],
    ['scan --all', /--all is for shoal store info/],
    ['scan --count --limit 5', /without --limit/],
    ['scan --limit 0', /--limit/],
    ['scan --range 5', /START-END/],
    ['scan --range 5-1', /start/],
  ])('%s is bad usage', async (line, message) => {
    const { code, out, err } = await ask(line);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^shoal: [^\n]+\n$/);
    expect(err).toMatch(message);
    expect(daemon.heard).toEqual([]);
  });

  it('help has examples', async () => {
    expect((await shoal(['store', '--help'])).out).toMatch(/Examples:\n {2}shoal store info/);
  });
});
