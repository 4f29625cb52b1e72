import { describe, expect, it } from 'vitest';
import type { Address } from './ids.ts';
import { hostOf, SourceLimits, TokenBucket } from './rates.ts';

describe('a token bucket', () => {
  it('gives its burst at once, and then its rate, whatever the clock begins with', () => {
    const bucket = new TokenBucket(10, 5);
    const taken = (fromMs: number, forMs: number): number => {
      let count = 0;
      for (let ms = 0; ms < forMs; ms++) if (bucket.take(fromMs + ms)) count++;
      return count;
    };
    expect(taken(7_000_000, 1)).toBe(1);
    expect(taken(7_000_001, 1000)).toBe(4 + 10);
    expect(taken(7_060_000, 4)).toBe(4);
  });

  it('gives nothing for a clock that goes back', () => {
    const bucket = new TokenBucket(1, 1);
    expect([bucket.take(5000), bucket.take(1000), bucket.take(4000), bucket.take(5999)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(bucket.take(6000)).toBe(true);
  });
});

describe('the limits of strangers', () => {
  const rates = { perSecond: 1, burst: 10, allPerSecond: 1, allBurst: 100, hosts: 50 };
  const from = (host: number, port = 1): Address => `10.0.${host >> 8}.${host & 255}:${port}` as Address;

  it('are by host, so that other ports gain nothing and other hosts lose nothing', () => {
    const limits = new SourceLimits(rates);
    let admitted = 0;
    for (let port = 1; port <= 1000; port++) if (limits.admit(from(1, port), 0)) admitted++;
    expect(admitted).toBe(10);
    expect(limits.admit(from(2), 0)).toBe(true);
  });

  it('are for all of them together too, however many hosts are forged', () => {
    const limits = new SourceLimits(rates);
    let admitted = 0;
    for (let host = 0; host < 10_000; host++) if (limits.admit(from(host), 0)) admitted++;
    expect(admitted).toBe(100);
  });

  it('know a host by all that stands before the port', () => {
    expect(hostOf('[fe80::1]:29999' as Address)).toBe('[fe80::1]');
    expect(hostOf('10.0.0.1:29999' as Address)).toBe('10.0.0.1');
  });
});
