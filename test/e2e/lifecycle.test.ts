import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agreement, eventually, logRecords, PROGRAM, Sandbox, shoal } from './harness.ts';

const STOP_MS = 2_000;

/** One of three takes no longer than that, as `stop` tells: a machine that is busy delays some. */
async function stopsSoon(stop: () => Promise<number>): Promise<void> {
  const tookMs: number[] = [];
  do tookMs.push(await stop());
  while (tookMs.length < 3 && Math.min(...tookMs) >= STOP_MS);
  expect(Math.min(...tookMs)).toBeLessThan(STOP_MS);
}

test('the ready line names the node and every address, comes once, and means that the agent serves', async () => {
  await using sandbox = new Sandbox();
  const agent = await sandbox.start({ name: 'a' });
  const { node, id, gossip, http, resp, proxy, socket } = agent.ready;
  expect(node).toBe('a');
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(gossip).toMatch(/^127\.0\.0\.1:[1-9]\d+$/);
  expect(http).toMatch(/^127\.0\.0\.1:[1-9]\d+$/);
  for (const port of [resp, proxy]) expect(port).toMatch(/^127\.0\.0\.1:[1-9]\d+$/);
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  const response = await fetch(`http://${http}/v1/status`);
  const status = (await response.json()) as { node: { id: string; addresses: object } };
  expect(status.node.id).toBe(id);
  expect(status.node.addresses).toEqual({ gossip, http, resp });
  const page = await fetch(`http://${http}/`);
  expect(page.headers.get('content-type')).toContain('text/html');
  await agent.stop();
  expect(agent.log.filter(({ msg }) => msg === 'ready')).toHaveLength(1);
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s ends an agent with exit code 0, soon, and removes its socket',
  async (signal) => {
    await using sandbox = new Sandbox();
    const a = await sandbox.start({ name: 'a' });
    await stopsSoon(async () => {
      const b = await sandbox.start({ name: 'b' });
      await agreement([a, b]);
      const sinceMs = performance.now();
      const { code } = await b.stop(signal);
      const tookMs = performance.now() - sinceMs;
      expect(code).toBe(0);
      expect(existsSync(b.ready.socket)).toBe(false);
      expect(b.running.stderr).toBe('');
      return tookMs;
    });
  },
);

test('an agent that is stopped as soon as it is ready has left, and is not down, for who heard of it', async () => {
  await using sandbox = new Sandbox();
  const keys = sandbox.path('keys');
  expect((await shoal(['keygen', '--out', keys])).code).toBe(0);
  for (const sealed of [[], ['--key-file', keys]]) {
    const a = await sandbox.start({ name: `a${sealed.length}`, multicast: false, flags: sealed });
    const tookMs: number[] = [];
    for (let i = 0; i < 4; i++) {
      const flags = ['--join', a.ready.gossip, ...sealed];
      const hasty = await sandbox.start({ name: `hasty${sealed.length}${i}`, multicast: false, flags });
      const sinceMs = performance.now();
      expect((await hasty.stop()).code).toBe(0);
      tookMs.push(performance.now() - sinceMs);
    }
    expect(Math.min(...tookMs)).toBeLessThan(STOP_MS);
    const others = async (): Promise<string[]> => (await a.memberStates()).slice(1);
    const settled = async () => (await others()).every((one) => !/alive|suspect/.test(one));
    await eventually('nobody waits for a verdict', settled);
    expect((await others()).filter((one) => !one.endsWith('=left'))).toEqual([]);
    await a.stop();
  }
});

test('an agent whose peers are all gone still ends soon', async () => {
  await using sandbox = new Sandbox();
  await stopsSoon(async () => {
    const [a, b] = [await sandbox.start({ name: 'a' }), await sandbox.start({ name: 'b' })];
    await agreement([a, b]);
    await b.stop('SIGKILL');
    const sinceMs = performance.now();
    expect((await a.stop()).code).toBe(0);
    return performance.now() - sinceMs;
  });
});

test('a second signal ends the agent at once', async () => {
  await using sandbox = new Sandbox();
  const [a, b] = [await sandbox.start({ name: 'a' }), await sandbox.start({ name: 'b' })];
  await agreement([a, b]);
  // A stopped peer acknowledges nothing, so that the farewell waits.
  b.running.kill('SIGSTOP');
  try {
    a.running.kill('SIGTERM');
    await eventually('a is stopping', () => a.log.some(({ msg }) => msg === 'stopping'));
    a.running.kill('SIGTERM');
    const { code } = await a.running.ended;
    expect(code).toBe(128 + 15);
  } finally {
    b.running.kill('SIGCONT');
  }
});

test('an agent with an IPC channel ends by itself when its parent is killed', async () => {
  await using sandbox = new Sandbox();
  const flags = sandbox.flags({ name: 'a' });
  const script = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ${JSON.stringify([PROGRAM, 'agent', ...flags])}, {
      detached: true, stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    child.stdout.on('data', (d) => { if (String(d).includes('"ready"')) console.log(child.pid); });`;
  const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  parent.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const pid = await eventually('the child is ready', () => Number(text.trim()) || undefined);
  parent.kill('SIGKILL');
  await eventually('the child is gone', () => !existsSync(`/proc/${pid}`));
});

test('SIGHUP sets the log level from the file anew and says what needs a restart', async () => {
  await using sandbox = new Sandbox();
  const file = sandbox.path('shoal.toml');
  writeFileSync(file, 'log_level = "warn"\n');
  const running = sandbox.run(
    ['agent', ...sandbox.flags({ name: 'a' }).slice(2), '--config', file],
    {},
    true,
  );
  await eventually(
    'it serves',
    async () => (await shoal(['status', '--socket', sandbox.path('a/shoal.sock')])).code === 0,
  );
  expect(running.stdout).not.toContain('ready');
  writeFileSync(file, 'log_level = "info"\ntag = { rack = "2" }\n');
  running.kill('SIGHUP');
  const record = await eventually('it says so', () =>
    logRecords(running.lines).find(({ msg }) => msg.startsWith('reload:')),
  );
  expect(record.logLevel).toBe('info');
  expect(record.needRestart).toEqual(['tags']);
  writeFileSync(file, 'log_levle = "info"\n');
  running.kill('SIGHUP');
  await eventually('it refuses a wrong file and goes on', () =>
    logRecords(running.lines).find(({ msg }) => /nothing was changed.*log_levle/.test(msg)),
  );
  running.kill('SIGTERM');
  expect((await running.ended).code).toBe(0);
});

test('a second daemon on one state directory refuses to start and harms nothing', async () => {
  await using sandbox = new Sandbox();
  const agent = await sandbox.start({ name: 'a' });
  const second = await sandbox.spawn({ name: 'b', dataDir: agent.dataDir }).ended;
  expect(second.code).toBe(1);
  expect(second.stderr.trim().split('\n')).toHaveLength(1);
  expect(second.stderr).toContain(`pid ${agent.running.pid}`);
  expect(logRecords(second.stdout.split('\n')).find(({ code }) => code === 'state-locked')).toBeDefined();
  expect((await agent.verb('register', '1', '2')).code).toBe(0);
});

test.each([
  ['--bind', 'gossip', '--bind'],
  ['--http', 'http', '--http'],
  ['--resp', 'resp', '--no-resp'],
  ['--proxy', 'proxy', '--no-proxy'],
] as const)('a taken %s port is exit code 1 and one line that names it', async (flag, port, advice) => {
  await using sandbox = new Sandbox();
  const agent = await sandbox.start({ name: 'a' });
  const taken = agent.ready[port] as string;
  const { code, stderr } = await sandbox.spawn({ name: 'b', flags: [flag, taken] }).ended;
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(taken);
  expect(stderr).toContain(advice);
});

test('a state directory that is a file is exit code 1 and one line that names it', async () => {
  await using sandbox = new Sandbox();
  writeFileSync(sandbox.path('file'), 'mine');
  const flags = ['--socket', sandbox.path('s')];
  const { code, stderr } = await sandbox.spawn({ name: 'a', dataDir: sandbox.path('file'), flags }).ended;
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(sandbox.path('file'));
  expect(readFileSync(sandbox.path('file'), 'utf8')).toBe('mine');
});

test('a state directory that the system will not make is exit code 1 and one line, not a loop', async () => {
  await using sandbox = new Sandbox();
  const flags = ['--socket', sandbox.path('s')];
  const { code, stderr } = await sandbox.spawn({ name: 'a', dataDir: '/proc/shoal/a', flags }).ended;
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain('/proc/shoal/a');
});

test('an admin socket in a missing directory is exit code 1, like every fault of the machine', async () => {
  await using sandbox = new Sandbox();
  const flags = ['--socket', sandbox.path('none/s')];
  const { code, stderr } = await sandbox.spawn({ name: 'a', flags }).ended;
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(`there is no ${sandbox.path('none')}`);
});

test('an agent whose socket is taken because SHOAL_SOCKET was exported for the verbs says so', async () => {
  await using sandbox = new Sandbox();
  const agent = await sandbox.start({ name: 'a' });
  const env = { SHOAL_SOCKET: agent.ready.socket };
  const { code, stderr } = await sandbox.spawn({ name: 'b', env }).ended;
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain('is in use by another process');
  expect(stderr).toContain('socket (from environment variable SHOAL_SOCKET): ');
});

test('a token that could be guessed, or is not there, is exit code 2', async () => {
  await using sandbox = new Sandbox();
  const file = sandbox.path('token');
  const start = () => sandbox.spawn({ name: 'a', flags: ['--http-token-file', file] }).ended;
  expect(await start()).toMatchObject({ code: 2, stderr: expect.stringMatching(/^.*no such file.*\n$/) });
  writeFileSync(file, 't'.repeat(40), { mode: 0o644 });
  expect(await start()).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^.*mode 0644.*chmod 600.*\n$/),
  });
  chmodSync(file, 0o600);
  writeFileSync(file, 't'.repeat(31));
  expect(await start()).toMatchObject({ code: 2, stderr: expect.stringMatching(/^.*32 to 1024 .*\n$/) });
});

test.skipIf(process.getuid?.() === 0)('an unwritable state directory is exit code 1', async () => {
  await using sandbox = new Sandbox();
  mkdirSync(sandbox.path('a'));
  chmodSync(sandbox.path('a'), 0o500);
  const { code, stderr } = await sandbox.spawn({ name: 'a' }).ended;
  expect(code).toBe(1);
  expect(stderr).toContain('permission denied');
});

test('a corrupted snapshot is set aside and named, and the state comes back from the peers', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  await b.ok('register', '100', '200', '--priority', '4');
  await a.ok('register', '300', '400');
  await agreement([a, b]);
  await b.stop();
  const files = readdirSync(b.dataDir);
  expect(files).toContain('snapshot');
  const snapshot = join(b.dataDir, 'snapshot');
  const bytes = readFileSync(snapshot);
  bytes.fill(0x55, Math.floor(bytes.length / 2));
  writeFileSync(snapshot, bytes);
  // The first start sets it aside and then fails; the next one must name it all the same.
  const failed = await sandbox.spawn({ name: 'b', flags: ['--http', a.ready.http as string] }).ended;
  expect(failed.code).toBe(1);
  const again = await sandbox.start({ name: 'b' });
  expect(again.ready.id).toBe(b.ready.id);
  const aside = readdirSync(b.dataDir).find((name) => name.startsWith('snapshot.corrupt-'));
  expect(aside).toBeDefined();
  expect(again.log.some(({ msg }) => msg.includes(aside as string))).toBe(true);
  const { warnings } = await again.get<{ warnings: string[] }>('/v1/status');
  expect(warnings.join('\n')).toContain(aside);
  await agreement([a, again]);
  await eventually(
    'its ranges are back',
    async () => (await again.rangesOf()).join() === 'b 100-200:4,a 300-400:1',
  );
});

test.each([
  [['--no-such-flag'], {}, '--no-such-flag'],
  [['--bind', 'nowhere'], {}, 'bind'],
  [['--bind', '192.0.2.1:0'], {}, '--insecure'],
  [['--range', '5-4'], {}, 'range'],
  [['--range', '0-4294967296'], {}, 'range'],
  [['--http', '127.0.0.1:0', '--no-http'], {}, 'no_http'],
  [['surplus'], {}, 'too many arguments'],
  [[], { SHOAL_BNID: '127.0.0.1:1' }, 'SHOAL_BNID'],
  [[], { SHOAL_LOG_LEVEL: 'loud' }, 'SHOAL_LOG_LEVEL'],
] as const)(
  'wrong settings are exit code 2 and one line that names them: %j %j',
  async (flags, env, named) => {
    await using sandbox = new Sandbox();
    const { code, stderr } = await shoal(
      ['agent', '--config', '/dev/null', '--data-dir', sandbox.path('a'), ...flags],
      env,
    );
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(named);
    expect(existsSync(sandbox.path('a'))).toBe(false);
  },
);

test('a wrong file is exit code 2, with the file and line', async () => {
  await using sandbox = new Sandbox();
  const file = sandbox.path('shoal.toml');
  writeFileSync(file, '\nname = 7\n');
  const { code, stderr } = await shoal(['agent', '--config', file]);
  expect(code).toBe(2);
  expect(stderr).toContain(`${file}:2`);
});

test('--insecure is named in the log and in the status', async () => {
  await using sandbox = new Sandbox();
  const flags = ['--insecure', '--bind', '0.0.0.0:0', '--advertise', '127.0.0.1:1'];
  const agent = await sandbox.start({ name: 'a', multicast: false, flags });
  expect(agent.log.some(({ msg }) => msg.startsWith('insecure:'))).toBe(true);
  const { warnings, encrypted } = await agent.get<{ warnings: string[]; encrypted: boolean }>('/v1/status');
  expect(encrypted).toBe(false);
  expect(warnings.join('\n')).toMatch(/insecure|unsealed|sealed/);
});

test('HTTP beyond loopback is named in the log and in the status, with a key as well', async () => {
  await using sandbox = new Sandbox();
  const keys = sandbox.path('keys');
  expect(await shoal(['keygen', '--out', keys])).toMatchObject({ code: 0, stdout: '' });
  expect(statSync(keys).mode & 0o777).toBe(0o600);
  const again = await shoal(['keygen', '--out', keys]);
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringMatching(/^.*exists already.*name a new file\n$/),
  ]);
  const sealed = { name: 'a', multicast: false, flags: ['--key-file', keys, '--http', '0.0.0.0:0'] };
  const agent = await sandbox.start(sealed);
  const said = `HTTP is readable by anybody who reaches ${agent.ready.http}`;
  expect(agent.log.some(({ msg }) => msg.startsWith(said))).toBe(true);
  expect(await agent.ok('status')).toContain(said);
  const { code, stderr } = await sandbox.spawn({ name: 'b', flags: ['--http', '0.0.0.0:0'] }).ended;
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/^shoal: http \(from flag --http\): .*HTTP is neither/),
  ]);
});

test('--no-resp closes both ports of the store, and a password that could be guessed is exit code 2', async () => {
  await using sandbox = new Sandbox();
  const agent = await sandbox.start({ name: 'a', flags: ['--no-resp'] });
  expect([agent.ready.resp, agent.ready.proxy]).toEqual([null, null]);
  expect((await agent.verb('store', 'info')).stderr).toContain('no store');
  const file = sandbox.path('password');
  const flags = ['--resp-password-file', file];
  writeFileSync(file, 'short', { mode: 0o600 });
  for (const mode of [0o600, 0o644]) {
    chmodSync(file, mode);
    const { code, stderr } = await sandbox.spawn({ name: 'b', flags }).ended;
    expect(code).toBe(2);
    expect(stderr).toContain(`resp_password_file (from flag --resp-password-file): ${file}`);
  }
});

test('a key file or a script that is not there is exit code 2, with where the setting came from', async () => {
  await using sandbox = new Sandbox();
  const start = (flags: string[], env = {}) => sandbox.spawn({ name: 'a', flags, env }).ended;
  const none = sandbox.path('none');
  expect(await start(['--key-file', none])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^shoal: key_file \(from flag --key-file\): cannot read .*no such file.*\n$/,
    ),
  });
  expect(await start(['--on-event', none])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^shoal: on_event \(from flag --on-event\): .* does not exist.*\n$/),
  });
  expect(await start([], { SHOAL_KEY_FILE: none })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^shoal: key_file \(from environment variable SHOAL_KEY_FILE\): /),
  });
});

test('--range is registered at start where it is absent, and a change to it survives a restart', async () => {
  await using sandbox = new Sandbox();
  const spec = { name: 'a', multicast: false, flags: ['--range', '0-9:2', '--range', '10-19'] };
  const agent = await sandbox.start(spec);
  expect(await agent.rangesOf('a')).toEqual(['0-9:2', '10-19:1']);
  await agent.ok('increase', '0', '9', '5');
  await agent.stop('SIGKILL');
  const again = await sandbox.start(spec);
  expect(await again.rangesOf('a')).toEqual(['0-9:7', '10-19:1']);
});

test('the service manager is told of readiness, life and the end', async () => {
  await using sandbox = new Sandbox();
  // A stand-in for the program: what it is called with is what systemd would be told.
  const bin = sandbox.path('bin');
  const told = sandbox.path('told');
  mkdirSync(bin);
  writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env.PATH}`, NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '300000' };
  const agent = await sandbox.start({ name: 'a', env });
  const lines = (): string[] => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
  await eventually('three signs of life', () => lines().filter((line) => line === 'WATCHDOG=1').length >= 3);
  await agent.stop();
  await eventually('the end', () => lines().at(-1) === 'STOPPING=1');
  expect(lines()[0]).toBe(`READY=1 MAINPID=${agent.running.pid}`);
});
