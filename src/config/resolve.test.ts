import { describe, expect, it } from 'vitest';
import type { AgentConfig } from './agent-config.ts';
import { defaultSocketPath, resolveConfig } from './resolve.ts';
import type { FlagValues } from './sources.ts';

interface Given {
  readonly flags?: FlagValues;
  readonly env?: Record<string, string>;
  /** The text of /etc/shoal/shoal.toml. */
  readonly file?: string;
  readonly hostname?: string;
}

function resolve({ flags = {}, env = {}, file, hostname = 'board' }: Given = {}): AgentConfig {
  const readFile = (path: string): string => {
    if (path === '/etc/shoal/shoal.toml' && file !== undefined) return file;
    if (path === '/locked') throw Object.assign(new Error('EACCES: no'), { code: 'EACCES' });
    throw Object.assign(new Error('ENOENT: none'), { code: 'ENOENT' });
  };
  return resolveConfig({ flags, env, readFile, hostname, homedir: '/home/u' });
}

describe('without anything given', () => {
  it('an agent is on loopback, with the documented ports and places', () => {
    expect(resolve()).toEqual({
      name: 'board',
      cluster: 'shoal',
      dataDir: '/home/u/.local/state/shoal/board',
      bind: '127.0.0.1:29999',
      advertise: null,
      join: [],
      interface: null,
      multicast: '239.77.29.99:29998',
      probePeriodMs: 800,
      suspicionPeriods: 1.25,
      forgetAfterMs: null,
      multicastTtl: 4,
      http: '127.0.0.1:29980',
      httpTokenFile: null,
      resp: '127.0.0.1:29979',
      proxy: '127.0.0.1:29978',
      respPasswordFile: null,
      store: 'log',
      storeDir: '/home/u/.local/state/shoal/board/store',
      storeMemoryMb: null,
      storeDiskMb: null,
      storeSalvage: false,
      acks: '1m0d',
      socket: '/home/u/.local/state/shoal/board/shoal.sock',
      keyFile: null,
      insecure: false,
      ranges: [],
      tags: {},
      onEvent: [],
      logLevel: 'info',
      logFormat: 'json',
      configFile: null,
      origins: {},
    });
  });

  it('it says where each setting comes from', () => {
    const { origins } = resolve({
      flags: { name: ['a'] },
      file: 'name = "b"\ncluster = "c"\n',
      env: { SHOAL_SOCKET: '/s', SHOAL_NAME: 'd', STATE_DIRECTORY: '/st', RUNTIME_DIRECTORY: '/run' },
    });
    expect(origins).toEqual({
      name: 'flag --name',
      cluster: '/etc/shoal/shoal.toml:2',
      socket: 'environment variable SHOAL_SOCKET',
      data_dir: 'environment variable STATE_DIRECTORY',
    });
  });

  it('with a key it is on every interface, and may be bound where the operator says', () => {
    expect(resolve({ flags: { key_file: ['/k'] } })).toMatchObject({ bind: '0.0.0.0:29999', keyFile: '/k' });
    const given = { key_file: ['/k'], bind: ['10.0.0.1:1'], http: ['10.0.0.1:2'] };
    expect(resolve({ flags: given })).toMatchObject({ bind: '10.0.0.1:1', insecure: false });
  });

  it('with --insecure it is on every interface', () => {
    expect(resolve({ flags: { insecure: ['true'] } }).bind).toBe('0.0.0.0:29999');
  });

  it("systemd's directories are used, the first of each", () => {
    const config = resolve({
      env: { STATE_DIRECTORY: '/var/lib/shoal:/b', RUNTIME_DIRECTORY: '/run/shoal' },
    });
    expect([config.dataDir, config.socket]).toEqual(['/var/lib/shoal', '/run/shoal/shoal.sock']);
  });

  it('the verbs look for the socket where that agent has it', () => {
    for (const env of [
      {},
      { STATE_DIRECTORY: '/var/lib/shoal' },
      { RUNTIME_DIRECTORY: '/run/shoal' },
      { SHOAL_DATA_DIR: '/d' },
      { SHOAL_NAME: 'other' },
    ]) {
      const inputs = { env, hostname: 'board', homedir: '/home/u' };
      expect(defaultSocketPath(inputs)).toBe(resolve({ env }).socket);
    }
  });
});

