import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShoalError } from '../base/index.ts';
import { checkPosition, checkRange, KEY_SPACE_END, parsePosition, type Side } from './index.ts';

function errorOf(act: () => unknown): ShoalError {
  try {
    act();
  } catch (error) {
    if (error instanceof ShoalError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a range', () => {
  it('may be one position, the whole key space, and anything between', () => {
    expect(checkRange(0, KEY_SPACE_END)).toEqual({ start: 0, end: KEY_SPACE_END });
    expect(checkRange(7, 7)).toEqual({ start: 7, end: 7 });
    expect(Object.is(checkRange(-0, 0).start, 0)).toBe(true);
  });

  it.each([
    [1.5, 2, 'start', /whole number/],
    [0, Number.NaN, 'end', /whole number/],
    ['1', 2, 'start', /not a number/],
    [0, null, 'end', /not a number/],
    [-1, 2, 'start', /negative/],
    [0, -3, 'end', /negative/],
    [0, KEY_SPACE_END + 1, 'end', /too large.*4294967295/],
    [Number.POSITIVE_INFINITY, 0, 'start', /too large/],
    [5, 4, 'end', /below start 5/],
  ])('from %s to %s is refused, naming %s', (start, end, field, message) => {
    const error = errorOf(() => checkRange(start, end));
    expect(error.code).toBe('bad-range');
    expect(error.field).toBe(field);
    expect(error.message).toMatch(message);
  });
});

describe('a position as text', () => {
  it.each<[string, Side, number]>([
    ['0', 'start', 0],
    ['4294967295', 'end', KEY_SPACE_END],
    ['0xffffffff', 'end', KEY_SPACE_END],
    ['0X10', 'point', 16],
    ['slot:0', 'start', 0],
    ['slot:0', 'end', 0x3ffff],
    ['slot:16383', 'start', 0xfffc0000],
    ['slot:16383', 'end', KEY_SPACE_END],
    ['slot:1', 'point', 0x40000],
  ])('%s as %s is %i', (text, side, position) => {
    expect(parsePosition(text, 'start', side)).toBe(position);
  });

  it.each([
    '',
    ' 1',
    '1e3',
    '0x',
    'slot:',
    'slot:16384',
    'slot:-1',
    'slot:99999999999999999999',
    '4294967296',
    '-1',
    '1.5',
    '0b11',
    'Infinity',
    '9'.repeat(400),
    'two\nlines',
  ])('%j is refused on one short line that names the field', (text) => {
    const error = errorOf(() => parsePosition(text, 'end', 'end'));
    expect(error.code).toBe('bad-range');
    expect(error.field).toBe('end');
    expect(error.message).toMatch(/^end/);
    expect(error.message).not.toContain('\n');
    expect(error.message.length).toBeLessThan(160);
    expect(errorOf(() => parsePosition(text, 'position', 'point')).code).toBe('bad-position');
  });

  it('is read back from decimal and hex', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: KEY_SPACE_END }), (position) => {
        expect(parsePosition(`${position}`, 'p', 'point')).toBe(position);
        expect(parsePosition(`0x${position.toString(16)}`, 'p', 'point')).toBe(position);
        expect(checkPosition(position)).toBe(position);
      }),
    );
  });
});
