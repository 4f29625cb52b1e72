import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * The house rules that a compiler does not know: who may import whom (DESIGN section 1), what may not be named above
 * the I/O line, and how long files and functions may grow. A rule is loosened here, in the open, or not at all.
 */
const ROOT = join(import.meta.dirname, '../..');
const SRC = join(ROOT, 'src');

/** Room -> rooms it may import. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  crdt: ['base'],
  ranges: ['base', 'crdt'],
  members: ['base'],
  gossip: ['base', 'crdt', 'members'],
  wire: ['base', 'crdt', 'members'],
  seal: ['base'],
  node: ['base', 'crdt', 'ranges', 'members', 'gossip', 'wire'],
  io: ['node', 'base'],
  store: ['base', 'ranges', 'node'],
  resp: ['store', 'ranges', 'base', 'node'],
  http: ['node', 'base'],
  config: ['base'],
  daemon: [
    'base',
    'crdt',
    'ranges',
    'members',
    'gossip',
    'wire',
    'seal',
    'node',
    'io',
    'store',
    'resp',
    'http',
    'config',
  ],
  cli: ['config', 'base', 'daemon', 'node', 'seal'],
};
/** Rooms that may import of `node` its contract only. */
const CONTRACT_ONLY = ['store', 'resp', 'http', 'cli'];
const CORE = ['base', 'crdt', 'ranges', 'members', 'gossip', 'wire', 'node'];
/** Packages the core may use. */
const CORE_PACKAGES = ['@msgpack/msgpack'];
/** Doors besides index.ts: the node contract is types only. */
const SIDE_DOORS = ['node/contract.ts', 'http/page/index.ts'];

/** Named above the I/O line, these would bring in time, chance or the world; each with what to use. */
const BANNED: Record<string, string> = {
  Date: 'the nowMs of the input',
  'Math.random': 'the Rng passed in',
  setTimeout: 'nextWakeMs and wake',
  setInterval: 'nextWakeMs and wake',
  setImmediate: 'nextWakeMs and wake',
  queueMicrotask: 'a plain call',
  Promise: 'inputs and outputs of the machine',
  async: 'inputs and outputs of the machine',
  await: 'inputs and outputs of the machine',
  process: 'options passed in',
  Buffer: 'Uint8Array',
  console: 'the log output',
  performance: 'the nowMs of the input',
  crypto: 'the Rng passed in',
  fetch: 'the outputs of the machine',
};

/** Files longer than the house rule allows, with their length: the list may shrink only. */
const LONG_FILES: Record<string, number> = {};
const MAX_LINES = 500;
const MAX_FUNCTION_LINES = 70;

const isTest = (file: string): boolean =>
  /\.(test|testkit|suite)\.ts$/.test(file) || /(^|\/)(testing\/|fake-|memory-disk)/.test(file);

function sources(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(dir, name))
    .sort();
}

