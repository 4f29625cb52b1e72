/**
 * How nodes prove to each other that they are of one group before one forwards a client's commands to the other.
 *
 * A challenge and response in both directions (as in ISO 9798-4): each side contributes a nonce, and shows that it knows a
 * secret by an HMAC over both nonces, both node ids and its side. The dialer proves first, by each secret it has, and only
 * then hears a proof: a port that answered strangers with one would let them try passwords at home. Secrets come from
 * the group's keyring when traffic is sealed, else from the store's password as it is now (CONFIG SET may change it, on
 * every node); either passes one HMAC with a label of its own first (HKDF's expand step, RFC 5869), so that what is seen
 * here tells nothing of the key that seals the gossip. While a key rotates any common secret will do.
 *
 * Threat model. Kept out: whoever can connect to the port but knows no secret of the group; a stranger who answers on a
 * dead node's address, since the dialer asks for proof as well; replays, by the nonces. Not kept out: whoever reads
 * or changes packets between the nodes; he, and the stranger on a dead node's address, see the dialer's proof and may try
 * passwords on it, so a password must be too long to guess (keys are). Commands and replies pass in the clear, as they do between Redis clients and servers,
 * and nothing binds them to the proof: where the network is not trusted, put it in a tunnel (WireGuard, IPsec).
 * Without any secret, links are taken from loopback, or from anywhere when the node runs insecure; elsewhere refused.
 *
 * Test: link-auth.test.ts, node-links.test.ts.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { utf8 } from '../base/index.ts';

const LABEL = 'shoal store link 1';
const NONCE_HEX = 32;

/** What both sides have said, in the clear. */
export interface Greeting {
  readonly kind: string;
  readonly dialer: string;
  readonly acceptor: string;
  readonly dialerNonce: string;
  readonly acceptorNonce: string;
}

/** A link secret of a key or a password. */
export function linkSecret(from: Uint8Array | string): Uint8Array {
  return createHmac('sha256', typeof from === 'string' ? utf8(from) : from)
    .update(LABEL)
    .digest();
}

export function proofOf(secret: Uint8Array, side: 'dialer' | 'acceptor', greeting: Greeting): string {
  const { kind, dialer, acceptor, dialerNonce, acceptorNonce } = greeting;
  return createHmac('sha256', secret)
    .update([side, kind, dialer, acceptor, dialerNonce, acceptorNonce].join('\0'))
    .digest('hex');
}

/** The secret that a proof was made with, or null. */
export function secretOf(
  secrets: readonly Uint8Array[],
  side: 'dialer' | 'acceptor',
  greeting: Greeting,
  proofs: readonly string[],
): Uint8Array | null {
  for (const secret of secrets) {
    const wanted = Buffer.from(proofOf(secret, side, greeting));
    for (const proof of proofs) {
      const given = Buffer.from(proof);
      if (given.length === wanted.length && timingSafeEqual(given, wanted)) return secret;
    }
  }
  return null;
}

export function isNonce(text: string): boolean {
  return text.length === NONCE_HEX && /^[0-9a-f]+$/.test(text);
}
