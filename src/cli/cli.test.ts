import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, type Ran, type RunOptions, shoal } from './fake-daemon.testkit.ts';

const daemon = new FakeDaemon();
beforeAll(() => daemon.start());
afterAll(() => daemon.dispose());
beforeEach(() => {
  daemon.heard.length = 0;
});

/** A command line that asks the fake daemon. */
function ask(line: string, options: RunOptions = {}): Promise<Ran> {
  return shoal([...line.split(' '), '--socket', daemon.socket], options);
}

const A = '00000000000000aa';
const B = '00000000000000bb';
const ENTRY = { node: A, name: 'alpha', start: 0, end: 99, priority: 3 };

const STATUS = {
  node: {
    id: A,
    name: 'alpha',
    incarnation: 2,
    version: '0.1.0',
    startedAt: '2026-01-02T03:04:05.000Z',
    uptimeSeconds: 3725,
    addresses: { gossip: '127.0.0.1:29999', http: null, resp: null },
  },
  cluster: 'shoal',
  digest: '0123456789abcdef',
  members: { alive: 2, suspect: 0, down: 1, left: 0 },
  ranges: { registrations: 1, segments: 2, unownedPositions: 4294967196 },
  health: { score: 0, eventLoopLagMs: 1.234 },
  multicast: { enabled: true, hears: [B], heardBy: [B] },
  encrypted: false,
  warnings: ['nothing is sealed'],
};

const MEMBERS = {
  members: [
    { id: A, name: 'alpha', address: '127.0.0.1:1', status: 'alive', tags: { rack: '3', note: 'a b' } },
    { id: B, name: 'be', address: '127.0.0.1:22', status: 'down', tags: {} },
  ],
};

