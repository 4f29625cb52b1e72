import { expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { KnownHosts } from './known-hosts.ts';

it('where members live is known by their addresses, read once a second at most', () => {
  let [nowMs, reads] = [0, 0];
  const members = ['192.0.2.1:7', '[2001:db8::1]:7'] as Address[];
  const known = new KnownHosts(
    () => {
      reads++;
      return members;
    },
    () => nowMs,
  );
  expect(['192.0.2.1', '2001:db8::1', '192.0.2.2'].map((ip) => known.has(ip))).toEqual([true, true, false]);
  members.push('192.0.2.2:7' as Address);
  expect([known.has('192.0.2.2'), reads]).toEqual([false, 1]);
  nowMs = 1000;
  expect([known.has('192.0.2.2'), reads]).toEqual([true, 2]);
});