describe('precedence', () => {
  const file = 'name = "from-file"';
  const env = { SHOAL_NAME: 'from-env' };
  const flags = { name: ['from-flag'] };

  it.each([
    ['a flag before all', { flags, env, file }, 'from-flag'],
    ['the environment before the file', { env, file }, 'from-env'],
    ['the file before the default', { file }, 'from-file'],
    ['the default at last', {}, 'board'],
    ['an empty variable is none', { env: { SHOAL_NAME: '' }, file }, 'from-file'],
    ['of a repeated flag the last counts', { flags: { name: ['a', 'b'] } }, 'b'],
  ] as const)('%s', (_what, given, name) => {
    expect(resolve(given as Given).name).toBe(name);
  });

  it('replaces lists, and does not merge them', () => {
    const config = resolve({
      flags: { join: ['a:1', 'b:2'] },
      env: { SHOAL_JOIN: 'c:3' },
      file: 'join = ["d:4"]',
    });
    expect(config.join).toEqual(['a:1', 'b:2']);
  });

  it('lets a higher source switch on what a lower one switched off, and the other way round', () => {
    expect(resolve({ flags: { http: ['127.0.0.1:1'] }, env: { SHOAL_NO_HTTP: '1' } }).http).toBe(
      '127.0.0.1:1',
    );
    expect(resolve({ flags: { no_http: ['true'] }, env: { SHOAL_HTTP: '127.0.0.1:1' } }).http).toBeNull();
    expect(resolve({ env: { SHOAL_NO_HTTP: 'false' }, file: 'no_http = true' }).http).toBe('127.0.0.1:29980');
  });
});

describe('values', () => {
  it('are the same from flags, variables and the file', () => {
    const expected = {
      tags: { rack: '3', board: 'rpi4' },
      ranges: [
        { start: 0, end: 0x7fffffff, priority: 2 },
        { start: 0x80000000, end: 0xffffffff, priority: 1 },
      ],
      join: ['a:1', '[::1]:2'],
      multicast: null,
      multicastTtl: 7,
      insecure: true,
      probePeriodMs: 2000,
      suspicionPeriods: 2.5,
      forgetAfterMs: 86_400_000,
    };
    const range = ['0-0x7fffffff:2', 'slot:8192-slot:16383'];
    const byFlag = resolve({
      flags: {
        tag: ['rack=3', 'board=rpi4'],
        range,
        join: ['a:1', '[::1]:2'],
        no_multicast: ['true'],
        multicast_ttl: ['7'],
        insecure: ['true'],
        probe_period: ['2000'],
        suspicion_periods: ['2.5'],
        forget_after: ['86400'],
      },
    });
    const byVariable = resolve({
      env: {
        SHOAL_TAG: 'rack=3, board=rpi4',
        SHOAL_RANGE: range.join(','),
        SHOAL_JOIN: 'a:1,[::1]:2',
        SHOAL_NO_MULTICAST: 'yes',
        SHOAL_MULTICAST_TTL: '7',
        SHOAL_INSECURE: '1',
        SHOAL_PROBE_PERIOD: '2000',
        SHOAL_SUSPICION_PERIODS: '2.5',
        SHOAL_FORGET_AFTER: '86400',
      },
    });
    const byFile = resolve({
      file: `range = ${JSON.stringify(range)}\njoin = ["a:1", "[::1]:2"]\nmulticast = false\nmulticast_ttl = 7\ninsecure = true\nprobe_period = 2000\nsuspicion_periods = 2.5\nforget_after = 86400\n[tag]\nrack = "3"\nboard = "rpi4"\n`,
    });
    for (const config of [byFlag, byVariable, byFile]) expect(config).toMatchObject(expected);
  });

  it('of slots and priorities in a range are told apart', () => {
    const { ranges } = resolve({ flags: { range: ['slot:1-slot:2', 'slot:3-slot:3:9', '5-slot:0:2'] } });
    expect(ranges).toEqual([
      { start: 0x40000, end: 0xbffff, priority: 1 },
      { start: 0xc0000, end: 0xfffff, priority: 9 },
      { start: 5, end: 0x3ffff, priority: 2 },
    ]);
  });

  it('may be empty in a tag, and a tag may be called as a property that every object has', () => {
    const { tags } = resolve({ flags: { tag: ['a=', 'constructor=x', 'b=c=d'] } });
    expect(Object.entries(tags)).toEqual([
      ['a', ''],
      ['constructor', 'x'],
      ['b', 'c=d'],
    ]);
  });

  it('--no-resp closes both ports of the store', () => {
    expect(resolve({ flags: { no_resp: ['true'] } })).toMatchObject({ resp: null, proxy: null });
    expect(resolve({ flags: { no_proxy: ['true'] } })).toMatchObject({
      resp: '127.0.0.1:29979',
      proxy: null,
    });
  });

  it('port 0 and an empty host are allowed to listen on', () => {
    expect(resolve({ flags: { bind: [':0'], insecure: ['true'] } }).bind).toBe('0.0.0.0:0');
  });
});

