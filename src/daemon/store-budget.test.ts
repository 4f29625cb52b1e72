import { expect, test } from 'vitest';
import { clientBudgetMb, memoryBudgetMb } from './store-budget.ts';

test('messages get half of what the machine or the control group has beyond the process', () => {
  expect(memoryBudgetMb(1064, Infinity)).toBe(500);
  expect(memoryBudgetMb(8000, 104)).toBe(20);
  expect(memoryBudgetMb(64, Infinity)).toBe(8);
  expect(memoryBudgetMb()).toBeGreaterThanOrEqual(8);
});

test('clients get half as much, and something on the smallest board', () => {
  expect(clientBudgetMb(500)).toBe(250);
  expect(clientBudgetMb(8)).toBe(8);
});
