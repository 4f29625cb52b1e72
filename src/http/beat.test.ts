import { afterEach, beforeEach, expect, it } from 'vitest';
import { ask, type Running, run } from './fake-node.ts';

let running: Running;
beforeEach(async () => {
  running = await run();
});
afterEach(() => running.stop());

it('readers over TCP have the group asked a few times a second however many they are, those on the socket at once', async () => {
  const spans: number[] = [];
  const asked = (): number => running.node.calls.filter(([what]) => what === 'converged').length;
  const startMs = performance.now();
  // When each question was put, as seen by the loop that asks again as soon as it has its answer.
  const readers = Array.from({ length: 8 }, async () => {
    while (performance.now() - startMs < 900) {
      expect((await ask(running.port, 'GET', '/v1/converged')).status).toBe(200);
      spans.push(performance.now() - startMs);
    }
  });
  await Promise.all(readers);
  const tookMs = performance.now() - startMs;
  // All eight are let through together: so many turns, and no more questions than that at different times.
  const turns = new Set(spans.map((ms) => Math.round(ms / 100))).size;
  expect(asked()).toBe(spans.length);
  expect(spans.length).toBeLessThanOrEqual(8 * (Math.ceil(tookMs / 250) + 1));
  expect(turns).toBeLessThanOrEqual(2 * (Math.ceil(tookMs / 250) + 1));
  const eachMs: number[] = [];
  for (let i = 0; i < 10; i++) {
    const sinceMs = performance.now();
    await ask(running.socketPath, 'GET', '/v1/converged');
    eachMs.push(performance.now() - sinceMs);
  }
  expect(asked()).toBe(spans.length + 10);
  // A machine that is busy delays some of them; a turn of the group's would delay all but the first.
  expect(eachMs.sort((a, b) => a - b)[1]).toBeLessThan(150);
});
