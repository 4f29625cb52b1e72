import { expect, it } from 'vitest';
import { RISE_MB, rise } from './vitals.ts';

it('memory that goes up and down for minutes is flat, and memory that leaks is not', () => {
  // Half an hour, a sample every two seconds; a collection every eleven minutes, wherever the life begins in them.
  for (let phase = 0; phase < 330; phase += 30) {
    const saw = Array.from({ length: 900 }, (_, i) => 66 + (5 * ((i + phase) % 330)) / 330 + (i % 3) / 10);
    expect(rise(saw).riseMb).toBeLessThan(1);
    const leaking = saw.map((mb, i) => mb + (8 * i) / 900);
    expect(rise(leaking).riseMb).toBeGreaterThan(RISE_MB);
  }
});
