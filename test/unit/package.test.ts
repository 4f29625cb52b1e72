import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debianChangelog } from '../../deploy/package/changelog.ts';
import { bashCompletion, zshCompletion } from '../../deploy/package/completions.ts';
import { packageContents, packagedUnit } from '../../deploy/package/contents.ts';
import { manualPages } from '../../deploy/package/manual.ts';
import { describeProgram } from '../../src/cli/index.ts';
import { flagOf, SETTING_NAMES, settingOf, variableOf } from '../../src/config/index.ts';

/** What the Debian package says of the program: made from its tables, and still all there, and readable. */
const ROOT = resolve(import.meta.dirname, '../..');
const program = describeProgram();
const unit = packagedUnit(readFileSync(join(ROOT, 'deploy/shoal.service'), 'utf8'));
const pages = manualPages({ program, version: '1.2.3', date: '2026-01-02', unit });
/** In CI everything is there, or the tests that need it fail. */
const has = (tool: string): boolean =>
  process.env.CI === 'true' || spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-package-'));
  for (const [name, page] of pages) writeFileSync(join(directory, name), page);
  writeFileSync(join(directory, 'shoal.bash'), bashCompletion(program));
  mkdirSync(join(directory, 'zsh'));
  writeFileSync(join(directory, 'zsh/_shoal'), zshCompletion(program));
  mkdirSync(join(directory, 'files'));
  for (const name of ['keys', 'keys old', 'other']) writeFileSync(join(directory, 'files', name), '');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** As a terminal 200 columns wide shows it, without bold and underline. */
function rendered(name: string): string {
  const { stdout, stderr, status } = spawnSync(
    'groff',
    ['-man', '-Tascii', '-ww', '-P-cbou', '-rLL=200n', join(directory, name)],
    { encoding: 'utf8' },
  );
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout.replace(/\s+/g, ' ');
}

it('the manual names documents that the package has', () => {
  const inputs = { root: ROOT, bundle: new Uint8Array(0), copyright: '', changelog: '' };
  const paths = packageContents({ ...inputs, version: '1.2.3', epochSeconds: 0 }).map(({ path }) => path);
  const named = [...pages.values()].flatMap((page) =>
    [...page.replace(/\\(f.)?/g, '').matchAll(/\/usr\/share\/doc\/[\w./-]*\w/g)].map(([path]) => path),
  );
  expect(named.length).toBeGreaterThanOrEqual(2);
  expect(named.filter((path) => !paths.includes(path))).toEqual([]);
});

it('the manual and the packaged guide name every variable that an event script has, and the guide links to no file beside it', () => {
  const set = [...readFileSync(join(ROOT, 'src/daemon/hooks.ts'), 'utf8').matchAll(/^ +(SHOAL_\w+): /gm)].map(
    ([, name]) => name as string,
  );
  expect(set.length).toBeGreaterThanOrEqual(17);
  const manual = (pages.get('shoal-agent.8') ?? '').replace(/\\(f.)?/g, '');
  const guide = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8');
  for (const name of set) {
    expect(manual).toContain(name);
    expect(guide).toContain(name);
  }
  expect(guide).not.toContain('](../');
});

