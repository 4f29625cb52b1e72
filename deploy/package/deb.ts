import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Entry } from './contents.ts';

export interface DebInputs {
  readonly root: string;
  readonly entries: readonly Entry[];
  readonly version: string;
  readonly maintainer: string;
  readonly epochSeconds: number;
}

const SCRIPTS = ['postinst', 'prerm', 'postrm'];
const DIRECTORY_MODE = 0o755;

/**
 * Writes the package to `target`. Reproducible: fixed order, modes, owners and times, one thread, and a compressor
 * whose output does not depend on the machine (xz's does, on its threads; gzip also needs no 8 MB on the board).
 */
export function writeDeb(inputs: DebInputs, target: string): void {
  const staging = mkdtempSync(join(tmpdir(), 'shoal-deb-'));
  try {
    for (const entry of inputs.entries) place(staging, entry);
    controlFiles(inputs, staging);
    settle(staging, inputs.epochSeconds);
    mkdirSync(dirname(target), { recursive: true });
    const { status, stderr } = spawnSync(
      'dpkg-deb',
      ['--root-owner-group', '-Zgzip', '-z9', '--uniform-compression', '-b', staging, target],
      {
        env: { ...process.env, SOURCE_DATE_EPOCH: String(inputs.epochSeconds), LC_ALL: 'C' },
        encoding: 'utf8',
      },
    );
    if (status !== 0)
      throw new Error(`dpkg-deb failed: ${stderr ?? 'it is not there: apt-get install dpkg'}`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function place(staging: string, { path, bytes, mode, link }: Entry): void {
  const to = join(staging, path);
  mkdirSync(dirname(to), { recursive: true, mode: DIRECTORY_MODE });
  if (link !== undefined) symlinkSync(link, to);
  else {
    writeFileSync(to, bytes);
    chmodSync(to, mode);
  }
}

function controlFiles({ root, entries, version, maintainer }: DebInputs, staging: string): void {
  const directory = join(staging, 'DEBIAN');
  mkdirSync(directory, { mode: DIRECTORY_MODE });
  const files = entries.filter(({ link }) => link === undefined);
  const kilobytes = Math.ceil(files.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1024);
  const control = readFileSync(join(root, 'deploy/debian/control'), 'utf8')
    .replace('@VERSION@', version)
    .replace('@MAINTAINER@', maintainer)
    .replace('@KILOBYTES@', String(kilobytes));
  const sums = files
    .filter(({ path }) => !path.startsWith('/etc/'))
    .map(({ path, bytes }) => `${createHash('md5').update(bytes).digest('hex')}  ${path.slice(1)}\n`);
  const conffiles = files.filter(({ path }) => path.startsWith('/etc/')).map(({ path }) => `${path}\n`);
  const write = (name: string, content: string, mode = 0o644): void => {
    writeFileSync(join(directory, name), content);
    chmodSync(join(directory, name), mode);
  };
  write('control', control);
  write('md5sums', sums.join(''));
  write('conffiles', conffiles.join(''));
  for (const name of SCRIPTS) write(name, readFileSync(join(root, 'deploy/debian', name), 'utf8'), 0o755);
}

/** One time for all, whatever the umask gave to directories. */
function settle(staging: string, epochSeconds: number): void {
  for (const entry of readdirSync(staging, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, DIRECTORY_MODE);
    lutimesSync(path, epochSeconds, epochSeconds);
  }
  chmodSync(staging, DIRECTORY_MODE);
  lutimesSync(staging, epochSeconds, epochSeconds);
}