describe('the verbs that read', () => {
  it('status says who this is, how the group is and what is wrong', async () => {
    daemon.on('GET /v1/status', 200, STATUS);
    const { code, out, err } = await ask('status');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n')).toEqual([
      'node       alpha  00000000000000aa, incarnation 2',
      'version    0.1.0, up 1 h 2 min, since 2026-01-02T03:04:05.000Z',
      'addresses  gossip 127.0.0.1:29999, http off, resp off',
      'cluster    shoal, not encrypted',
      'members    2 alive, 0 suspect, 1 down, 0 left',
      'ranges     1 registration, 2 segments',
      'coverage   4294967196 positions without an owner (over 99.9 %); see shoal coverage',
      'digest     0123456789abcdef',
      'health     score 0, event loop 1.2 ms late',
      'multicast  hears 1, heard by 1',
      'warning    nothing is sealed',
      '',
    ]);
  });

  it('status --watch draws again until Ctrl-C', async () => {
    daemon.on('GET /v1/status', 200, STATUS);
    const stop = new AbortController();
    let drawn = 0;
    const ran = await ask('status --watch', {
      terminal: true,
      env: { NO_COLOR: '1' },
      stop: stop.signal,
      onOut: (text) => {
        expect(text.startsWith('\x1b[H\x1b[J')).toBe(true);
        // No 3J, which erases the scrollback.
        expect(text.split('\x1b')).toHaveLength(3);
        if (++drawn === 2) stop.abort();
      },
    });
    expect([ran.code, drawn]).toEqual([0, 2]);
  });

  it('members prints one line each, without a header', async () => {
    daemon.on('GET /v1/members', 200, MEMBERS);
    const { code, out } = await ask('members');
    expect(code).toBe(0);
    expect(out).toBe(
      'alpha  00000000000000aa  127.0.0.1:1   alive  note="a b",rack=3\nbe     00000000000000bb  127.0.0.1:22  down   -\n',
    );
  });

  it('members filters by status and tag, also as JSON', async () => {
    daemon.on('GET /v1/members', 200, MEMBERS);
    expect((await ask('members --status down')).out).toMatch(/^be .*\n$/);
    expect((await ask('members --tag rack=3')).out).toMatch(/^alpha .*\n$/);
    expect(await ask('members --tag rack=4')).toEqual({ code: 0, out: '', err: '' });
    expect(JSON.parse((await ask('members --status down --json')).out)).toEqual({
      members: [MEMBERS.members[1]],
    });
  });

  it('a terminal gets a header and colours, unless NO_COLOR is set', async () => {
    daemon.on('GET /v1/members', 200, MEMBERS);
    const coloured = await ask('members', { terminal: true });
    expect(coloured.out).toContain('\x1b[31mbe ');
    const plain = await ask('members', { terminal: true, env: { NO_COLOR: '1' } });
    expect(plain.out).toMatch(/^NAME +ID +ADDRESS +STATUS +TAGS\nalpha/);
    expect(plain.out).not.toContain('\x1b');
  });

  it('what strangers named cannot steer the terminal', async () => {
    const evil = { ...MEMBERS.members[0], tags: { rack: '\x1b[2J' } };
    daemon.on('GET /v1/members', 200, { members: [evil] });
    expect((await ask('members')).out).not.toContain('\x1b');
  });

  it('ranges says at a terminal, and nowhere else, whose do not count', async () => {
    const other = { ...ENTRY, node: B, name: 'be', start: 100, end: 199 };
    daemon.on('GET /v1/ranges', 200, { ranges: [ENTRY, other] });
    daemon.on('GET /v1/members', 200, MEMBERS);
    const { out } = await ask('ranges', { terminal: true });
    expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['NODE', 'START', 'END', 'PRIORITY', 'NOTE'],
      ['alpha', '0', '99', '3', '-'],
      ['be', '100', '199', '3', 'down: does not count'],
      [''],
    ]);
    expect((await ask('ranges')).out).toBe('alpha  0    99   3\nbe     100  199  3\n');
    const json = await ask('ranges --json', { terminal: true });
    expect(JSON.parse(json.out)).toEqual({ ranges: [ENTRY, other] });
    daemon.on('GET /v1/ranges', 200, { ranges: [ENTRY] });
    expect((await ask('ranges', { terminal: true })).out).toBe(
      'NODE   START  END  PRIORITY\nalpha  0      99   3\n',
    );
  });

  it('ranges shows the ids of nodes that have one name', async () => {
    const twin = { ...ENTRY, node: B, start: 100, end: 199 };
    const other = { ...ENTRY, node: B.replace(/^./, 'e'), name: 'be', start: 200, end: 299 };
    daemon.on('GET /v1/ranges', 200, { ranges: [ENTRY, { ...ENTRY, start: 50 }, twin, other] });
    const { out } = await ask('ranges');
    expect(out.split('\n').map((line) => line.split(' ')[0])).toEqual([ENTRY.node, ENTRY.node, B, 'be', '']);
  });

  it('ranges prints node, start, end, priority', async () => {
    daemon.on('GET /v1/ranges', 200, { ranges: [ENTRY] });
    expect(await ask('ranges --node alpha')).toEqual({ code: 0, out: 'alpha  0  99  3\n', err: '' });
    expect(daemon.heard[0]?.url).toBe('/v1/ranges?node=alpha');
    daemon.on('GET /v1/ranges', 200, { ranges: [] });
    expect(await ask('ranges')).toEqual({ code: 0, out: '', err: '' });
  });

  it('owners asks for a key, a position, or the whole table', async () => {
    const owner = { node: A, name: 'alpha', priority: 3 };
    daemon.on('GET /v1/owners', 200, { position: 5, slot: 0, owners: [owner] });
    expect((await shoal(['owners', 'a b&c', '--socket', daemon.socket])).out).toBe(
      'alpha  00000000000000aa  3\n',
    );
    await ask('owners --position slot:1');
    await ask('owners --position 0xff');
    expect(daemon.heard.map((call) => call.url)).toEqual([
      '/v1/owners?key=a%20b%26c',
      '/v1/owners?position=262144',
      '/v1/owners?position=255',
    ]);
    const segments = [
      { start: 0, end: 9, owners: [owner, { node: B, name: 'be', priority: 1 }] },
      { start: 10, end: 4294967295, owners: [] },
    ];
    daemon.on('GET /v1/owners', 200, { segments });
    expect((await ask('owners')).out).toBe('0   9           alpha:3,be:1\n10  4294967295  -\n');
  });

  it('owners of an unowned position prints nothing, and says so to people', async () => {
    daemon.on('GET /v1/owners', 200, { position: 5, slot: 0, owners: [] });
    const { code, out, err } = await ask('owners --position 5');
    expect({ code, out, err }).toEqual({
      code: 0,
      out: '',
      err: 'shoal: position 5 (slot 0) has no owner\n',
    });
  });

  it('coverage answers with its exit code, and lists the gaps', async () => {
    daemon.on('GET /v1/coverage', 200, { covered: true, copies: 1, missingPositions: 0, gaps: [] });
    expect(await ask('coverage')).toMatchObject({
      code: 0,
      out: 'covered: every position has at least 1 live owner\n',
    });
    const gaps = [{ start: 1, end: 2, owners: 1 }];
    daemon.on('GET /v1/coverage', 200, { covered: false, copies: 2, missingPositions: 2, gaps });
    const { code, out } = await ask('coverage --copies 2');
    expect(code).toBe(1);
    expect(out).toBe('not covered: 2 positions (under 0.1 %) with fewer than 2 live owners\n1  2  1\n');
    expect(daemon.heard.at(-1)?.url).toBe('/v1/coverage?copies=2');
    expect(await ask('coverage --json')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^\{"covered":false/),
    });
  });

  it('converged answers with its exit code, and lists who differs', async () => {
    const member = { id: B, name: 'be', digest: 'd1' };
    daemon.on('GET /v1/converged', 200, { converged: true, digest: 'd1', members: [member] });
    expect(await ask('converged')).toMatchObject({ code: 0, out: 'converged: 2 live members, digest d1\n' });
    const members = [member, { id: A, name: 'alpha', digest: 'd2' }, { id: A, name: 'mute', digest: null }];
    daemon.on('GET /v1/converged', 200, { converged: false, digest: 'd1', members });
    const { code, out } = await ask('converged --wait 1.5');
    expect(code).toBe(1);
    expect(out).toBe(
      `not converged: 2 members without this node's digest d1\nalpha  ${A}  d2\nmute   ${A}  -\n`,
    );
    expect(daemon.heard.at(-1)?.url).toBe('/v1/converged?wait=1.5');
  });

  it('version asks nobody', async () => {
    expect((await shoal(['version'])).out).toMatch(/^shoal \S+, protocol 1\n$/);
    expect(JSON.parse((await shoal(['version', '--json'])).out)).toMatchObject({ protocol: 1 });
    expect(daemon.heard).toEqual([]);
  });
});