describe.skipIf(!has('groff'))('the manual', () => {
  it('names every verb with its arguments, options and summary in shoal(1)', () => {
    const page = rendered('shoal.1');
    for (const { name, usage, summary, options } of program.verbs) {
      expect(page).toContain(usage.replace(/[<>]/g, ''));
      expect(page.toLowerCase()).toContain(summary.toLowerCase());
      if (name === 'agent') continue;
      for (const option of options) expect(page).toContain(option.name);
    }
    for (const option of program.options) expect(page).toContain(option.name);
    expect(program.verbs.length).toBeGreaterThan(18);
  });

  it('names every setting with its default, flag and variable in shoal.toml(5), every flag in shoal-agent(8)', () => {
    const settings = rendered('shoal.toml.5');
    const agent = rendered('shoal-agent.8');
    for (const name of SETTING_NAMES) {
      const { default: text, choose } = settingOf(name);
      for (const part of [
        ` ${name} `,
        flagOf(name),
        variableOf(name),
        text ?? '',
        choose.replaceAll('`', ''),
      ])
        expect(settings).toContain(part);
      expect(agent).toContain(` ${flagOf(name)} `);
    }
    expect(agent).toContain('--max-old-space-size=64');
  });

  it.skipIf(!has('man'))('is shown by man without a warning', () => {
    const env = { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8', MANROFFSEQ: '' };
    for (const name of pages.keys()) {
      const shown = spawnSync(
        'man',
        ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', join(directory, name)],
        { env, encoding: 'utf8' },
      );
      expect({ name, stderr: shown.stderr, status: shown.status }).toEqual({ name, stderr: '', status: 0 });
    }
  });
});

describe('completion in bash', () => {
  /** What is offered for the last word, as bash itself splits and asks. */
  function complete(...words: readonly string[]): string[] {
    const script =
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shoal; for one in "$'.concat(
        '{COMPREPLY[@]}"; do echo "$one"; done',
      );
    const { stdout, stderr } = spawnSync(
      'bash',
      ['--norc', '-c', script, 'bash', join(directory, 'shoal.bash'), 'shoal', ...words],
      { encoding: 'utf8', cwd: join(directory, 'files') },
    );
    expect(stderr).toBe('');
    return stdout.split('\n').filter((line) => line !== '');
  }

  it('offers every verb, and each verb its options', () => {
    expect(complete('')).toEqual(expect.arrayContaining(program.verbs.map(({ name }) => name)));
    for (const { name, options } of program.verbs)
      expect(complete(name, '--')).toEqual(expect.arrayContaining([...options.map((o) => o.name), '--help']));
    expect(complete('re')).toEqual(['register', 'release']);
    expect(complete('help', 'k')).toEqual(['keygen', 'keys']);
  });

  it('offers values: statuses, event types, operations on keys, files', () => {
    expect(complete('members', '--status', '')).toEqual(['alive', 'suspect', 'down', 'left']);
    expect(complete('members', '--status', '=', 'd')).toEqual(['down']);
    expect(complete('--json', 'monitor', '--filter', 'member-s')).toEqual(['member-suspect']);
    expect(complete('keys', '')).toEqual(expect.arrayContaining(['list', 'install', 'use', 'remove']));
    expect(complete('keys', 'use', '')).not.toContain('list');
    expect(complete('agent', '--key-file', 'k').sort()).toEqual(['keys', 'keys old']);
    expect(complete('--socket', 'o')).toEqual(['other']);
    expect(complete('--socket', 'x', 'stat')).toEqual(['status']);
    expect(complete('register', '--node', '')).toEqual([]);
  });

  /** Types into a shell that is interactive on a terminal; `shoal` there prints its arguments. */
  function typed(shell: readonly string[], keys: string): string {
    const command = shell.map((word) => `'${word}'`).join(' ');
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      input: keys,
      encoding: 'utf8',
      timeout: 20_000,
      env: { PATH: process.env.PATH, TERM: 'dumb', HOME: directory, PS1: '$ ' },
    });
    return stdout;
  }

  it.skipIf(!has('script'))('works at the keyboard, with the Tab key', () => {
    const init = join(directory, 'bashrc');
    writeFileSync(init, `shoal() { echo "ran <$*>"; }\nsource '${join(directory, 'shoal.bash')}'\n`);
    const shell = ['bash', '--noprofile', '--rcfile', init, '-i'];
    expect(typed(shell, 'shoal conv\t --wa\t 3\nexit\n')).toContain('ran <converged --wait 3>');
  });

  it.skipIf(!has('script') || !has('zsh'))('works in zsh as well', () => {
    const init = [
      `fpath=('${join(directory, 'zsh')}' $fpath)`,
      'autoload -Uz compinit && compinit -u -D',
      "PS1='$ '; unsetopt prompt_sp",
      'shoal() { echo "ran <$*>"; }',
    ];
    writeFileSync(join(directory, '.zshrc'), `${init.join('\n')}\n`);
    expect(
      typed(['zsh', '-i'], 'shoal conv\t\nshoal keys inst\tK\nshoal members --status dow\t\nexit\n'),
    ).toMatch(/ran <converged>[\s\S]*ran <keys install K>[\s\S]*ran <members --status down>/);
  });
});

describe('the texts of the package', () => {
  it('take the unit as it is, with the paths of the package', () => {
    const ours = readFileSync(join(ROOT, 'deploy/shoal.service'), 'utf8').split('\n');
    const changed = unit.split('\n').filter((line, i) => line !== ours[i]);
    expect(changed.map((line) => line.split('=')[0])).toEqual([
      '# shoal, from the Debian package. Changes: systemctl edit shoal',
      'Documentation',
      'ExecStart',
    ]);
    expect(unit).toMatch(/^ExecStart=\/usr\/bin\/node --max.* \/usr\/share\/shoal\/bin\/shoal agent$/m);
  });

  it("turn CHANGELOG.md into Debian's format, newest first, also for a version that is not in it", () => {
    const changes = [
      '# Changelog',
      '',
      '## 0.2.0 (unreleased)',
      '- One,',
      '  more.',
      '## 0.1.0 (2026)',
      '- Two.',
    ];
    const text = debianChangelog(changes.join('\n'), '0.2.0', 'me <me@x>', 60);
    const day = 'Thu, 01 Jan 1970';
    expect(text).toBe(
      `shoal (0.2.0) unstable; urgency=medium\n\n  * One, more.\n\n -- me <me@x>  ${day} 00:01:00 +0000\n\n` +
        `shoal (0.1.0) unstable; urgency=medium\n\n  * Two.\n\n -- me <me@x>  ${day} 00:00:00 +0000\n`,
    );
    expect(debianChangelog(changes.join('\n'), '0.3.0', 'me <me@x>', 0)).toMatch(/^shoal \(0.3.0\)/);
  });

  it('have shell scripts that a shell can read', () => {
    for (const name of readdirSync(join(ROOT, 'deploy/debian'))) {
      const path = join(ROOT, 'deploy/debian', name);
      if (!readFileSync(path, 'utf8').startsWith('#!/bin/sh')) continue;
      expect(spawnSync('sh', ['-n', path], { encoding: 'utf8' }).stderr).toBe('');
    }
  });
});
