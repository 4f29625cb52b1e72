import type { Address } from '../base/index.ts';
import type { KeyUses } from './keys.ts';
import type { KeyRing } from './ring.ts';

/** Why something was dropped. Counted, never answered with an error that escapes. */
export const DROPS = [
  'too-short',
  'unsealed',
  'other-version',
  'unknown-key',
  'bad-tag',
  'replayed',
  'too-old',
  'unproven',
  'stale-proof',
  'own-echo',
  'malformed',
  'unknown-kind',
  'stream-refused',
  'too-many-challenges',
  'too-many',
  'by-multicast',
] as const;
export type Drop = (typeof DROPS)[number];

/** What datagrams and streams of one group have in common. */
export interface Shared {
  readonly ring: KeyRing;
  readonly uses: KeyUses;
  readonly cluster: string;
  readonly clusterBytes: Uint8Array;
  random(bytes: number): Uint8Array;
  nowMs(): number;
  wallMs(): number;
  drop(reason: Drop): void;
  /** Somebody's key is not in this ring; `trying`: another one may be. */
  stranger(from: Address, ids: readonly string[], how: string, trying?: boolean): void;
  /** Somebody talks without a key. */
  unsealed(from: Address): void;
  /** What it says can be opened: nothing is to be said of its key any more. */
  understood(from: Address): void;
  /** A peer's ring, opened. */
  ringCame(bytes: Uint8Array, from?: Address): void;
}