describe('the verbs that change', () => {
  it('register sets a priority, 1 unless given, and prints the entry', async () => {
    daemon.on('PUT /v1/ranges', 200, ENTRY);
    expect(await ask('register 0 99')).toEqual({ code: 0, out: 'alpha  0  99  3\n', err: '' });
    await ask('register slot:0 slot:1 --priority 7 --node be');
    expect(daemon.heard.map((call) => call.body)).toEqual([
      { start: 0, end: 99, priority: 1 },
      { start: 0, end: 0x7ffff, node: 'be', priority: 7 },
    ]);
  });

  it('release removes', async () => {
    daemon.on('DELETE /v1/ranges', 200, { released: true });
    expect(await ask('release 0x0 0x63')).toEqual({ code: 0, out: 'released\n', err: '' });
    expect(daemon.heard[0]?.body).toEqual({ start: 0, end: 99 });
  });

  it('increase and decrease print the new priority, or released', async () => {
    daemon.on('PATCH /v1/ranges', 200, ENTRY);
    expect(await ask('increase 0 99 2')).toEqual({ code: 0, out: '3\n', err: '' });
    daemon.on('PATCH /v1/ranges', 200, { released: true });
    expect(await ask('decrease 0 99 3 --node be')).toEqual({ code: 0, out: 'released\n', err: '' });
    expect(daemon.heard.map((call) => call.body)).toEqual([
      { start: 0, end: 99, by: 2 },
      { start: 0, end: 99, node: 'be', by: -3 },
    ]);
  });

  it('join says how many were reached, and fails when none was', async () => {
    const failed = [{ address: 'b:2', message: 'refused' }];
    daemon.on('POST /v1/join', 200, { reached: 1, failed });
    expect(await ask('join a:1 b:2')).toEqual({
      code: 0,
      out: 'reached 1 of 2 addresses\n',
      err: 'shoal: b:2: refused\n',
    });
    expect(daemon.heard[0]?.body).toEqual({ addresses: ['a:1', 'b:2'] });
    daemon.on('POST /v1/join', 200, { reached: 0, failed });
    expect((await ask('join b:2')).code).toBe(1);
  });

  it('force-leave names the node', async () => {
    daemon.on('POST /v1/force-leave', 200, { left: true });
    expect(await ask('force-leave be')).toEqual({ code: 0, out: 'be marked left\n', err: '' });
    expect(daemon.heard[0]?.body).toEqual({ node: 'be' });
  });

  it('--json prints the answer as it came', async () => {
    daemon.on('PUT /v1/ranges', 200, ENTRY);
    expect(JSON.parse((await ask('register 0 99 --json')).out)).toEqual(ENTRY);
  });
});

