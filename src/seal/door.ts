import type { Address } from '../base/index.ts';
import { Datagrams } from './datagrams.ts';
import { MIN_DATAGRAM_BYTES, readHeader, SEALED } from './envelope.ts';
import { KeyUses } from './keys.ts';
import { KeyRing } from './ring.ts';
import type { Shared } from './shared.ts';

/**
 * Keys of the key file that the saved ring lacks. They are not installed: a wrong file on one board would bring its key
 * into every ring. But the board may have been off for a rotation, and the file be newer than its ring; so with these
 * keys it proves to others that it lives and takes their ring, as with any other key, and nothing else: no message
 * goes in or out by them, and its own ring is not told. Whether that ring is taken, group-seal.ts decides.
 */
export class Door {
  readonly #keys: KeyRing;
  readonly #datagrams: Datagrams;

  constructor(
    shared: Shared,
    keys: readonly Uint8Array[],
    send: (to: Address, bytes: Uint8Array) => void,
    ringCame: (bytes: Uint8Array, from?: Address) => void,
  ) {
    // Unlike any: whoever is met tells its ring.
    this.#keys = KeyRing.begin(shared.cluster, keys, 1);
    const own: Shared = {
      ring: this.#keys,
      uses: new KeyUses(),
      cluster: shared.cluster,
      clusterBytes: shared.clusterBytes,
      random: (bytes) => shared.random(bytes),
      nowMs: () => shared.nowMs(),
      wallMs: () => shared.wallMs(),
      drop: (reason) => shared.drop(reason),
      stranger: () => {},
      unsealed: () => {},
      understood: () => {},
      ringCame,
    };
    this.#datagrams = new Datagrams(own, { send, multicast: () => {}, deliver: () => {} });
  }

  /** Whether this is sealed with one of these keys, by what its header says. */
  knocks(bytes: Uint8Array): string | null {
    if (bytes[0] !== SEALED || bytes.length < MIN_DATAGRAM_BYTES) return null;
    const { keyId } = readHeader(bytes);
    return this.#keys.get(keyId) === null ? null : keyId;
  }

  received(bytes: Uint8Array, from: Address, viaMulticast: boolean): void {
    this.#datagrams.received(bytes, from, viaMulticast);
  }

  clockJumped(): void {
    this.#datagrams.clockJumped();
  }
}
