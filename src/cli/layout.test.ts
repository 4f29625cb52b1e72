import { describe, expect, it } from 'vitest';
import { columns, duration, shareOfKeySpace, tagList } from './layout.ts';

it('columns are as wide as their widest cell, the last one is not padded, empty cells are dashes', () => {
  const rows = [
    ['a', 'bb', ''],
    ['ccc', '', 'd'],
  ];
  expect(columns(rows)).toEqual(['a    bb  -', 'ccc  -   d']);
  expect(columns([])).toEqual([]);
});

it('control characters never reach the terminal', () => {
  expect(columns([['a\x1b[31m\n']])).toEqual(['a?[31m?']);
});

it.each([
  [0.5, '0 s'],
  [59.9, '59 s'],
  [61, '1 min 1 s'],
  [3725, '1 h 2 min'],
  [90000, '1 d 1 h'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

describe('a share of the key space', () => {
  it.each([
    [0, '0 %'],
    [1, 'under 0.1 %'],
    [2 ** 30, '25 %'],
    [2 ** 32 / 3, '33.3 %'],
    [2 ** 32 - 1, 'over 99.9 %'],
    [2 ** 32, '100 %'],
  ])('of %d positions is %s', (positions, text) => {
    expect(shareOfKeySpace(positions)).toBe(text);
  });
});

it('tags are sorted, and quoted where they would be ambiguous', () => {
  expect(tagList({ b: '2', a: '1', c: 'x y', d: 'p,q' })).toBe('a=1,b=2,c="x y",d="p,q"');
});
