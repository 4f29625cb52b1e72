import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { eventually, processesWith, type Running, Sandbox, shoal } from './harness.ts';

const UP_MS = 60_000;

interface DevUp {
  readonly pids: number[];
  readonly page: string;
  readonly directory: string;
}

/** What the group printed once it was up. */
async function up(running: Running, nodes: number): Promise<DevUp> {
  await eventually('the group is up', () => running.stdout.includes('events follow'), UP_MS);
  const rows = running.lines.filter((line) => /^node-\d+ /.test(line));
  expect(rows).toHaveLength(nodes);
  const page = /status page: (http:\/\/127\.0\.0\.1:\d+\/)/.exec(running.stdout)?.[1] ?? '';
  const directory = /^state: (\S+)/m.exec(running.stdout)?.[1] ?? '';
  return { pids: rows.map((row) => Number(row.split(/ +/)[1])), page, directory };
}

async function nothingLeft({ pids, directory }: DevUp): Promise<void> {
  await eventually('no process is left', () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
  expect(processesWith(directory)).toEqual([]);
}

function stateDirectories(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('shoal-dev-'));
}

test('a dev group agrees, shows its table and page, streams events, and leaves nothing after Ctrl-C', async () => {
  await using sandbox = new Sandbox();
  const before = stateDirectories();
  // The temporary directory is the sandbox's, so that what stays behind is seen.
  const running = sandbox.run(['dev'], { TMPDIR: sandbox.dir });
  const group = await up(running, 5);
  expect(group.directory.startsWith(sandbox.dir)).toBe(true);
  expect(running.stdout).toMatch(/5 nodes list 5 and agree on digest [0-9a-f]{16}/);
  expect(running.stdout).toMatch(/^node-1 .*0x00000000-0x33333332:1/m);
  expect((await fetch(group.page)).status).toBe(200);
  const socket = `${group.directory}/node-3/shoal.sock`;
  const { code } = await shoal(['register', '0', '7', '--priority', '9', '--socket', socket]);
  expect(code).toBe(0);
  await eventually('the event is shown', () =>
    running.lines.some((line) => /range-registered +node-3 +0x00000000-0x00000007:9/.test(line)),
  );
  const exported = /^ {2}export SHOAL_SOCKET=(\S+)$/m.exec(running.stdout)?.[1] ?? '';
  expect((await shoal(['status'], { SHOAL_SOCKET: exported })).stdout).toMatch(/^node +node-1 /);
  running.kill('SIGINT');
  const ended = await running.ended;
  expect(ended.code).toBe(0);
  expect(ended.stderr).toBe('');
  await nothingLeft(group);
  expect(readdirSync(sandbox.dir)).toEqual([]);
  expect(stateDirectories()).toEqual(before);
});

test('a node of a dev group that dies is named, and the others go on', async () => {
  await using sandbox = new Sandbox();
  const running = sandbox.run(['dev', '--nodes', '3'], { TMPDIR: sandbox.dir });
  const group = await up(running, 3);
  process.kill(group.pids[0] as number, 'SIGKILL');
  await eventually('its death is told', () =>
    /node-1 \(pid \d+\) ended: signal SIGKILL/.test(running.stderr),
  );
  const socket = `${group.directory}/node-2/shoal.sock`;
  await eventually('events come from another node', async () => {
    await shoal(['register', '0', '7', '--socket', socket]);
    await shoal(['release', '0', '7', '--socket', socket]);
    return /range-released +node-2/.test(running.stdout);
  });
  running.kill('SIGTERM');
  expect((await running.ended).code).toBe(0);
  await nothingLeft(group);
});

test('when a dev group is killed hard, its nodes end by themselves', async () => {
  await using sandbox = new Sandbox();
  const running = sandbox.run(['dev', '--nodes', '3'], { TMPDIR: sandbox.dir });
  const group = await up(running, 3);
  running.kill('SIGKILL');
  await running.ended;
  await nothingLeft(group);
});

test('--keep keeps the state: the same ids and ranges the next time', async () => {
  await using sandbox = new Sandbox();
  const args = ['dev', '--nodes', '2', '--keep', sandbox.path('kept')];
  const ids = async (directory: string): Promise<string> => {
    const { stdout } = await shoal(['members', '--socket', `${directory}/node-1/shoal.sock`, '--json']);
    const { members } = JSON.parse(stdout) as { members: { id: string; name: string }[] };
    return members.map(({ id, name }) => `${name}=${id}`).join();
  };
  const first = sandbox.run(args);
  const one = await up(first, 2);
  const before = await ids(one.directory);
  await shoal(['increase', '0', '0x7fffffff', '4', '--socket', `${one.directory}/node-1/shoal.sock`]);
  first.kill('SIGINT');
  expect((await first.ended).code).toBe(0);
  const second = sandbox.run(args);
  const two = await up(second, 2);
  expect(await ids(two.directory)).toBe(before);
  expect(second.stdout).toMatch(/^node-1 .*0x00000000-0x7fffffff:5/m);
  second.kill('SIGINT');
  expect((await second.ended).code).toBe(0);
  await nothingLeft(two);
  expect(existsSync(sandbox.path('kept/node-1'))).toBe(true);
});

test('two dev groups at once do not meet', async () => {
  await using sandbox = new Sandbox();
  const groups = [0, 1].map(() => sandbox.run(['dev', '--nodes', '2'], { TMPDIR: sandbox.dir }));
  const both = await Promise.all(groups.map((group) => up(group, 2)));
  for (const { directory } of both) {
    const { stdout } = await shoal(['members', '--socket', `${directory}/node-1/shoal.sock`]);
    expect(stdout.trim().split('\n')).toHaveLength(2);
  }
  for (const group of groups) group.kill('SIGINT');
  await Promise.all(groups.map(({ ended }) => ended));
  await Promise.all(both.map(nothingLeft));
});

test('a dev group that cannot start says which node and why, and leaves nothing', async () => {
  await using sandbox = new Sandbox();
  const keep = sandbox.path('kept');
  const holder = await sandbox.start({ name: 'x', dataDir: `${keep}/node-2`, multicast: false });
  const { code, stderr } = await sandbox.run(['dev', '--nodes', '2', '--keep', keep]).ended;
  expect(code).toBe(1);
  expect(stderr).toContain('node-2');
  expect(stderr).toContain(`pid ${holder.running.pid}`);
  expect(processesWith(`${keep}/node-1`)).toEqual([]);
});

test('a --keep that cannot be a directory is exit code 1 and one line, not a loop', async () => {
  await using sandbox = new Sandbox();
  writeFileSync(sandbox.path('file'), '');
  for (const keep of ['/proc/shoal/dev', sandbox.path('file'), sandbox.path('file/below')]) {
    const { code, stderr } = await sandbox.run(['dev', '--nodes', '1', '--keep', keep]).ended;
    expect([keep, code]).toEqual([keep, 1]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(keep);
    expect(stderr).toContain('--keep');
  }
});

test.each([['0'], ['65'], ['many']])('--nodes %s is exit code 2', async (nodes) => {
  const { code, stderr } = await shoal(['dev', '--nodes', nodes]);
  expect(code).toBe(2);
  expect(stderr).toContain('nodes');
});
