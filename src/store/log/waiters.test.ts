import { expect, it } from 'vitest';
import { ShoalError } from '../../base/index.ts';
import { Waiters } from './waiters.ts';

it('calls whoever waits once, in the order of the changes, whatever the order in which they came', () => {
  const waiters = new Waiters();
  const called: string[] = [];
  for (const sequence of [5, 3, 9, 3, 7])
    waiters.add(sequence, (error) => called.push(`${sequence}${error === null ? '' : error.code}`));
  waiters.reached(4);
  expect(called).toEqual(['3', '3']);
  expect(waiters.first).toBe(5);
  waiters.reached(7);
  waiters.fail(new ShoalError('disk-failed', 'no'));
  expect(called).toEqual(['3', '3', '5', '7', '9disk-failed']);
  expect(waiters.any).toBe(false);
});

it('keeps nothing of those it called, though somebody waits all the time', () => {
  const waiters = new Waiters();
  let called = 0;
  for (let sequence = 1; sequence <= 100_000; sequence++) {
    waiters.add(sequence, () => called++);
    waiters.reached(sequence - 10);
  }
  expect(called).toBe(99_990);
  expect(waiters.places).toBeLessThan(1000);
});