describe('a wrong setting is refused with its name and where it came from', () => {
  const FILE = '/etc/shoal/shoal.toml';
  const long = 'x'.repeat(65);
  it.each<[string, Given, string, RegExp]>([
    ['an unknown flag', { flags: { nmae: ['x'] } }, 'nmae', /from flag --nmae\).*did you mean --name/],
    [
      'an unknown variable',
      { env: { SHOAL_NMAE: 'x' } },
      'nmae',
      /variable SHOAL_NMAE\).*did you mean SHOAL_NAME/,
    ],
    [
      'a variable like no other',
      { env: { SHOAL_FOO: 'x' } },
      'foo',
      /variable SHOAL_FOO\).*see shoal agent --help/,
    ],
    ['a line with two letters swapped', { file: 'rnage = "0-9"' }, 'rnage', /did you mean range\?/],
    ['a variable in small letters', { env: { SHOAL_name: 'x' } }, 'name', /unknown setting/],
    [
      'an unknown line',
      { file: '\n\nnmae = "x"' },
      'nmae',
      new RegExp(`from ${FILE}:3\\).*did you mean name`),
    ],
    ['an unknown table', { file: 'name = "a"\n[agent]\nname = "b"' }, 'agent', new RegExp(`${FILE}:2`)],
    ['__proto__ in the file', { file: '__proto__ = "x"' }, '__proto__', /unknown setting/],
    ['text that is not TOML', { file: 'name = "a"\nname = ' }, 'config', new RegExp(`^${FILE}:2: not TOML`)],
    ['a number for a name', { file: 'name = 5' }, 'name', /:1\): expected a string, got the number 5/],
    ['a string for a number', { file: 'multicast_ttl = "4"' }, 'multicast_ttl', /expected a whole number/],
    ['a fraction for a number', { file: 'multicast_ttl = 1.5' }, 'multicast_ttl', /1\.5/],
    ['a string for a switch', { file: 'insecure = "yes"' }, 'insecure', /expected true or false/],
    ['true for an address', { file: 'http = true' }, 'http', /expected an address or false/],
    ['a number in a list', { file: 'join = ["a:1", 2]' }, 'join', /got the number 2/],
    ['a date', { file: 'name = 2020-01-01' }, 'name', /got a date/],
    ['a probe period that is too short', { flags: { probe_period: ['99'] } }, 'probe_period', /from 100 to/],
    [
      'too short a suspicion',
      { file: 'suspicion_periods = 0.49' },
      'suspicion_periods',
      /number from 0\.5 to 100/,
    ],
    [
      'a suspicion that is no number',
      { flags: { suspicion_periods: ['1e1'] } },
      'suspicion_periods',
      /'1e1'/,
    ],
    ['a string for a decimal', { file: 'suspicion_periods = "2"' }, 'suspicion_periods', /expected a number/],
    ['forgetting at once', { env: { SHOAL_FORGET_AFTER: '0' } }, 'forget_after', /from 60 to/],
    [
      'a hook of no event',
      { flags: { on_event: ['member-dwon=/x'] } },
      'on_event',
      /--on-event.*no event 'member-dwon'.*member-down/,
    ],
    ['a hook without script', { flags: { on_event: ['member-down='] } }, 'on_event', /may not be empty/],
    ['a hook given twice', { flags: { on_event: ['/x', '/x'] } }, 'on_event', /twice/],
    ['a hook of no event in a table', { file: '[on_event]\nall = "/x"' }, 'on_event', /:1\).*no event 'all'/],
    [
      'a hook that is a number',
      { file: 'on_event = { member-down = 5 }' },
      'on_event',
      /paths for 'member-down'/,
    ],
    ['a ttl that is too large', { flags: { multicast_ttl: ['256'] } }, 'multicast_ttl', /from 0 to 255/],
    [
      'a ttl that is no number',
      { env: { SHOAL_MULTICAST_TTL: 'abc' } },
      'multicast_ttl',
      /SHOAL_MULTICAST_TTL/,
    ],
    ['a switch that is neither', { env: { SHOAL_INSECURE: 'maybe' } }, 'insecure', /neither true nor false/],
    ['an address without port', { flags: { bind: ['127.0.0.1'] } }, 'bind', /--bind\).*HOST:PORT/],
    ['a port out of range', { flags: { http: ['127.0.0.1:65536'] } }, 'http', /HOST:PORT/],
    ['joining port 0', { flags: { join: ['a:0'] } }, 'join', /port 0/],
    ['joining no host', { flags: { join: [':5'] } }, 'join', /names no host/],
    ['advertising all interfaces', { flags: { advertise: ['0.0.0.0:5'] } }, 'advertise', /names no host/],
    ['a contact given twice', { flags: { join: ['a:1', 'a:1'] } }, 'join', /twice/],
    [
      'a group that is not multicast',
      { flags: { multicast: ['10.0.0.1:5'] } },
      'multicast',
      /not an IPv4 multicast/,
    ],
    ['a group without port', { flags: { multicast: ['239.1.1.1:0'] } }, 'multicast', /port of its own/],
    ['an empty name', { flags: { name: [''] } }, 'name', /may not be empty/],
    ['a name that is too long', { flags: { name: [long] } }, 'name', /at most 64 bytes/],
    ['a name with a slash', { flags: { name: ['a/b'] } }, 'name', /no spaces, slashes/],
    ['a name with a space', { flags: { cluster: ['a b'] } }, 'cluster', /no spaces, slashes/],
    ['a name with a control character', { flags: { name: ['a\x07'] } }, 'name', /control characters/],
    ['the name ..', { flags: { name: ['..'] } }, 'name', /not a name/],
    ['a host name that is no name', { hostname: '' }, 'name', /host name; give --name/],
    ['a reversed range', { flags: { range: ['9-5'] } }, 'range', /before the start/],
    ['a range out of 32 bits', { flags: { range: ['0-4294967296'] } }, 'range', /outside the key space/],
    ['a range of letters', { flags: { range: ['a-b'] } }, 'range', /not a range/],
    ['a range of one position', { flags: { range: ['5'] } }, 'range', /not a range/],
    ['priority 0', { flags: { range: ['0-5:0'] } }, 'range', /from 1 to 2147483647/],
    ['a priority out of range', { flags: { range: ['0-5:2147483648'] } }, 'range', /from 1 to 2147483647/],
    ['one range twice', { flags: { range: ['0-5:1', '0x0-0x5:2'] } }, 'range', /twice/],
    ['a tag without value', { flags: { tag: ['rack'] } }, 'tag', /KEY=VALUE/],
    ['a tag without key', { flags: { tag: ['=3'] } }, 'tag', /KEY=VALUE/],
    ['one tag twice', { flags: { tag: ['a=1', 'a=2'] } }, 'tag', /twice/],
    [
      'too many tags',
      { flags: { tag: Array.from({ length: 33 }, (_, i) => `k${i}=v`) } },
      'tag',
      /at most 32/,
    ],
    ['a tag that is too long', { flags: { tag: [`a=${'x'.repeat(129)}`] } }, 'tag', /128 bytes/],
    ['an unknown log level', { flags: { log_level: ['loud'] } }, 'log_level', /trace, debug, info/],
    [
      'a socket path that is too long',
      { flags: { socket: [`/${'x'.repeat(107)}`] } },
      'socket',
      /at most 107/,
    ],
    [
      'a default socket path that is too long',
      { flags: { data_dir: [`/${'x'.repeat(99)}`] } },
      'socket',
      /--socket/,
    ],
    ['a value that a flag overrides', { flags: { name: ['a'] }, file: 'name = 5' }, 'name', new RegExp(FILE)],
    ['a file that is not there', { flags: { config: ['/none'] } }, 'config', /flag --config.*no such file/],
    ['a file that is not there, by variable', { env: { SHOAL_CONFIG: '/none' } }, 'config', /SHOAL_CONFIG/],
    ['a file that may not be read', { flags: { config: ['/locked'] } }, 'config', /permission denied/],
    ['the config file in the config file', { file: 'config = "x"' }, 'config', /unknown setting/],
    [
      'a bind beyond loopback',
      { flags: { bind: ['10.0.0.1:29999'] } },
      'bind',
      /--bind\).*not loopback.*--insecure/,
    ],
    ['a bind to all', { env: { SHOAL_BIND: '0.0.0.0:0' } }, 'bind', /SHOAL_BIND.*not loopback/],
    [
      'HTTP beyond loopback',
      { file: 'http = "0.0.0.0:80"' },
      'http',
      /:1\).*not loopback, and HTTP is neither sealed nor asks who reads.*put a proxy before it/,
    ],
    [
      'the store beyond loopback without a password, whatever seals the gossip',
      { flags: { key_file: ['/k'], resp: ['0.0.0.0:29979'] } },
      'resp',
      /--resp\).*not loopback, and without a password.*--resp-password-file/,
    ],
    ['an ack level that cannot be', { flags: { acks: ['1m2d'] } }, 'acks', /no more on disk than in memory/],
  ])('%s', (_what, given, field, message) => {
    expect(() => resolve(given)).toThrow(expect.objectContaining({ name: 'ShoalError', field }));
    expect(() => resolve(given)).toThrow(message);
    expect(() => resolve(given)).toThrow(/^[^\n]+$/);
  });
});

