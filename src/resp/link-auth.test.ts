import { expect, test } from 'vitest';
import { type Greeting, isNonce, linkSecret, proofOf, secretOf } from './link-auth.ts';

const greeting: Greeting = {
  kind: 'relay',
  dialer: '0000000000000001',
  acceptor: '0000000000000002',
  dialerNonce: 'a'.repeat(32),
  acceptorNonce: 'b'.repeat(32),
};
const [one, two] = [linkSecret('one'), linkSecret(Uint8Array.of(2))];

test('a proof is accepted by who has the same secret, among others, and by nobody else', () => {
  const proof = proofOf(one, 'dialer', greeting);
  expect(secretOf([two, one], 'dialer', greeting, [proof])).toBe(one);
  expect(secretOf([two], 'dialer', greeting, [proof])).toBe(null);
  expect(secretOf([], 'dialer', greeting, [proof])).toBe(null);
  expect(secretOf([one], 'dialer', greeting, ['', 'short', 'x'.repeat(64)])).toBe(null);
});

test('a proof is good for one side, one link, one pair of nodes and one pair of nonces only', () => {
  const proof = proofOf(one, 'dialer', greeting);
  expect(secretOf([one], 'acceptor', greeting, [proof])).toBe(null);
  for (const change of [
    { kind: 'final' },
    { dialer: '0000000000000003' },
    { acceptor: '0000000000000003' },
    { dialerNonce: 'c'.repeat(32) },
    { acceptorNonce: 'c'.repeat(32) },
  ])
    expect(secretOf([one], 'dialer', { ...greeting, ...change }, [proof])).toBe(null);
});

test('a nonce is 32 hex digits', () => {
  expect(['a'.repeat(32), 'a'.repeat(31), 'G'.repeat(32), ''].map(isNonce)).toEqual([
    true,
    false,
    false,
    false,
  ]);
});
