import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The checked-in inputs of each target, one a line in base64, each there because it reached a part of the program that the
 * ones before it did not (coverage.ts). `npm run fuzz -- --grow` adds to them.
 */
const directory = (root: string): string => join(root, 'test/fuzz/corpus');

export function readCorpus(name: string, root = process.cwd()): Uint8Array[] {
  const path = join(directory(root), `${name}.txt`);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => Uint8Array.from(Buffer.from(line, 'base64')));
}

export function writeCorpus(name: string, inputs: readonly Uint8Array[], root = process.cwd()): void {
  const lines = inputs.map((bytes) => `${Buffer.from(bytes).toString('base64')}\n`);
  writeFileSync(join(directory(root), `${name}.txt`), lines.join(''));
}
