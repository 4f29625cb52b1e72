import { expect, test } from 'vitest';
import type { Store } from '../store/index.ts';
import { clientBudgetMb, fullText, memoryBudgetMb } from './store-budget.ts';

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

test.each([
  [
    'memory',
    "OOM command not allowed when used memory > 'maxmemory'.",
    /memory \(store_memory, 8 MB\) is used up: delete/,
  ],
  ['disk', 'ENOSPC the disk budget of the store (store_disk) is used up', /\(store_disk\) is used up$/],
] as const)('says which budget is used up and what to do: %s', (lacks, refusal, text) => {
  expect(fullText({ lacks, refusal } as Store, 8)).toMatch(text);
});
