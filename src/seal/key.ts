import { createHash, createHmac, randomBytes } from 'node:crypto';
import { ShoalError, utf8 } from '../base/index.ts';

export const KEY_BYTES = 32;
export const KEY_ID_BYTES = 4;

/** A new key as people carry it: base64 of 32 random bytes. */
export function generateKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/** @throws ShoalError `bad-key`; the message never holds what was given. */
export function parseKey(text: string, field = 'key'): Uint8Array {
  const trimmed = text.trim();
  const bytes = /^[A-Za-z0-9+/]{43}=$/.test(trimmed) ? Buffer.from(trimmed, 'base64') : null;
  if (bytes === null || bytes.length !== KEY_BYTES || bytes.toString('base64') !== trimmed) {
    throw new ShoalError(
      'bad-key',
      `${field}: that is not a key: a key is 44 characters of base64, as 'shoal keygen' prints it`,
      field,
    );
  }
  // Of its own: a Buffer of this size lives in a pool shared with everything.
  return Uint8Array.from(bytes);
}

/** Eight hex digits that name a key within one cluster and tell nothing of it. */
export function keyIdOf(key: Uint8Array, cluster: string): string {
  return createHmac('sha256', key).update('shoal key id\0').update(utf8(cluster)).digest('hex').slice(0, 8);
}

/**
 * A key for one purpose. The ring's keys are 32 uniformly random bytes, so that HMAC alone is a sound derivation
 * (RFC 5869 without its first step); the parts are of fixed length but for the last one.
 */
export function deriveKey(key: Uint8Array, label: string, salt: Uint8Array, cluster: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(`shoal 1 ${label}\0`).update(salt).update(cluster).digest();
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}
