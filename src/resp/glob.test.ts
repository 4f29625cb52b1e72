import { describe, expect, it } from 'vitest';
import { Glob } from './glob.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const matches = (pattern: string, text: string, blind = false): boolean =>
  new Glob(bytes(pattern), blind).matches(bytes(text));

describe('a glob pattern', () => {
  // Each was asked of redis-server 7.0.15 (CONFIG GET, KEYS).
  it.each([
    ['*', 'anything', true],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'heeeello', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hello', false],
    ['h[^e]llo', 'hallo', true],
    ['h[a-c]llo', 'hbllo', true],
    ['h[c-a]llo', 'hbllo', true],
    ['h\\*llo', 'h*llo', true],
    ['h\\*llo', 'hxllo', false],
    ['h[\\]]llo', 'h]llo', true],
    ['a*b*c', 'aXbXbXc', true],
    ['a*b*c', 'aXbXbX', false],
    ['abc**', 'abc', true],
    ['a[bc', 'ab', true],
    ['a\\', 'a\\', true],
    ['', '', true],
    ['', 'a', false],
  ])("'%s' and '%s': %s", (pattern, text, is) => {
    expect(matches(pattern, text)).toBe(is);
  });

  it('may be blind to case', () => {
    expect(matches('MAX*', 'maxclients', true)).toBe(true);
    expect(matches('[A-Z]x', 'qX', true)).toBe(true);
    expect(matches('MAX*', 'maxclients')).toBe(false);
  });

  it('of many stars costs no more than the product of the lengths', () => {
    const glob = new Glob(bytes(`${'a*'.repeat(50)}b`));
    expect(glob.matches(bytes('a'.repeat(500)))).toBe(false);
    expect(glob.gaveUp).toBe(false);
    expect(glob.looks).toBeLessThan(101 * 500);
  });

  it('that is longer than the looks it may take is not compared, for one character might take them all', () => {
    const glob = new Glob(bytes(`[${'a'.repeat(1000)}`), false, 1000);
    expect(glob.matches(bytes('a'))).toBe(false);
    expect([glob.gaveUp, glob.looks]).toEqual([true, 0]);
  });

  it('that is one star is told from others', () => {
    expect(new Glob(bytes('*')).matchesAll).toBe(true);
    expect(new Glob(bytes('a*')).matchesAll).toBe(false);
  });
});
