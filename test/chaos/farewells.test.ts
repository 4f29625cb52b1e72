import { expect, it } from 'vitest';
import { Farewells } from './farewells.ts';

it('a farewell is true of the life that said it, however late it is heard, and of no later one', () => {
  const farewells = new Farewells();
  expect(farewells.isTrue('a', 1)).toBe(false);
  farewells.said('a');
  expect(farewells.isTrue('a', 3)).toBe(true);
  expect(farewells.isTrue('b', 3)).toBe(false);
  const back = farewells.back('a');
  back(5);
  expect(farewells.isTrue('a', 3)).toBe(true);
  expect(farewells.isTrue('a', 5)).toBe(false);
  farewells.said('a');
  expect(farewells.isTrue('a', 5)).toBe(true);
  // What a life before it answers late does not count.
  back(4);
  expect(farewells.isTrue('a', 5)).toBe(true);
});
