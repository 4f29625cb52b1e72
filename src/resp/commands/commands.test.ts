import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { collidingKeys } from '../../store/testing/colliding.ts';
import { Script } from '../testing/script.ts';
import { COMMANDS } from './index.ts';

describe('the table of commands', () => {
  it('is in README.md, every name of it and no other', () => {
    const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const table = /\| group \| commands \|[\s\S]*?\n\n/.exec(text)?.[0] ?? '';
    const names = table.match(/\b[A-Z][A-Z_]+\b/g) ?? [];
    expect(names.sort()).toEqual(COMMANDS.map(({ name }) => name.toUpperCase()).sort());
  });
});

/** What redis-server has no answer to compare with; the rest is in test/redis. */
describe('SET ... IFEQ', () => {
  it('sets only what has that value now', () => {
    const script = new Script();
    expect(script.ask('SET', 'k', 'new', 'IFEQ', 'old')).toBe('$-1');
    expect(script.ask('EXISTS', 'k')).toBe(':0');
    script.ask('SET', 'k', 'old');
    expect(script.ask('SET', 'k', 'new', 'IFEQ', 'ol')).toBe('$-1');
    expect(script.ask('SET', 'k', 'new', 'IFEQ', 'old')).toBe('+OK');
    expect(script.ask('GET', 'k')).toBe('$3\r\nnew');
  });

  it('goes with GET and expiries, not with NX and XX', () => {
    const script = new Script();
    script.ask('SET', 'k', '1');
    expect(script.ask('SET', 'k', '2', 'IFEQ', '0', 'GET')).toBe('$1\r\n1');
    expect(script.ask('SET', 'k', '2', 'GET', 'PX', '500', 'IFEQ', '1')).toBe('$1\r\n1');
    expect(script.ask('PTTL', 'k')).toBe(':500');
    for (const word of ['NX', 'XX']) {
      expect(script.ask('SET', 'k', '3', word, 'IFEQ', '2')).toBe('-ERR syntax error');
      expect(script.ask('SET', 'k', '3', 'IFEQ', '2', word)).toBe('-ERR syntax error');
    }
    expect(script.ask('SET', 'k', '3', 'IFEQ')).toBe('-ERR syntax error');
  });

  it('takes a value that is an option word as a value', () => {
    const script = new Script();
    script.ask('SET', 'k', 'XX');
    expect(script.ask('SET', 'k', 'NX', 'IFEQ', 'XX')).toBe('+OK');
  });
});

describe('DELIFEQ', () => {
  it('deletes only what has that value now', () => {
    const script = new Script();
    expect(script.ask('DELIFEQ', 'k', 'v')).toBe(':0');
    script.ask('SET', 'k', 'v');
    expect(script.ask('DELIFEQ', 'k', 'w')).toBe(':0');
    expect(script.ask('DELIFEQ', 'k', 'v')).toBe(':1');
    expect(script.ask('EXISTS', 'k')).toBe(':0');
  });
});

describe('expiry', () => {
  it('is over to the millisecond', () => {
    const script = new Script();
    script.ask('SET', 'k', 'v', 'PX', '100');
    script.nowMs += 99;
    expect(script.ask('PTTL', 'k')).toBe(':1');
    expect(script.ask('TTL', 'k')).toBe(':0');
    script.nowMs++;
    expect(script.ask('GET', 'k')).toBe('$-1');
    expect(script.ask('PTTL', 'k')).toBe(':-2');
  });

  it('compares with what is there: GT is later, LT is sooner, none is latest', () => {
    const script = new Script();
    script.ask('SET', 'k', 'v');
    expect(script.ask('EXPIRE', 'k', '10', 'GT')).toBe(':0');
    expect(script.ask('EXPIRE', 'k', '10', 'LT')).toBe(':1');
    expect(script.ask('EXPIRE', 'k', '10', 'LT')).toBe(':0');
    expect(script.ask('EXPIRE', 'k', '10', 'GT')).toBe(':0');
    expect(script.ask('EXPIRE', 'k', '11', 'GT')).toBe(':1');
    expect(script.ask('PEXPIRE', 'k', '10999', 'LT', 'XX')).toBe(':1');
    expect(script.ask('PEXPIRETIME', 'k')).toBe(`:${script.nowMs + 10_999}`);
  });

  it('is kept by what changes a value, dropped by what sets one', () => {
    for (const change of [
      ['INCR', 'k'],
      ['INCRBYFLOAT', 'k', '0.5'],
      ['APPEND', 'k', '1'],
      ['SETRANGE', 'k', '1', 'x'],
      ['SETBIT', 'k', '9', '1'],
      ['BITFIELD', 'k', 'SET', 'u8', '0', '7'],
      ['SET', 'k', '2', 'KEEPTTL'],
      ['GETEX', 'k'],
    ]) {
      const script = new Script();
      script.ask('SET', 'k', '1', 'EX', '10');
      script.ask(...change);
      expect([change[0], script.ask('TTL', 'k')]).toEqual([change[0], ':10']);
    }
    for (const change of [
      ['SET', 'k', '2'],
      ['GETSET', 'k', '2'],
      ['MSET', 'k', '2'],
      ['GETEX', 'k', 'PERSIST'],
      ['BITOP', 'NOT', 'k', 'k'],
      ['PERSIST', 'k'],
    ]) {
      const script = new Script();
      script.ask('SET', 'k', '1', 'EX', '10');
      script.ask(...change);
      expect([change[0], script.ask('TTL', 'k')]).toEqual([change[0], ':-1']);
    }
  });

  it('goes along when a key is renamed or copied', () => {
    const script = new Script();
    script.ask('SET', 'k', 'v', 'EX', '10');
    script.ask('SET', 'l', 'w', 'EX', '99');
    script.ask('RENAME', 'k', 'l');
    expect(script.ask('TTL', 'l')).toBe(':10');
    script.ask('COPY', 'l', 'm');
    expect(script.ask('TTL', 'm')).toBe(':10');
  });

  it('hides keys from KEYS, SCAN and RANDOMKEY at once', () => {
    const script = new Script();
    script.ask('SET', 'k', 'v', 'PX', '1');
    script.nowMs++;
    expect(script.ask('KEYS', '*')).toBe('*0');
    expect(script.ask('RANDOMKEY')).toBe('$-1');
    expect(script.ask('SCAN', '0')).toBe('*2\r\n$1\r\n0\r\n*0');
  });
});

