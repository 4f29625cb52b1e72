import { type Address, BoundedMap, LIMITS, ReplayWindow } from '../base/index.ts';
import { Freshness } from './freshness.ts';

/** How far behind the newest counter a datagram may come and still be new. */
const WINDOW_SIZE = 2048;

/** A boot of a sender that proved to be alive within this process's life. */
export interface Boot {
  readonly window: ReplayWindow;
  readonly freshness: Freshness;
  /** Keys of this boot, by key id: what is derived once is kept. */
  readonly subkeys: Map<string, Uint8Array>;
  /** When it was last sent our ring. */
  pushedMs: number;
  /** When it was last asked to prove itself, though it is believed. */
  askedMs: number;
}

/** A datagram that waits until its sender has proved that it lives. */
export interface Held {
  readonly kind: number;
  readonly ringDigest: number;
  readonly stamp: number;
  readonly content: Uint8Array;
  readonly keyId: string;
  readonly counter: number;
  readonly from: Address;
  readonly viaMulticast: boolean;
}

interface Asked {
  /** When it was asked, by address: whoever plays its recordings must not turn the question away from it. */
  readonly askedMs: BoundedMap<Address, number>;
  readonly held: Held[];
}

/** A challenge that was not answered is repeated with the next datagram from the same address after this long. */
const ASK_AGAIN_MS = 250;
/** A question is no longer than the datagram it answers, so that forgetting one only means asking again. */
const ADDRESSES_ASKED = 8;

/**
 * Who is known to be alive. A boot that this process has not met may be a recording, however good its tag, and so may what
 * comes later than its sender's clock says: such datagrams are held (few) until the boot has sealed a number of ours
 * (questions.ts). So a replay finds a window that has seen it, or a sender that cannot answer, or that answers with a
 * later counter.
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

  /** It lives: its counters below `floor` are old, and its clock said `stamp` at `atMs` or later. */
  admit(boot: string, floor: number, atMs: number, stamp: number): Boot {
    const known = this.#known.get(boot);
    if (known !== undefined) {
      known.window.raiseFloor(floor);
      known.freshness.prove(atMs, stamp);
      return known;
    }
    const window = new ReplayWindow(floor, WINDOW_SIZE);
    const freshness = new Freshness(atMs, stamp);
    const made: Boot = { window, freshness, subkeys: new Map(), pushedMs: -Infinity, askedMs: -Infinity };
    this.#known.set(boot, made);
    return made;
  }

  /** Holds a datagram; says whether it is time to ask its sender for a proof, and whether one could not be held. */
  hold(boot: string, datagram: Held, nowMs: number): { ask: boolean; dropped: boolean } {
    let asked = this.#asked.get(boot);
    if (asked === undefined) {
      asked = { askedMs: new BoundedMap(ADDRESSES_ASKED), held: [] };
      this.#asked.set(boot, asked);
    }
    asked.held.push(datagram);
    const dropped = asked.held.length > LIMITS.heldDatagrams;
    // The newest are kept: recordings must not take the place of what is said now.
    if (dropped) asked.held.sort((a, b) => b.counter - a.counter).pop();
    const ask = nowMs - (asked.askedMs.get(datagram.from) ?? -Infinity) >= ASK_AGAIN_MS;
    if (ask) asked.askedMs.set(datagram.from, nowMs);
    return { ask, dropped };
  }

  /** What waited for the proof, which came: not held any more. */
  release(boot: string): readonly Held[] {
    const held = this.#asked.get(boot)?.held ?? [];
    this.#asked.delete(boot);
    return held;
  }

  /** Each must prove itself before anything of it is taken. */
  doubt(): void {
    for (const boot of this.#known.values()) boot.freshness.doubt();
  }

  /** Derived keys go with the keys they come from. */
  forgetSubkeys(): void {
    for (const boot of this.#known.values()) boot.subkeys.clear();
  }
}