describe('leave', () => {
  it('waits until the daemon is gone', async () => {
    const leaving = new FakeDaemon();
    await leaving.start();
    let gone = false;
    leaving.answer('POST /v1/leave', (_heard, res) => {
      res.end('{"left":true}');
      setTimeout(() => {
        gone = true;
        void leaving.stop();
      }, 100);
    });
    const ran = await shoal(['leave', '--release', '--socket', leaving.socket]);
    expect(ran).toEqual({ code: 0, out: 'left\n', err: '' });
    expect([gone, leaving.heard[0]?.body]).toEqual([true, { release: true }]);
    await leaving.dispose();
  });

  it('says so when the daemon stays', async () => {
    daemon.on('POST /v1/leave', 200, { left: true });
    const { code, out, err } = await ask('leave --timeout 0.2');
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^shoal: left, but the daemon at .* has not stopped within 0\.2 s: see its log\n$/);
  });
});

describe('monitor', () => {
  const event = (id: number) => ({
    id,
    type: 'range-registered',
    time: '2026-01-02T03:04:05.000Z',
    subject: A,
    name: 'alpha',
    origin: B,
    range: { start: 0, end: 99, priority: 3 },
  });
  const frame = (id: number) => `id: ${id}\nevent: range-registered\ndata: ${JSON.stringify(event(id))}\n\n`;

  it('prints events, and comes back with the last id when the stream breaks', async () => {
    const stop = new AbortController();
    daemon.answer('GET /v1/events', (heard, res) => {
      const last = heard.headers['last-event-id'];
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      res.write(`: hello\n\n${last === undefined ? frame(1) : frame(Number(last) + 1)}`);
      if (last === undefined) setTimeout(() => res.destroy(), 20);
    });
    const ids: number[] = [];
    const ran = await ask('monitor --json --filter range-registered --filter member-join', {
      stop: stop.signal,
      onOut: (text) => {
        if (ids.push(JSON.parse(text).id) === 2) stop.abort();
      },
    });
    expect(ran.code).toBe(0);
    expect(ids).toEqual([1, 2]);
    expect(daemon.heard.map((call) => call.url)).toEqual(
      Array(2).fill('/v1/events?type=range-registered&type=member-join'),
    );
    expect(ran.err).toContain('waiting for it to come back');
  });

  it('prints text for people', async () => {
    const stop = new AbortController();
    daemon.answer('GET /v1/events', (_heard, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      res.write(frame(1));
    });
    const { out } = await ask('monitor', { stop: stop.signal, onOut: () => stop.abort() });
    expect(out).toBe(`2026-01-02T03:04:05.000Z  range-registered  alpha  0-99 priority 3  by ${B}\n`);
  });

  it('fails when the first stream is refused', async () => {
    daemon.on('GET /v1/events', 503, {
      error: { code: 'too-many-watchers', message: '64 watch: try later' },
    });
    expect(await ask('monitor')).toEqual({ code: 1, out: '', err: 'shoal: 64 watch: try later\n' });
  });
});

