import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
}

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
    '/usr/share/shoal/dist/shoal.cjs also contains the following packages.',
  ];
  for (const directory of bundledPackages(metafile)) {
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
