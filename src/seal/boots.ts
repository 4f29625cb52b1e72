import { type Address, BoundedMap, LIMITS } from '../base/index.ts';
import { ReplayWindow } from './window.ts';

/** A boot of a sender that proved to be alive within this process's life. */
export interface Boot {
  readonly window: ReplayWindow;
  /** Keys of this boot, by key id: what is derived once is kept. */
  readonly subkeys: Map<string, Uint8Array>;
  /** When it was last sent our ring. */
  pushedMs: number;
}

/** A datagram that waits until its sender has proved that it lives. */
export interface Held {
  readonly kind: number;
  readonly ringDigest: number;
  readonly content: Uint8Array;
  readonly keyId: string;
  readonly counter: number;
  readonly from: Address;
  readonly viaMulticast: boolean;
}

interface Asked {
  readonly nonce: string;
  /** When it was asked, by address: whoever plays its recordings must not turn the question away from it. */
  readonly askedMs: BoundedMap<Address, number>;
  readonly held: Held[];
}

/** A challenge that was not answered is repeated with the next datagram from the same address after this long. */
const ASK_AGAIN_MS = 250;
/** A question is no longer than the datagram it answers, so that forgetting one only means asking again. */
const ADDRESSES_ASKED = 8;

/**
 * Who is known to be alive. A boot that this process has not met may be a recording, however good its tag: its
 * datagrams are held (few) until it has sealed our random number. So a replay finds either a window that has seen it, or
 * a sender that cannot answer.
 */
export class Boots {
  readonly #known = new BoundedMap<string, Boot>(LIMITS.sealedBoots);
  readonly #asked = new BoundedMap<string, Asked>(LIMITS.sealedProofs);

  get size(): number {
    return this.#known.size;
  }

  get(boot: string): Boot | undefined {
    return this.#known.get(boot);
  }

  /** Its counters below `floor` are old; nothing is known of those from there on. */
  admit(boot: string, floor: number): Boot {
    const known = this.#known.get(boot);
    if (known !== undefined) return known;
    const made: Boot = { window: new ReplayWindow(floor), subkeys: new Map(), pushedMs: -Infinity };
    this.#known.set(boot, made);
    return made;
  }

  /** Holds a datagram; gives the number to ask with when it is time to ask, and says when one could not be held. */
  hold(
    boot: string,
    datagram: Held,
    nowMs: number,
    newNonce: () => string,
  ): { ask: string | null; dropped: boolean } {
    let asked = this.#asked.get(boot);
    if (asked === undefined) {
      asked = { nonce: newNonce(), askedMs: new BoundedMap(ADDRESSES_ASKED), held: [] };
      this.#asked.set(boot, asked);
    }
    asked.held.push(datagram);
    const dropped = asked.held.length > LIMITS.heldDatagrams;
    // The newest are kept: recordings must not take the place of what is said now.
    if (dropped) asked.held.sort((a, b) => b.counter - a.counter).pop();
    if (nowMs - (asked.askedMs.get(datagram.from) ?? -Infinity) < ASK_AGAIN_MS) return { ask: null, dropped };
    asked.askedMs.set(datagram.from, nowMs);
    return { ask: asked.nonce, dropped };
  }

  /** The held datagrams, when `nonce` is what this boot was asked with. */
  proved(boot: string, nonce: string): readonly Held[] | null {
    const asked = this.#asked.get(boot);
    if (asked === undefined || asked.nonce !== nonce) return null;
    this.#asked.delete(boot);
    return asked.held;
  }

  /** Held without a proof: for a boot that proved itself otherwise (by a stream). */
  release(boot: string): readonly Held[] {
    const held = this.#asked.get(boot)?.held ?? [];
    this.#asked.delete(boot);
    return held;
  }

  /** Derived keys go with the keys they come from. */
  forgetSubkeys(): void {
    for (const boot of this.#known.values()) boot.subkeys.clear();
  }
}
