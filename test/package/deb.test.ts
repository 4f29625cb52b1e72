import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { has, must } from './clean-root.ts';
import { buildDeb } from './deb.ts';

describe('the Debian package', () => {
  let directory: string;
  let deb: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'shoal-deb-test-'));
    deb = buildDeb('1.2.3', directory);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test('is the same, byte for byte, when it is built again, in another place, time zone and with another umask', () => {
    const again = must('sh', [
      '-c',
      'umask 077; TZ=Pacific/Auckland LC_ALL=C npm --silent run deb -- --version 1.2.3 --out "$1"',
      'sh',
      join(directory, 'again'),
    ]).split('\n')[0];
    const sum = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
    expect(sum(again ?? '')).toBe(sum(deb));
    const later = buildDeb('1.2.3', join(directory, 'later'), { SOURCE_DATE_EPOCH: '1800000000' });
    expect(sum(later)).not.toBe(sum(deb));
  });

  test('is for all architectures, wants a Node.js that is new enough, and owns its files as root', () => {
    const control = must('dpkg-deb', ['-f', deb, 'Package', 'Version', 'Architecture', 'Depends']);
    expect(control).toBe('Package: shoal\nVersion: 1.2.3\nArchitecture: all\nDepends: nodejs (>= 20.11)\n');
    const lines = must('dpkg-deb', ['-c', deb]).trim().split('\n');
    expect(lines.filter((line) => !/^[-dl]\S+ root\/root /.test(line))).toEqual([]);
    const modes = new Set(lines.map((line) => line.slice(0, 10)));
    expect([...modes].sort()).toEqual(['-rw-r--r--', '-rwxr-xr-x', 'drwxr-xr-x', 'lrwxrwxrwx']);
    const times = new Set(lines.map((line) => line.split(/\s+/).slice(3, 5).join(' ')));
    expect(times.size).toBe(1);
  });

  test.skipIf(!has('lintian') && process.env.CI !== 'true')('has nothing that lintian minds', () => {
    const { stdout, status } = spawnSync('lintian', ['--fail-on', 'error,warning', deb], {
      encoding: 'utf8',
    });
    expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
  });

  test.skipIf(!has('systemd-analyze') && process.env.CI !== 'true')(
    'has a unit that systemd verifies, and whose exposure is at most 2.0',
    () => {
      const unpacked = join(directory, 'unpacked');
      must('dpkg-deb', ['-x', deb, unpacked]);
      const unit = join(unpacked, 'usr/lib/systemd/system/shoal.service');
      const verify = spawnSync('systemd-analyze', ['--man=no', 'verify', unit], { encoding: 'utf8' });
      // A machine without node in /usr/bin is not the unit's fault.
      expect(verify.stderr.replace(/^.*\/usr\/bin\/node is not executable.*\n/m, '')).toBe('');
      const security = must('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit]);
      const score = /Overall exposure level for shoal\.service: (\d+\.\d+)/.exec(security)?.[1];
      expect(Number(score)).toBeLessThanOrEqual(2);
    },
  );
});
