import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox, shoal } from './harness.ts';

test('every verb that asks a daemon is exit code 3 and one line when none is there', async () => {
  await using sandbox = new Sandbox();
  const socket = sandbox.path('none.sock');
  const verbs = [
    ['status'],
    ['members'],
    ['join', '127.0.0.1:1'],
    ['leave'],
    ['force-leave', 'x'],
    ['register', '0', '1'],
    ['release', '0', '1'],
    ['increase', '0', '1', '1'],
    ['decrease', '0', '1', '1'],
    ['ranges'],
    ['owners'],
    ['coverage'],
    ['converged'],
    ['monitor'],
  ];
  const results = await Promise.all(verbs.map((verb) => shoal([...verb, '--socket', socket])));
  for (const [i, { code, stderr, stdout }] of results.entries()) {
    expect([verbs[i]?.[0], code]).toEqual([verbs[i]?.[0], 3]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(socket);
    expect(stdout).toBe('');
  }
});

test('members prints one line each without a header, and filters by status and tag', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a', flags: ['--tag', 'rack=1'] });
  const b = await sandbox.start({ name: 'b', flags: ['--tag', 'rack=2'] });
  await agreement([a, b]);
  const lines = (await a.ok('members')).trim().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(new RegExp(`^a +${a.ready.id} +${a.ready.gossip} +alive +rack=1`));
  expect((await a.ok('members', '--tag', 'rack=2')).trim().split('\n')).toEqual([lines[1]]);
  expect(await a.ok('members', '--status', 'down')).toBe('');
  const { members } = JSON.parse(await a.ok('members', '--json')) as { members: { name: string }[] };
  expect(members.map(({ name }) => name)).toEqual(['a', 'b']);
});

test('monitor prints events as they happen, one JSON object a line with --json', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  const monitor = sandbox.run([
    'monitor',
    '--json',
    '--filter',
    'range-registered',
    '--socket',
    a.ready.socket,
  ]);
  // Repeated, because when the monitor listens is not told.
  const line = await eventually('an event of another node', async () => {
    await b.verb('release', '0', '9');
    await b.verb('register', '0', '9', '--priority', '3');
    return monitor.lines[0];
  });
  expect(JSON.parse(line)).toMatchObject({
    type: 'range-registered',
    subject: b.ready.id,
    origin: b.ready.id,
    range: { start: 0, end: 9, priority: 3 },
  });
  monitor.kill('SIGINT');
  expect((await monitor.ended).code).toBe(0);
});

test('owners, coverage and converged answer with their exit codes', async () => {
  await using sandbox = new Sandbox();
  const a = await sandbox.start({ name: 'a' });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  expect((await a.verb('coverage')).code).toBe(1);
  await a.ok('register', '0', '0xffffffff', '--priority', '2');
  await b.ok('register', 'slot:0', 'slot:8191');
  await agreement([a, b]);
  await a.ok('converged', '--wait', '5');
  await a.ok('coverage');
  const gaps = await a.verb('coverage', '--copies', '2');
  expect(gaps.code).toBe(1);
  expect(gaps.stdout).toContain('2147483648');
  const { owners } = JSON.parse(await b.ok('owners', '--position', '5', '--json')) as {
    owners: { name: string }[];
  };
  expect(owners.map(({ name }) => name)).toEqual(['a', 'b']);
  const byTag = await Promise.all(['{user}1', '{user}2'].map((key) => a.ok('owners', key, '--json')));
  expect(byTag[0]).toBe(byTag[1]);
});

test('a refused change is exit code 1, bad usage 2, and neither changes anything', async () => {
  await using sandbox = new Sandbox();
  const agent = await sandbox.start({ name: 'a', multicast: false });
  const before = await agent.digest();
  expect((await agent.verb('release', '0', '1')).code).toBe(1);
  expect((await agent.verb('decrease', '0', '1', '1')).code).toBe(1);
  expect((await agent.verb('force-leave', 'nobody')).code).toBe(1);
  for (const args of [
    ['register', '5', '4'],
    ['register', '0', '4294967296'],
    ['register', '0', 'x'],
    ['register', '0'],
    ['register', '0', '1', '--priority', '0'],
    ['no-such-verb'],
    ['status', '--no-such-flag'],
  ]) {
    const { code, stderr } = await agent.verb(...args);
    expect([args, code]).toEqual([args, 2]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  }
  expect(await agent.digest()).toBe(before);
});

test('over TCP verbs read without a token and write with one', async () => {
  await using sandbox = new Sandbox();
  const token = sandbox.path('token');
  writeFileSync(token, `${'t'.repeat(40)}\n`, { mode: 0o600 });
  const agent = await sandbox.start({ name: 'a', multicast: false, flags: ['--http-token-file', token] });
  const url = ['--url', `http://${agent.ready.http}`];
  expect((await shoal(['status', ...url])).code).toBe(0);
  expect((await shoal(['register', '0', '1', ...url])).code).toBe(1);
  expect(await agent.rangesOf()).toEqual([]);
  expect((await shoal(['register', '0', '1', ...url, '--token-file', token])).code).toBe(0);
  expect(await agent.rangesOf()).toEqual(['a 0-1:1']);
});

test('version prints the version and the protocol version', async () => {
  const { code, stdout } = await shoal(['version']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^shoal \d+\.\d+\.\d+, protocol \d+\n$/);
});
