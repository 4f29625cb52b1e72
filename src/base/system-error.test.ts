import { expect, it } from 'vitest';
import { systemReason } from './system-error.ts';

it('puts the code of a system error into words, and keeps a rare one as it is', () => {
  const failed = (code: string): Error => Object.assign(new Error(`${code}: x, open '/nope'`), { code });
  expect(systemReason(failed('ENOENT'))).toBe('there is no such file or directory');
  expect(systemReason(failed('ECONNREFUSED'))).toBe('nobody listens there');
  expect(systemReason(failed('EXDEV'))).toBe('EXDEV');
});

it('takes the first line of what has no code', () => {
  expect(systemReason(new Error('one\ntwo'))).toBe('one');
  expect(systemReason('thrown text')).toBe('thrown text');
  expect(systemReason(null)).toBe('null');
});
