import { afterEach, describe, expect, it } from 'vitest';
import { Alarm } from './alarm.ts';
import { until } from './testing/poll.ts';

const alarms: Alarm[] = [];
afterEach(() => {
  for (const alarm of alarms.splice(0)) alarm.clear();
});

function make(): { alarm: Alarm; fired: number[] } {
  const fired: number[] = [];
  const alarm = new Alarm(
    () => performance.now(),
    (nowMs) => fired.push(nowMs),
  );
  alarms.push(alarm);
  return { alarm, fired };
}

describe('alarm', () => {
  it('fires once, also for a deadline that has passed, and never within the call', async () => {
    const { alarm, fired } = make();
    alarm.set(performance.now() - 1000);
    expect(fired).toHaveLength(0);
    await until('fired', () => fired.length === 1);
    alarm.set(Infinity);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(fired).toHaveLength(1);
  });

  it('keeps the earlier of two deadlines', async () => {
    const { alarm, fired } = make();
    const startMs = performance.now();
    alarm.set(startMs + 60_000);
    alarm.set(startMs + 10);
    alarm.set(startMs + 30_000);
    await until('fired', () => fired.length === 1);
    expect((fired[0] as number) - startMs).toBeLessThan(5000);
  });

  it('measures the lag of an event loop that was held up, and forgets it', async () => {
    let shiftMs = 0;
    const fired: number[] = [];
    const alarm = new Alarm(
      () => performance.now() + shiftMs,
      (nowMs) => fired.push(nowMs),
    );
    alarms.push(alarm);
    alarm.set(performance.now() + 5);
    const heldUntil = performance.now() + 60;
    while (performance.now() < heldUntil);
    await until('fired', () => fired.length === 1);
    expect(alarm.lagMs()).toBeGreaterThan(40);
    shiftMs = 21_000;
    expect(alarm.lagMs()).toBe(0);
  });
});
