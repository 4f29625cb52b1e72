import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, ROOT } from '../e2e/harness.ts';
import { CleanRoot, canRun, must } from './clean-root.ts';
import { buildDeb } from './deb.ts';

interface Status {
  readonly node: { readonly id: string; readonly name: string; readonly version: string };
  readonly ranges: { readonly registrations: number };
}

/** The package on a clean Debian: the tests are one board's life, in order. */
describe.skipIf(!canRun())('on a clean Debian', () => {
  let directory: string;
  let root: CleanRoot;
  let first: string;
  let second: string;
  let before: string[];
  let born: Status;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'shoal-install-'));
    first = buildDeb('1.0.0', directory);
    second = withOtherSample(buildDeb('1.1.0', directory));
    must('sh', [join(ROOT, 'deploy/debian/wrap-node'), process.execPath, directory]);
    root = await CleanRoot.make();
    before = root.files();
  }, 180_000);

  afterAll(async () => {
    await root?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** The same package with a line more in its sample configuration, as a later version may have. */
  function withOtherSample(deb: string): string {
    const unpacked = join(directory, 'unpacked');
    must('dpkg-deb', ['-R', deb, unpacked]);
    appendFileSync(join(unpacked, 'etc/shoal/shoal.toml'), '\n# Said by a later version.\n');
    must('dpkg-deb', ['--root-owner-group', '-b', unpacked, deb]);
    return deb;
  }

  async function ready(): Promise<Status> {
    await eventually('the agent serves', () => root.run('shoal status').code === 0, 20_000);
    return JSON.parse(root.ok('shoal status --json')) as Status;
  }

  const calls = (): string => root.read('run/systemctl.log');

  test('it asks for a Node.js that is new enough, and wrap-node makes one of any build', () => {
    const refused = root.run(`dpkg -i ${root.bring(first)}`);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('shoal depends on nodejs (>= 20.11)');
    root.ok('dpkg --purge shoal');
    expect(root.files()).toEqual(before);
    const version = process.versions.node;
    const architecture = root.ok('dpkg --print-architecture').trim();
    root.ok(`dpkg -i ${root.bring(join(directory, `nodejs_${version}_${architecture}.deb`))}`);
    expect(root.ok('node --version')).toBe(`v${version}\n`);
    before = root.files();
    writeFileSync(join(root.path, 'run/systemctl.log'), '');
  }, 60_000);

  test('it installs, is enabled and started, and the agent serves as the unit starts it', async () => {
    root.ok(`dpkg -i ${root.bring(first)}`);
    expect(root.ok('shoal version')).toBe('shoal 1.0.0, protocol 1\n');
    expect(
      calls()
        .split('\n')
        .filter((line) => /reload|start/.test(line)),
    ).toEqual(['--system daemon-reload', '--quiet --system start shoal.service']);
    expect(root.ok('readlink -f /etc/systemd/system/multi-user.target.wants/shoal.service')).toContain(
      '/lib/systemd/system/shoal.service',
    );
    born = await ready();
    expect(born.node.version).toBe('1.0.0');
    expect(root.ok('shoal register 0 0xffff --priority 3')).toMatch(/ 0 {2}65535 {2}3/);
    expect(root.ok('shoal owners --position 5')).toContain(born.node.name);
  }, 60_000);

  test('settings in /etc/shoal/shoal.toml count after a restart', async () => {
    root.ok('sed -i "s/^#name = .*/name = \\"shelf-7\\"/" /etc/shoal/shoal.toml');
    root.ok('systemctl restart shoal.service');
    expect((await ready()).node).toMatchObject({ name: 'shelf-7', id: born.node.id });
  }, 60_000);

  test('an upgrade restarts the agent and keeps id, ranges and the edited settings', async () => {
    const pid = root.read('run/shoal.pid');
    root.ok(`dpkg -i --force-confdef --force-confold ${root.bring(second)}`);
    expect(calls()).toContain('--quiet --system restart shoal.service\n');
    const now = await ready();
    expect(root.read('run/shoal.pid')).not.toBe(pid);
    expect(now.node).toMatchObject({ version: '1.1.0', name: 'shelf-7', id: born.node.id });
    expect(root.ok('shoal ranges')).toMatch(/shelf-7\s+0\s+65535\s+3/);
    expect(root.read('etc/shoal/shoal.toml')).toContain('name = "shelf-7"');
    expect(root.read('etc/shoal/shoal.toml.dpkg-dist')).toContain('Said by a later version.');
  }, 60_000);

  test('a service that was switched off stays so over an upgrade', async () => {
    root.ok('systemctl stop shoal.service');
    root.ok('systemctl disable shoal.service');
    const upgrade = root.run(`dpkg -i --force-confdef --force-confold ${root.bring(second)}`);
    expect(upgrade.code).toBe(0);
    expect(root.run('systemctl is-active shoal.service').code).toBe(1);
    root.ok('systemctl enable shoal.service && systemctl start shoal.service');
    expect((await ready()).node.id).toBe(born.node.id);
  }, 60_000);

  test('removing stops it and keeps state and settings, so that it comes back as the same node', async () => {
    root.ok('dpkg --remove shoal');
    expect(root.run('test -e /run/shoal.pid').code).toBe(1);
    expect(root.run('command -v shoal').code).not.toBe(0);
    root.ok('test -e /var/lib/shoal/identity.json && test -e /etc/shoal/shoal.toml');
    root.ok(`dpkg -i ${root.bring(second)}`);
    expect((await ready()).node).toMatchObject({ name: 'shelf-7', id: born.node.id });
  }, 60_000);

  test('purging leaves nothing: no state, no keyring, no key file, no link of systemd', () => {
    root.ok('umask 077; mkdir -p /etc/systemd/system/shoal.service.d; shoal keygen >/etc/shoal/keys');
    root.ok('cp /usr/share/doc/shoal/examples/key.conf /etc/systemd/system/shoal.service.d/');
    const { code, stderr } = root.run('dpkg --purge shoal');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(root.run('test -e /run/shoal.pid').code).toBe(1);
    expect(root.files()).toEqual(before);
    expect(root.ok('dpkg-query -l')).not.toContain('shoal');
  }, 60_000);
});