describe('a value larger than the arena takes', () => {
  it('is changed, renamed, expired and deleted like others', () => {
    const script = new Script();
    script.ask('SET', 'k', 'x'.repeat(100_000));
    expect(script.ask('APPEND', 'k', 'y')).toBe(':100001');
    expect(script.ask('EXPIRE', 'k', '5')).toBe(':1');
    expect(script.ask('SETBIT', 'k', '900000', '1')).toBe(':0');
    expect(script.ask('STRLEN', 'k')).toBe(':112501');
    expect(script.ask('RENAME', 'k', 'l')).toBe('+OK');
    expect(script.ask('TTL', 'l')).toBe(':5');
    expect(script.ask('GETRANGE', 'l', '99999', '100001')).toBe('$3\r\nxy\0');
    expect(script.ask('SETRANGE', 'l', '0', 'z')).toBe(':112501');
    script.nowMs += 5000;
    expect(script.ask('DBSIZE')).toBe(':1');
    expect(script.ask('EXISTS', 'l')).toBe(':0');
    expect(script.ask('DBSIZE')).toBe(':0');
    expect(script.store.table.usedBytes).toBe(16);
  });
});

describe('work is bounded', () => {
  it('of a SCAN of long keys: some of them at a time', () => {
    const script = new Script();
    const keys = Array.from({ length: 400 }, (_, i) => String(i).padEnd(50_000, 'x'));
    for (const key of keys) script.ask('SET', key, '');
    const found = new Set<string>();
    for (let cursor = ''; cursor !== '0'; ) {
      const [, next = '0', , ...rest] = script
        .ask('SCAN', cursor || '0', 'COUNT', '20000')
        .split('\r\n')
        .slice(1);
      const here = rest.filter((_, i) => i % 2 === 1);
      expect(here.length).toBeLessThan(200);
      for (const key of here) found.add(key);
      cursor = next;
    }
    expect(found.size).toBe(keys.length);
  });

  it('of a SCAN with any COUNT', () => {
    const script = new Script();
    for (let i = 0; i < 60_000; i++) script.ask('SET', `{t}${i}`, '');
    const [, cursor] = script.ask('SCAN', '0', 'COUNT', '1000000000').split('\r\n').slice(1);
    expect(Number(cursor)).toBeGreaterThan(0);
  });

  it('of an LCS of long texts', () => {
    const script = new Script();
    script.ask('MSET', 'a', 'x'.repeat(5000), 'b', 'y'.repeat(5000));
    expect(script.ask('LCS', 'a', 'b', 'LEN')).toMatch(/^-ERR Insufficient memory/);
  });
});

describe('a key without room among those made to have its hash', () => {
  it('is an error of the command, which has done nothing else', () => {
    const script = new Script();
    const keys = collidingKeys(65).map((key) => Buffer.from(key).toString('latin1'));
    const refused = keys.pop() as string;
    expect(script.ask('MSET', ...keys.flatMap((key) => [key, 'v']))).toBe('+OK');
    const error = '-ERR too many keys of one slot have hashes that are alike: use other keys';
    expect(script.ask('SET', refused, 'v')).toBe(error);
    expect(script.ask('SET', refused, 'v', 'GET')).toBe(error);
    expect(script.ask('INCR', refused)).toBe(error);
    script.ask('SET', '{a}', 'v');
    expect(script.ask('RENAME', '{a}', refused)).toBe(error);
    expect(script.ask('GET', '{a}')).toBe('$1\r\nv');
    for (const words of [['MULTI'], ['SET', refused, 'v'], ['GET', '{a}']]) script.ask(...words);
    expect(script.ask('EXEC')).toBe(`*2\r\n${error}\r\n$1\r\nv`);
    expect(script.ask('DBSIZE')).toBe(':65');
  });
});