describe('a contradictory pair is refused', () => {
  it.each<[string, Given]>([
    ['--multicast and --no-multicast', { flags: { multicast: ['239.1.1.1:5'], no_multicast: ['true'] } }],
    ['--http and --no-http', { flags: { http: ['127.0.0.1:1'], no_http: ['true'] } }],
    ['--resp and --no-resp', { flags: { resp: ['127.0.0.1:1'], no_resp: ['true'] } }],
    ['--proxy and --no-proxy', { flags: { proxy: ['127.0.0.1:1'], no_proxy: ['true'] } }],
    ['--proxy and --no-resp, which closes both', { flags: { proxy: ['127.0.0.1:1'], no_resp: ['true'] } }],
    ['a pair in the environment', { env: { SHOAL_HTTP: '127.0.0.1:1', SHOAL_NO_HTTP: '1' } }],
    ['a pair in the file', { file: 'http = "127.0.0.1:1"\nno_http = true' }],
    [
      'a pair in the file that a flag overrides',
      { flags: { no_http: ['true'] }, file: 'http = "a:1"\nno_http = true' },
    ],
    ['a key and --insecure', { flags: { key_file: ['/k'], insecure: ['true'] } }],
    ['a key and --insecure from two sources', { flags: { insecure: ['true'] }, file: 'key_file = "/k"' }],
    ['a token file and --no-http', { flags: { http_token_file: ['/t'], no_http: ['true'] } }],
  ])('%s', (_what, given) => {
    expect(() => resolve(given)).toThrow(expect.objectContaining({ code: 'contradiction' }));
    expect(() => resolve(given)).toThrow(/ \(from .+\) contradicts .+ \(from .+\): /);
  });
});

