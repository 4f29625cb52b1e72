import { describe, expect, it } from 'vitest';
import { type Address, LIMITS } from '../base/index.ts';
import { Strangers } from './strangers.ts';

const at = (n: number): Address => `10.0.0.${n}:1` as Address;

describe('those whose key is not in the ring', () => {
  it('are each logged once, a line in ten seconds, also who came while another was told of', () => {
    const strangers = new Strangers('house-9');
    const lines: string[] = [];
    for (let now = 0; now < 60_000; now += 500) {
      for (const n of [1, 2, 3]) {
        const line = strangers.note(at(n), ['0a1b2c3d'], 'seals with a key that is not in this ring', now);
        if (line !== null) lines.push(`${now} ${line.split(' ')[0]}`);
      }
    }
    expect(lines).toEqual(['0 10.0.0.1:1', '10000 10.0.0.2:1', '20000 10.0.0.3:1']);
    expect(strangers.warnings(60_000)).toEqual([
      expect.stringMatching(/^10.0.0.1:1 \(and so 10.0.0.2:1, 10.0.0.3:1\) seals with /),
    ]);
  });

  it('are logged again after a minute of silence, and then no warning is left of before', () => {
    const strangers = new Strangers('house-9');
    const note = (now: number): string | null => strangers.note(at(1), ['0a1b2c3d'], 'calls', now);
    expect(note(0)).toContain("or its `cluster` differs (this one is 'house-9')");
    expect(note(60_000)).toBeNull();
    expect(strangers.warnings(120_001)).toEqual([]);
    expect(note(120_001)).not.toBeNull();
  });

  it('are forgotten beyond a bound', () => {
    const strangers = new Strangers('house-9');
    for (let n = 0; n < 100; n++) strangers.note(at(n), ['0a1b2c3d'], 'calls', n);
    expect(
      strangers
        .warnings(100)
        .join()
        .match(/10\.0\.0\./g),
    ).toHaveLength(LIMITS.keyStrangers);
  });

  it('take one place each however many keys and ports they invent, and say that it is garbage', () => {
    const strangers = new Strangers('house-9');
    strangers.note(at(1), ['0a1b2c3d'], 'calls', 0);
    for (let n = 0; n < 1000; n++) {
      strangers.note(`10.0.0.2:${1000 + n}` as Address, [n.toString(16).padStart(8, '0')], 'seals', 1);
    }
    const warnings = strangers.warnings(2);
    expect(warnings.length).toBeLessThanOrEqual(1 + 5);
    expect(warnings.filter((line) => line.startsWith('10.0.0.1:1'))).toHaveLength(1);
    expect(warnings.filter((line) => line.includes('different keys')).length).toBe(1);
  });
});
