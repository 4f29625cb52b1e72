import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/**
 * deploy/README.md has a table of what each warning of `shoal status` means and what to do. Here the warnings are read
 * from the source: every text that a function called `warnings` (or so) can give must begin a row, or be part of one.
 */
const ROOT = join(import.meta.dirname, '../..');
const SRC = join(ROOT, 'src');

/** Files with a function that gives warnings, by how it is declared. */
const GIVES = /\b\w*[wW]arnings\([^)]*\): (?:readonly )?string\[\]|warnings: string\[\];/;
/** Only pass on what others say, or are about something else. */
const PASS_ON = new Set([
  'node/machine.ts',
  'node/contract.ts',
  'node/node.ts',
  'io/sealing.ts',
  'daemon/keys.ts',
]);
/** A text in quotes of any kind. */
const TEXT = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !/\.test\.ts$|testing\/|testkit|fake-|^http\/page/.test(name))
  .map((name) => ({ name, text: readFileSync(join(SRC, name), 'utf8') }))
  .filter(({ name, text }) => GIVES.test(text) && !PASS_ON.has(name));

/** The first piece without a value or a colon in it that is long enough to be told from others. */
function head(text: string): string {
  const pieces = text.split(/\$\{[^}]*\}|[:(,;?]/).map((piece) => piece.trim());
  return pieces.find((piece) => piece.length >= 14) ?? text;
}

/** Texts given to push() or returned in a list, and the constants given so. */
function warningsIn(source: string): string[] {
  const found: string[] = [];
  const given = /(?:\b(?:out|own|warnings)\.push\(|return \[)\s*/g;
  for (const match of source.matchAll(given)) {
    const rest = source.slice((match.index ?? 0) + match[0].length);
    const name = /^([A-Z][A-Z_]+)\b/.exec(rest)?.[1];
    const from = name === undefined ? rest : (source.split(new RegExp(`const ${name} =\\s*`))[1] ?? '');
    const text = new RegExp(`^(?:${TEXT.source})`).exec(from);
    if (text !== null) found.push(text[1] ?? text[2] ?? text[3] ?? '');
  }
  return found.filter((text) => text.includes(' '));
}

const guide = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8');
const section = guide.slice(guide.indexOf('## Warnings and what to do'));
const rows = section
  .slice(0, section.indexOf('\n## '))
  .split('\n')
  .filter((line) => line.startsWith('| `'));
/** What the first cells quote. */
const said = rows.flatMap((row) =>
  [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
);

it('the guide tells of every warning what it means and what to do', () => {
  const warnings = files.flatMap(({ name, text }) => warningsIn(text).map((warning) => ({ name, warning })));
  // Those made in a function of their own.
  const seal =
    readFileSync(join(SRC, 'seal/group-seal.ts'), 'utf8') +
    readFileSync(join(SRC, 'seal/streams.ts'), 'utf8');
  const how = [
    ...(seal + readFileSync(join(SRC, 'seal/datagrams.ts'), 'utf8')).matchAll(
      /\.stranger\([^;]*'([^']+)'[,)]/g,
    ),
  ];
  for (const [, text = ''] of how) warnings.push({ name: 'seal', warning: text });
  expect(how.length).toBe(3);
  expect(warnings.length).toBeGreaterThanOrEqual(18);
  const missing = warnings.filter(({ warning }) => !said.some((text) => text.includes(head(warning))));
  expect(missing).toEqual([]);
});

it('the guide has no row for what is not said any more', () => {
  const source = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(SRC, name), 'utf8'))
    .join('\n');
  // What stands for a value is in capitals.
  const pieces = said.map((text) => text.split(/'?\b[A-Z]+\b'?|…|[:(,]/).map((piece) => piece.trim()));
  const longest = pieces.map((some) => some.reduce((a, b) => (b.length > a.length ? b : a), ''));
  expect(longest.filter((text) => text === '' || !source.includes(text))).toEqual([]);
  expect(said.length).toBeGreaterThan(20);
});
