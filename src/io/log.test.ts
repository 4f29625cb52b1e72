import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLog, prettyLine } from './log.ts';

function lines(format: 'json' | 'pretty', level: 'debug' | 'info' | 'warn'): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-log-'));
  const file = join(directory, 'out');
  const fd = openSync(file, 'w');
  const log = createLog({ level, format, fd });
  log.debug({}, 'fine print');
  log.info({ node: 'a', address: '127.0.0.1:1' }, 'ready');
  log.error({ stack: 'Error: x\n    at y' }, 'broken');
  const text = readFileSync(file, 'utf8');
  closeSync(fd);
  rmSync(directory, { recursive: true });
  return text.trimEnd().split('\n');
}

describe('log', () => {
  it('writes one JSON object a line, at once, from the level on', () => {
    const records = lines('json', 'info').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.map((record) => record.msg)).toEqual(['ready', 'broken']);
    expect(records[0]).toMatchObject({ level: 30, node: 'a', address: '127.0.0.1:1', pid: process.pid });
    expect(lines('json', 'debug')).toHaveLength(3);
  });

  it('writes the same for people', () => {
    const text = lines('pretty', 'info');
    expect(text[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}ready node=a address=127\.0\.0\.1:1$/);
    expect(text.slice(1)).toEqual([expect.stringMatching(/ ERROR broken$/), 'Error: x', '    at y']);
  });

  it('shows a line that is not JSON as it is, and quotes values with blanks', () => {
    expect(prettyLine('plain\n')).toBe('plain');
    expect(prettyLine('{"level":40,"time":"2026-01-01T01:02:03.004Z","msg":"m","a":"b c","n":{"x":1}}')).toBe(
      '01:02:03.004 WARN  m a="b c" n={"x":1}',
    );
  });
});
