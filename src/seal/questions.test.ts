import { expect, it } from 'vitest';
import { FRESH_MS } from './freshness.ts';
import { Questions } from './questions.ts';

const process = (n: number): Questions => new Questions((bytes) => new Uint8Array(bytes).fill(n));

it('an answer tells when it was asked for, within a thirtieth of a second and never too late, for four seconds', () => {
  const one = process(1);
  for (const askMs of [0.25, 31.9, 8191.5, 123_456.789]) {
    for (const afterMs of [0, 1, 100, FRESH_MS - 32]) {
      const askedMs = one.askedMs('boot', one.ask('boot', askMs), askMs + afterMs) as number;
      expect(askedMs).toBeLessThanOrEqual(askMs);
      expect(askedMs).toBeGreaterThan(askMs - 33);
    }
    // So long after each other two numbers have the same first byte.
    for (const afterMs of [FRESH_MS + 1, 8192, 2 * 8192])
      expect(one.askedMs('boot', one.ask('boot', askMs), askMs + afterMs)).toBeNull();
  }
});

it('what another boot or process was asked is no answer, and neither is a changed one', () => {
  const one = process(1);
  const asked = one.ask('boot', 5000);
  expect(one.askedMs('other', asked, 5000)).toBeNull();
  expect(process(2).askedMs('boot', asked, 5000)).toBeNull();
  for (let at = 0; at < asked.length; at++) {
    const changed = asked.slice();
    changed[at] = (changed[at] as number) ^ 1;
    expect(one.askedMs('boot', changed, 5000)).toBeNull();
  }
});
