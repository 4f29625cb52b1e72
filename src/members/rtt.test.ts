import { expect, test } from 'vitest';
import { RoundTrip, RTO } from './rtt.ts';

test('before any sample the timeout is the initial one, afterwards it follows the round trip, within its bounds', () => {
  const rtt = new RoundTrip();
  expect(rtt.timeoutMs()).toBe(RTO.initialMs);
  for (let i = 0; i < 50; i++) rtt.sample(0.5);
  expect(rtt.srttMs).toBeCloseTo(0.5);
  expect(rtt.timeoutMs()).toBe(RTO.minMs);
  for (let i = 0; i < 50; i++) rtt.sample(100);
  expect(rtt.timeoutMs()).toBeGreaterThan(100);
  expect(rtt.timeoutMs()).toBeLessThan(150);
  for (let i = 0; i < 50; i++) rtt.sample(60_000);
  expect(rtt.timeoutMs()).toBe(RTO.maxMs);
});

test('answers that come after the timeout double it until one is in time, so that a network that became slow is learnt', () => {
  const rtt = new RoundTrip();
  for (let i = 0; i < 50; i++) rtt.sample(0.5);
  const roundTripMs = 300;
  let sentTwice = 0;
  for (let message = 0; message < 20; message++) {
    if (rtt.timeoutMs() > roundTripMs) {
      rtt.sample(roundTripMs);
    } else {
      sentTwice++;
      rtt.late();
    }
  }
  expect(sentTwice).toBeLessThanOrEqual(3);
  expect(rtt.timeoutMs()).toBeGreaterThan(roundTripMs);
});

test('a sample ends the doubling, which is bounded', () => {
  const rtt = new RoundTrip();
  rtt.sample(0.5);
  for (let i = 0; i < 100; i++) rtt.late();
  expect(rtt.timeoutMs()).toBeLessThanOrEqual(RTO.minMs * 16);
  rtt.sample(0.5);
  expect(rtt.timeoutMs()).toBe(RTO.minMs);
});
