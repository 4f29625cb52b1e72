import { describe, expect, it } from 'vitest';
import { SeededRng } from '../base/index.ts';
import { addLongDoubles, longDoubleText, parseLongDouble } from './long-double.ts';
import { int64, smallInteger, writeInteger } from './numbers.ts';

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

describe('whole numbers', () => {
  it.each([
    ['0', 0n],
    ['-1', -1n],
    ['999999999999999', 999999999999999n],
    ['1000000000000000', 1000000000000000n],
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
  ])('takes %s', (text, value) => {
    expect(int64(latin1(`..${text}.`), 2, text.length)).toBe(value);
  });

  it.each([
    '',
    '-',
    '-0',
    '00',
    '01',
    '+1',
    ' 1',
    '1 ',
    '1.0',
    '9223372036854775808',
    '-9223372036854775809',
    '1a',
  ])('takes %j for none', (text) => {
    expect(int64(latin1(text), 0, text.length)).toBe(null);
    expect(smallInteger(latin1(text), 0, text.length)).toBe(Number.NaN);
  });

  it('are written as they are read', () => {
    const rng = new SeededRng(1);
    const bytes = new Uint8Array(40);
    const edges = [0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1, 999_999_999, 1_000_000_000];
    for (let i = 0; i < 5000; i++) {
      const size = edges[i] ?? Math.floor(rng.unit() * 10 ** rng.below(16));
      for (const value of [size, -size]) {
        const length = writeInteger(bytes, 3, value);
        expect(Buffer.from(bytes.subarray(3, 3 + length)).toString()).toBe(String(value));
      }
    }
  });
});

describe('fractions in 80 bits', () => {
  const sum = (a: string, b: string): string | null => {
    const [x, y] = [parseLongDouble(a), parseLongDouble(b)];
    if (x === null || y === null || x === 'infinite' || y === 'infinite') return null;
    const result = addLongDoubles(x, y);
    return result === null ? null : longDoubleText(result);
  };

  it.each([
    ['0.1', '0.2', '0.3'],
    ['3.0e3', '200', '3200'],
    ['10.50', '0.1', '10.6'],
    ['-0', '0', '0'],
    ['1e19', '0.5', '10000000000000000000'],
    ['0x1p-1', '0', '0.5'],
    ['6e-18', '0', '0.00000000000000001'],
    ['5e-18', '0', '0'],
    ['4e-18', '0', '0'],
    ['-4e-18', '0', '-0'],
    ['0.30000000000000004', '0', '0.30000000000000004'],
  ])('%s + %s is %s', (a, b, result) => {
    expect(sum(a, b)).toBe(result === '-0' ? '0' : result);
  });

  it('has the range of the x87, and says when it is left', () => {
    expect(sum('1.1e4932', '0')?.length).toBe(4933);
    expect(sum('1.1e4932', '1.1e4932')).toBe(null);
    for (const text of [
      '1.2e4932',
      '1e5000',
      '1e99999999999',
      '1e-4970',
      '1e-99999999999',
      'nan',
      '',
      ' 1',
      '1 ',
      '1e',
      '.',
      '0x',
    ])
      expect([text, parseLongDouble(text)]).toEqual([text, null]);
    expect(parseLongDouble('-Infinity')).toBe('infinite');
    expect(parseLongDouble('1'.repeat(6000))).toBe(null);
  });

  it('takes a number with a huge exponent without work for it', () => {
    const start = performance.now();
    for (let i = 0; i < 1000; i++) parseLongDouble(`${'9'.repeat(5000)}e-999999999`);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
