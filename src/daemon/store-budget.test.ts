import { expect, test } from 'vitest';
import { memoryBudgetMb } from './store-budget.ts';

test('messages get half of what the machine or the control group has beyond the process', () => {
  expect(memoryBudgetMb(1064, Infinity)).toBe(500);
  expect(memoryBudgetMb(8000, 104)).toBe(20);
  expect(memoryBudgetMb(64, Infinity)).toBe(8);
  expect(memoryBudgetMb()).toBeGreaterThanOrEqual(8);
});
