import { describe, expect, it } from 'vitest';
import { parseEnds, parsePosition, parseWhole } from './position.ts';

describe('a position', () => {
  it.each([
    ['0', 'start', 0],
    ['4294967295', 'end', 4294967295],
    ['0x0', 'start', 0],
    ['0xFFFFFFFF', 'end', 4294967295],
    ['0X10', 'start', 16],
    ['slot:0', 'start', 0],
    ['slot:0', 'end', 0x3ffff],
    ['slot:16383', 'start', 0xfffc0000],
    ['slot:16383', 'end', 0xffffffff],
    ['007', 'start', 7],
  ] as const)('%s as %s is %d', (text, side, value) => {
    expect(parsePosition(text, 'p', side)).toBe(value);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    '-1',
    '+1',
    '1.0',
    '1e3',
    'abc',
    '0x',
    '0xg',
    'slot:',
    'slot:16384',
    'slot:-1',
    'slot:1.5',
  ])("'%s' is refused by name of the field", (text) => {
    expect(() => parsePosition(text, 'start')).toThrow(
      expect.objectContaining({ code: 'bad-position', field: 'start' }),
    );
  });

  it.each(['4294967296', '0x100000000', '99999999999999999999'])('%s is outside the key space', (text) => {
    expect(() => parsePosition(text, 'end')).toThrow(/outside the key space/);
  });

  it('in a message is short and has no control characters', () => {
    const text = `\x1b[31m${'x'.repeat(500)}`;
    expect(() => parsePosition(text, 'p')).toThrow(/^p: '\?\[31mx{1,60}\.\.\.' is not a position/);
  });
});

describe('two ends', () => {
  it('make a range that includes both', () => {
    expect(parseEnds('slot:1', 'slot:1')).toEqual({ start: 0x40000, end: 0x7ffff });
    expect(parseEnds('5', '5')).toEqual({ start: 5, end: 5 });
  });

  it('are refused when reversed', () => {
    expect(() => parseEnds('6', '5')).toThrow(expect.objectContaining({ code: 'bad-range', field: 'end' }));
  });
});

describe('a whole number', () => {
  it.each(['1.5', 'abc', '', '0', '11', '1e1', '0x5', '-1', ' 5'])("from 1 to 10 is not '%s'", (text) => {
    expect(() => parseWhole(text, '--n', 1, 10, 'bad-n')).toThrow(
      expect.objectContaining({ code: 'bad-n', field: '--n' }),
    );
  });

  it('may be either bound', () => {
    expect([parseWhole('1', 'n', 1, 10, 'c'), parseWhole('10', 'n', 1, 10, 'c')]).toEqual([1, 10]);
  });
});
