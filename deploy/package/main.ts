/**
 * `npm run deb [-- --version V] [-- --out DIR]`: makes the Debian package, architecture all. What it is made from: the
 * bundle, built here under the given version; the unit and the maintainer scripts in deploy/; the sample configuration,
 * manual pages and completions, generated from the tables of the program (contents.ts).
 *
 * The same commit gives the same bytes, on any machine with the same Node.js: every time is SOURCE_DATE_EPOCH, else the
 * last commit's. DEBFULLNAME and DEBEMAIL name the maintainer, as for Debian's own tools.
 *
 * Tests: test/unit/package.test.ts (texts, completions), test/package (the package itself, installed on a clean Debian).
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { debianChangelog } from './changelog.ts';
import { packageContents } from './contents.ts';
import { writeDeb } from './deb.ts';
import { copyrightFile } from './licences.ts';

const MAINTAINER = { name: 'shoal maintainers', email: 'shoal@shoal.invalid' };

function main(): void {
  const root = process.cwd();
  const { version: ours } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const { values } = parseArgs({
    options: {
      version: { type: 'string', default: ours },
      out: { type: 'string', default: 'dist' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(
      'npm run deb [-- --version VERSION] [-- --out DIRECTORY]: makes DIRECTORY/shoal_VERSION_all.deb (dist, the version of package.json)\n',
    );
    return;
  }
  const { version } = values;
  // dpkg's own rule for versions of native packages.
  if (!/^[0-9][A-Za-z0-9.+~]*$/.test(version)) {
    throw new Error(`--version: '${version}' is not a version: digits, letters, . + ~, a digit first`);
  }
  const epochSeconds = epoch(root);
  const { name, email } = MAINTAINER;
  const maintainer = `${process.env.DEBFULLNAME ?? name} <${process.env.DEBEMAIL ?? email}>`;
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const entries = packageContents({
    ...bundle(root, version),
    root,
    version,
    epochSeconds,
    changelog: debianChangelog(changelog, version, maintainer, epochSeconds),
  });
  const target = resolve(root, values.out, `shoal_${version}_all.deb`);
  writeDeb({ root, entries, version, maintainer, epochSeconds }, target);
  const bytes = readFileSync(target);
  const sum = createHash('sha256').update(bytes).digest('hex');
  console.log(`${target}\n${(bytes.length / 1024).toFixed(0)} KB, sha256 ${sum}`);
}

/** Built beside dist/, so that another version does not get in its place. */
function bundle(root: string, version: string): { bundle: Uint8Array; copyright: string } {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-bundle-'));
  try {
    const metafile = join(directory, 'meta.json');
    const what = ['--only', 'shoal', '--version', version, '--outdir', directory, '--metafile', metafile];
    run(process.execPath, ['esbuild.config.mjs', ...what], root);
    return {
      bundle: readFileSync(join(directory, 'shoal.cjs')),
      copyright: copyrightFile(root, JSON.parse(readFileSync(metafile, 'utf8'))),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function epoch(root: string): number {
  const given = process.env.SOURCE_DATE_EPOCH ?? commitTime(root);
  if (!/^[0-9]{1,12}$/.test(given))
    throw new Error(`SOURCE_DATE_EPOCH: '${given}' is not a number of seconds`);
  return Number(given);
}

function commitTime(root: string): string {
  try {
    return run('git', ['log', '-1', '--format=%ct'], root).trim();
  } catch {
    throw new Error('no commit to take the time from: set SOURCE_DATE_EPOCH, seconds since 1970');
  }
}

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${stderr ?? 'it is not there'}`);
  return stdout;
}

try {
  main();
} catch (error) {
  console.error(`deb: ${(error as Error).message}`);
  process.exitCode = 1;
}