describe('what cannot be', () => {
  it.each([
    ['register 0', /missing required argument 'end'/],
    ['register 0 1 2', /too many arguments/],
    ['register 9 5', /before the start/],
    ['register 0 4294967296', /outside the key space/],
    ['register -1 5', /./],
    ['register a b', /not a position/],
    ['register 0 1 --priority 1.5', /--priority: '1\.5'/],
    ['register 0 1 --priority 0', /--priority/],
    ['register 0 1 --priority abc', /--priority/],
    ['register 0 1 --priority 2147483648', /--priority/],
    ['register 0 1 --node a/b', /--node/],
    ['register 0 1 --nod x', /unknown option '--nod' \(Did you mean --node\?\)/],
    ['increase 0 1', /missing required argument 'n'/],
    ['increase 0 1 0', /N: '0'/],
    ['decrease 0 1 1.5', /N: '1\.5'/],
    ['release slot:16384 5', /not a slot/],
    ['owners k --position 5', /keep one/],
    ['owners --position -5', /--position/],
    ['coverage --copies 0', /--copies/],
    ['converged --wait 301', /--wait.*0 to 300/],
    ['converged --wait -1', /--wait/],
    ['members --status up', /--status.*alive, suspect/],
    ['members --tag rack', /KEY=VALUE/],
    ['monitor --filter nothing', /--filter: no event 'nothing'/],
    ['join', /missing required argument/],
    ['join a', /HOST:PORT/],
    ['join :5', /HOST:PORT/],
    ['join a:0', /HOST:PORT/],
    ['status --timeout 0', /--timeout/],
    ['status --timeout x', /--timeout/],
    ['status extra', /too many arguments/],
    ['stauts', /unknown verb 'stauts' \(Did you mean status\?\)/],
    ['stauts --help', /unknown verb 'stauts' \(Did you mean status\?\)/],
    ['--json stauts --help', /unknown verb 'stauts' \(Did you mean status\?\)/],
    ['xyzzy', /unknown verb 'xyzzy'; see shoal --help/],
    ['help stauts', /unknown verb 'stauts' \(Did you mean status\?\)/],
    ['help xyzzy', /unknown verb 'xyzzy'; see shoal --help/],
    ['help status members', /too many arguments/],
    ['dev --nodes 0', /--nodes/],
    ['dev --nodes 65', /--nodes/],
    ['version --socket x', /unknown option/],
  ])('shoal %s is bad usage: one line, exit code 2, nothing sent', async (line, message) => {
    const words = line.split(' ');
    const target = /stauts|xyzzy|^(dev|version|help)/.test(line) ? [] : ['--socket', daemon.socket];
    const { code, out, err } = await shoal([...words, ...target]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
    expect(err).toMatch(/^shoal: [^\n]+\n$/);
    expect(daemon.heard).toEqual([]);
  });

  it('shoal alone prints help on standard error', async () => {
    const { code, out, err } = await shoal([]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('Usage: shoal');
  });
});

describe('help', () => {
  const verbs =
    'agent dev status members join leave force-leave register release increase decrease ranges owners coverage converged keygen keys monitor bench version';

  it('lists every verb', async () => {
    const { code, out } = await shoal(['--help']);
    expect(code).toBe(0);
    for (const verb of verbs.split(' ')) expect(out).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
  });

  it.each(verbs.split(' '))('of %s has examples', async (verb) => {
    const { code, out, err } = await shoal([verb, '--help']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`Examples:\\n {2}shoal ${verb}`));
    expect(await shoal(['help', verb])).toEqual({ code, out, err });
  });

  it('is also what the verb help alone prints', async () => {
    expect(await shoal(['help'])).toEqual(await shoal(['--help']));
    expect((await shoal(['help', 'help'])).out).toContain('Usage: shoal help');
  });
});

describe('agent and dev', () => {
  it('hand the decided settings to the daemon, and return its exit code', async () => {
    const seen: unknown[] = [];
    const door = {
      runAgent: async (config: unknown, { reload }: { reload: () => unknown }) => {
        seen.push(config, reload());
        return 7;
      },
      runDev: async (options: unknown) => {
        seen.push(options);
        return 0;
      },
    };
    const flags = '--name a --http 127.0.0.1:0 --tag x=1 --tag y=2 --no-multicast --join h:1 --socket /tmp/s';
    const ran = await shoal(['agent', ...flags.split(' ')], {
      daemon: door,
      env: { SHOAL_LOG_LEVEL: 'debug' },
    });
    expect(ran).toEqual({ code: 7, out: '', err: '' });
    expect(seen[0]).toMatchObject({
      name: 'a',
      http: '127.0.0.1:0',
      tags: { x: '1', y: '2' },
      multicast: null,
      join: ['h:1'],
      socket: '/tmp/s',
      logLevel: 'debug',
    });
    expect(seen[1]).toEqual(seen[0]);
    await shoal(['dev', '--nodes', '3', '--keep', '/k'], { daemon: door });
    await shoal(['dev'], { daemon: door });
    expect(seen.slice(2)).toEqual([
      { nodes: 3, keep: '/k' },
      { nodes: 5, keep: null },
    ]);
  });

  it.each([
    [['agent', '--http', '127.0.0.1:1', '--no-http'], {}, /http \(from flag --http\) contradicts no_http/],
    [['agent', '--no-http', '--http', '127.0.0.1:1'], {}, /http \(from flag --http\) contradicts no_http/],
    [['agent', '--bind', '0.0.0.0:1'], {}, /not loopback/],
    [['agent', '--insecure', '--key-file', 'k'], {}, /contradicts insecure/],
    [['agent', '--nmae', 'x'], {}, /unknown option '--nmae' \(Did you mean --name\?\)/],
    [['agent', '--json'], {}, /unknown option/],
    [['--url', 'x', 'agent'], {}, /--url is not for shoal agent/],
    [['agent'], { SHOAL_BOND: 'x' }, /SHOAL_BOND/],
  ])('%j does not start: one line, exit code 2', async (argv, env, message) => {
    const { code, out, err } = await shoal(argv, { env: env as Record<string, string> });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
    expect(err).toMatch(/^shoal: [^\n]+\n$/);
  });
});
