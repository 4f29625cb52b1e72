import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { keyText } from '../seal/testing/bench.ts';
import { readToken } from './agent.ts';
import { readKeyFile } from './keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'shoal-keys-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(text: string, mode = 0o600): string {
  const path = join(directory, 'keys');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

describe('a key file', () => {
  it('holds a key a line, with comments and empty lines between', () => {
    const keys = readKeyFile(file(`# ours\n\n${keyText(1)}\n  ${keyText(2)}\r\n`, 0o400));
    expect(keys.map((key) => Buffer.from(key).toString('base64'))).toEqual([keyText(1), keyText(2)]);
  });

  it.each([0o640, 0o604, 0o660, 0o644, 0o601])(
    'of mode %o is refused, and how to mend it is said',
    (mode) => {
      expect(() => readKeyFile(file(keyText(1), mode))).toThrow(/others can read or change it: chmod 600 /);
    },
  );

  it.each([
    ['nothing', '# none\n', /holds no key: shoal keygen/],
    ['a line that is no key', `${keyText(1)}\n${keyText(2).slice(0, 40)}\n`, /keys:2 is not a key/],
    ['a key of another length', `${Buffer.alloc(31).toString('base64')}\n`, /keys:1 is not a key/],
    ['bits that base64 does not have', `${keyText(1).slice(0, 42)}/=\n`, /keys:1 is not a key/],
    ['too many', Array.from({ length: 9 }, (_, i) => keyText(i)).join('\n'), /holds 9 keys: at most 8/],
  ])('with %s is refused without a word of its content', (_what, text, message) => {
    let said = '';
    try {
      readKeyFile(file(text));
    } catch (error) {
      said = String((error as Error).message);
      expect(error).toMatchObject({ code: 'bad-key-file', field: 'key_file' });
    }
    expect(said).toMatch(message);
    expect(said).not.toContain(text.slice(0, 12));
  });

  it('that is a directory is refused as that, whatever its mode', () => {
    chmodSync(directory, 0o755);
    expect(() => readKeyFile(directory)).toThrow(/is a directory: name a file$/);
  });

  it('that is not there is refused', () => {
    expect(() => readKeyFile(join(directory, 'none'))).toThrow(
      /cannot read .*none \(there is no such file or directory\)/,
    );
  });
});

describe('a token file', () => {
  it('is for its owner only, as a key file is', () => {
    const token = 't'.repeat(40);
    expect(readToken(file(`${token}\n`))).toBe(token);
    for (const mode of [0o644, 0o640, 0o660]) {
      const refused = { code: 'bad-token-file', field: 'http_token_file' };
      expect(() => readToken(file(token, mode))).toThrow(expect.objectContaining(refused));
      expect(() => readToken(file(token, mode))).toThrow(/others can read or change it: chmod 600 /);
    }
    expect(() => readToken(directory)).toThrow(/is a directory: name a file$/);
    expect(() => readToken(file('short'))).toThrow(/32 to 1024 printable/);
  });
});