describe('event hooks', () => {
  const down = { type: 'member-down', script: '/b' };
  const all = { type: null, script: '/a' };
  it.each<[string, Given, unknown]>([
    ['flags', { flags: { on_event: ['/a', 'member-down=/b'] } }, [all, down]],
    ['a variable', { env: { SHOAL_ON_EVENT: '/a, member-down=/b' } }, [all, down]],
    ['a string', { file: 'on_event = "/a"' }, [all]],
    ['a list', { file: 'on_event = ["/a", "member-down=/b"]' }, [all, down]],
    ['a table', { file: '[on_event]\nmember-down = "/b"' }, [down]],
    [
      'a table of lists',
      { file: 'on_event = { member-down = ["/b", "/a"], owners-changed = ["/a"] }' },
      [down, { type: 'member-down', script: '/a' }, { type: 'owners-changed', script: '/a' }],
    ],
    ['a path with an equals sign', { flags: { on_event: ['/x=y/a'] } }, [{ type: null, script: '/x=y/a' }]],
  ])('can be given as %s', (_what, given, expected) => {
    expect(resolve(given).onEvent).toEqual(expected);
  });

  it('are told in variables that are no settings', () => {
    const names = [
      'EVENT',
      'EVENT_TYPE',
      'EVENTS_MISSED',
      'NODE_ID',
      'SUBJECT_NAME',
      'ORIGIN_ID',
      'MEMBER_STATUS',
      'RANGE_END',
    ];
    const env = Object.fromEntries(names.map((name) => [`SHOAL_${name}`, '1']));
    expect(resolve({ env })).toEqual(resolve());
  });
});

it('variables of the verbs and of tests are not settings of the agent', () => {
  const env = {
    SHOAL_URL: 'http://x',
    SHOAL_TOKEN_FILE: '/t',
    SHOAL_TIMEOUT: '9',
    SHOAL_TEST_X: '1',
    SHOALX: '1',
  };
  expect(resolve({ env })).toEqual(resolve());
});
