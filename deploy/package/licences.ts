import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** What classic-level was compiled with. */
const COMPILED_IN = [
  ['LevelDB 1.20', 'leveldb/leveldb-1.20/LICENSE'],
  ['Snappy', 'snappy/snappy/COPYING'],
] as const;

/**
 * The copyright file: our licence, then that of every package that went into the bundle, told by the bundler itself.
 * @throws when one of them has no licence text, so that none is left out silently
 */
export function copyrightFile(root: string, metafile: Metafile): string {
  const parts = [
    'shoal, a leaderless group membership daemon.',
    '',
    readFileSync(join(root, 'LICENSE'), 'utf8').trim(),
    '',
    '/usr/share/shoal also contains the following packages.',
  ];
  const beside = runtimePackages(root, 'classic-level').map((name) => `node_modules/${name}`);
  for (const directory of [...bundledPackages(metafile), ...beside]) {
    const { name, version } = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8'));
    const licence = readdirSync(join(root, directory)).find((file) => /^licen[cs]e/i.test(file));
    if (licence === undefined)
      throw new Error(`${directory} has no licence text: nothing to put into copyright`);
    parts.push(
      '',
      `----- ${name} ${version}`,
      '',
      readFileSync(join(root, directory, licence), 'utf8').trim(),
    );
  }
  for (const [name, path] of COMPILED_IN)
    parts.push(
      '',
      `----- ${name}, in classic-level`,
      '',
      readFileSync(join(root, 'node_modules/classic-level/deps', path), 'utf8').trim(),
    );
  return `${parts.join('\n')}\n`;
}

function bundledPackages({ inputs }: Metafile): string[] {
  const found = new Set<string>();
  for (const path of Object.keys(inputs)) {
    const directory = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (directory !== undefined) found.add(directory);
  }
  return [...found].sort();
}

/** A package and all that it loads, by name. */
export function runtimePackages(root: string, name: string): string[] {
  const found = new Set<string>();
  const add = (one: string): void => {
    if (found.has(one)) return;
    found.add(one);
    const { dependencies = {} } = JSON.parse(
      readFileSync(join(root, 'node_modules', one, 'package.json'), 'utf8'),
    ) as { dependencies?: Record<string, string> };
    for (const other of Object.keys(dependencies)) add(other);
  };
  add(name);
  return [...found].sort();
}