const files = sources(SRC).map((path) => ({
  path,
  name: relative(SRC, path),
  text: readFileSync(path, 'utf8'),
}));
const product = files.filter((f) => !isTest(f.name));

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
const withoutStrings = (text: string): string =>
  text.replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`[^`]*`/g, "''");

function imports(text: string): string[] {
  const found: string[] = [];
  for (const m of withoutComments(text).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g))
    found.push(m[1] as string);
  return found;
}

describe('the rooms', () => {
  it('are the ones in the table', () => {
    const rooms = new Set(product.map((f) => f.name.split('/')[0] as string));
    expect([...rooms].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it('each have a door that opens with a header comment of at least 8 lines', () => {
    for (const room of Object.keys(MAY_IMPORT)) {
      const door = files.find((f) => f.name === `${room}/index.ts`);
      if (room === 'base') expect(door?.text.startsWith('/**'), room).toBe(true);
      else
        expect(
          /^\/\*\*[\s\S]*?\*\//.exec(door?.text ?? '')?.[0].split('\n').length ?? 0,
          room,
        ).toBeGreaterThanOrEqual(8);
    }
  });

  it('import upward only, and through doors', () => {
    const wrong: string[] = [];
    for (const file of product) {
      const room = file.name.split('/')[0] as string;
      for (const spec of imports(file.text)) {
        if (!spec.startsWith('.')) continue;
        const target = normalize(join(dirname(file.name), spec.replace(/\?raw$/, '')));
        const other = target.split('/')[0] as string;
        if (other === room) continue;
        if (!(MAY_IMPORT[room] ?? []).includes(other)) wrong.push(`${file.name} imports ${target}`);
        else if (other === 'node' && CONTRACT_ONLY.includes(room) && target !== 'node/contract.ts')
          wrong.push(`${file.name} imports ${target}`);
        else if (target !== `${other}/index.ts` && !SIDE_DOORS.includes(target))
          wrong.push(`${file.name} reaches past the door: ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('above the I/O line', () => {
  const core = product.filter((f) => CORE.includes(f.name.split('/')[0] as string));

  it('only the packages named here are imported', () => {
    const found = core.flatMap((f) =>
      imports(f.text)
        .filter((s) => !s.startsWith('.'))
        .map((s) => `${f.name}: ${s}`),
    );
    expect(found.filter((line) => !CORE_PACKAGES.includes(line.split(': ')[1] as string))).toEqual([]);
  });

  it('the seal has node:crypto besides, and no clock, timer or process', () => {
    const wrong: string[] = [];
    for (const file of product.filter((f) => f.name.startsWith('seal/'))) {
      const code = withoutStrings(withoutComments(file.text));
      for (const spec of imports(file.text))
        if (!spec.startsWith('.') && spec !== 'node:crypto') wrong.push(`${file.name} imports ${spec}`);
      for (const name of Object.keys(BANNED)) {
        if (name === 'Buffer' || name === 'crypto') continue;
        const pattern = new RegExp(`(?<![\\w.#$])${name.replace('.', '\\.')}(?![\\w$:])`);
        if (pattern.test(code)) wrong.push(`${file.name} names ${name}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('nothing names a clock, chance, timers, promises or the process', () => {
    const wrong: string[] = [];
    for (const file of core) {
      if (file.name === 'node/contract.ts') continue; // Shapes for the edges, which do wait.
      const code = withoutStrings(withoutComments(file.text));
      for (const [name, instead] of Object.entries(BANNED)) {
        const pattern = new RegExp(`(?<![\\w.#$])${name.replace('.', '\\.')}(?![\\w$:])`);
        if (pattern.test(code)) wrong.push(`${file.name} names ${name}: use ${instead}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('the code', () => {
  it('has named exports only and no suppression without its reason', () => {
    const wrong: string[] = [];
    for (const { name, text } of files) {
      if (/^export default/m.test(text)) wrong.push(`${name}: default export`);
      if (/@ts-(ignore|nocheck|expect-error)/.test(text)) wrong.push(`${name}: type check suppressed`);
      for (const m of text.matchAll(/biome-ignore[^\n]*/g))
        if (!/: .{10,}/.test(m[0])) wrong.push(`${name}: ${m[0]}`);
    }
    expect(wrong).toEqual([]);
  });

  it('stays within 500 lines a file, but for those listed, which only shrink', () => {
    const wrong: string[] = [];
    for (const { name, text } of files) {
      const lines = text.split('\n').length;
      if (lines > (LONG_FILES[name] ?? MAX_LINES)) wrong.push(`${name}: ${lines} lines`);
    }
    for (const name of Object.keys(LONG_FILES)) {
      const lines = files.find((f) => f.name === name)?.text.split('\n').length ?? 0;
      if (lines <= MAX_LINES) wrong.push(`${name} fits by now: take it off the list`);
    }
    expect(wrong).toEqual([]);
  });

  it('has a median file under 200 lines', () => {
    const lengths = product.map((f) => f.text.split('\n').length).sort((a, b) => a - b);
    expect(lengths[lengths.length >> 1]).toBeLessThan(200);
  });

  it('stays within 70 lines a function', () => {
    const wrong: string[] = [];
    for (const { name, text } of product) {
      const lines = text.split('\n');
      lines.forEach((line, i) => {
        const head =
          /^( *)(?:export )?(?:async )?(?:static |protected |private |override |get |set )*(?:function\*? ?)?[#\w$<>, ]+\(.*\{$|^( *)(?:export )?(?:async )?function/.exec(
            line,
          );
        if (head === null || /^\s*(if|for|while|switch|return|else|it|describe|catch)\b/.test(line)) return;
        const indent = /^ */.exec(line)?.[0] ?? '';
        let end = i + 1;
        while (end < lines.length && lines[end] !== `${indent}}` && lines[end] !== `${indent}};`) end++;
        if (end < lines.length && end - i + 1 > MAX_FUNCTION_LINES)
          wrong.push(`${name}:${i + 1} ${end - i + 1} lines`);
      });
    }
    expect(wrong).toEqual([]);
  });
});

describe('the lockfile', () => {
  it('has an entry for every optional package of every platform, so that npm ci works on all of them', () => {
    type Entry = { optionalDependencies?: Record<string, string> };
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, Entry>;
    };
    const names = new Set(Object.keys(packages).map((path) => path.split('node_modules/').at(-1)));
    const missing = Object.values(packages).flatMap((entry) =>
      Object.keys(entry.optionalDependencies ?? {}).filter((name) => !names.has(name)),
    );
    // npm leaves out what a registry mirror does not have; `npm ci` then refuses the lockfile everywhere.
    expect(missing).toEqual([]);
  });
});

describe('the top of the repository', () => {
  it('holds what the layout says and nothing else', () => {
    const known = [
      '.ci',
      '.git',
      '.gitignore',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'biome.json',
      'deploy',
      'dist',
      'esbuild.config.mjs',
      'node_modules',
      'package-lock.json',
      'package.json',
      'src',
      'test',
      'tsconfig.json',
      'vitest.config.ts',
      '.npmrc',
      '.node-version',
    ];
    expect(readdirSync(ROOT).filter((name) => !known.includes(name))).toEqual([]);
  });
});
