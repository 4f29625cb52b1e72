import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveConfig, sampleConfig, settingsMarkdown } from '../../src/config/index.ts';
import { eventually, ROOT, Sandbox } from './harness.ts';

const UNIT = join(ROOT, 'deploy/shoal.service');
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

test('the sample file is the one made from the table of settings (mend it: vitest run --project e2e test/e2e/deploy.test.ts -u)', async () => {
  await expect(sampleConfig()).toMatchFileSnapshot(join(ROOT, 'deploy/shoal.toml'));
});

test("the README's table of settings is the one made from the table of settings", () => {
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(`\n${settingsMarkdown()}\n`);
});

test('the sample file as it is changes no default', () => {
  const inputs = { flags: {}, env: {}, hostname: 'board', homedir: '/root' };
  const noFile = (): never => {
    throw Object.assign(new Error('none'), { code: 'ENOENT' });
  };
  const { configFile, ...sampled } = resolveConfig({ ...inputs, readFile: sampleConfig });
  const { configFile: none, ...defaults } = resolveConfig({ ...inputs, readFile: noFile });
  expect(sampled).toEqual(defaults);
  expect([configFile, none]).toEqual(['/etc/shoal/shoal.toml', null]);
});

test.skipIf(!hasSystemd)('systemd finds nothing wrong with the unit, and calls it safe', () => {
  const verify = spawnSync('systemd-analyze', ['--man=no', 'verify', UNIT], { encoding: 'utf8' });
  // A machine without node in /usr/bin is not the unit's fault.
  expect(verify.stderr.replace(/^.*\/usr\/bin\/node is not executable.*\n/m, '')).toBe('');
  const security = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', UNIT]);
  expect(security.status).toBe(0);
});

test("the unit's node flags are understood, and keep what they promise", () => {
  const flags = /^ExecStart=\/usr\/bin\/node (.*) \/opt\/shoal/m.exec(readFileSync(UNIT, 'utf8'))?.[1] ?? '';
  expect(flags).not.toBe('');
  const script = 'console.log(require("node:v8").getHeapStatistics().heap_size_limit / 2 ** 20)';
  const { stdout, status } = spawnSync(process.execPath, [...flags.split(' '), '-e', script], {
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  expect(Number(stdout)).toBeLessThan(80);
});

test('an agent started as the unit starts it finds its directories in the environment', async () => {
  await using sandbox = new Sandbox();
  const [state, runtime] = [sandbox.path('state'), sandbox.path('run')];
  mkdirSync(state);
  mkdirSync(runtime);
  const file = sandbox.path('shoal.toml');
  const ports = ['bind', 'http', 'resp', 'proxy'].map((port) => `${port} = "127.0.0.1:0"\n`).join('');
  writeFileSync(file, `${ports}multicast = false\nname = "board"\n`);
  const running = sandbox.run(
    ['agent', '--config', file],
    { STATE_DIRECTORY: state, RUNTIME_DIRECTORY: runtime },
    true,
  );
  const line = await eventually('ready', () => running.lines.find((text) => text.includes('"ready"')));
  expect(JSON.parse(line)).toMatchObject({ node: 'board', socket: `${runtime}/shoal.sock` });
  expect(readFileSync(join(state, 'identity.json'), 'utf8')).toContain('id');
  running.kill('SIGTERM');
  expect((await running.ended).code).toBe(0);
});

test('what goes to a board runs without node_modules', async () => {
  await using sandbox = new Sandbox();
  const board = sandbox.path('opt');
  mkdirSync(board);
  const pack = spawnSync('tar', ['-C', ROOT, '-cf', '-', 'bin', 'dist/shoal.cjs'], { maxBuffer: 64 << 20 });
  expect(spawnSync('tar', ['-C', board, '-xf', '-'], { input: pack.stdout }).status).toBe(0);
  const { stdout, status } = spawnSync(process.execPath, [join(board, 'bin/shoal'), 'version'], {
    cwd: '/',
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^shoal /);
});
