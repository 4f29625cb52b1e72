import { expect, it } from 'vitest';
import { shortened } from './slow-log.ts';

it('a slow command of a megabyte makes no text of a megabyte', () => {
  const asked: number[] = [];
  const words = shortened(
    40,
    () => 1 << 20,
    (_, most) => {
      asked.push(most);
      return 'x'.repeat(most);
    },
  );
  expect(asked).toEqual(new Array(31).fill(128));
  expect(words[0]).toBe(`${'x'.repeat(128)}... (1048448 more bytes)`);
  expect(words.at(-1)).toBe('... (9 more arguments)');
});
