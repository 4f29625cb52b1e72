import { ClockWatch } from './clock-watch.ts';
import { SALT_BYTES } from './envelope.ts';
import { deriveKey, sha256 } from './key.ts';

/** Counters of one salt: 2^40 last 34 years at a thousand datagrams a second; the field holds 2^48. */
const REKEY_AT = 2 ** 40;
/** A proof vouches for the counters used within the last one to two of these. */
const MARK_MS = 2000;

/**
 * This process as a sender: a random salt, and a counter that only rises. Every key is derived from a ring key and the
 * salt, so that counters of another boot, process or node meet another key. A new salt long before the counter ends, and
 * when the wall clock has jumped: this may be one of two copies of a machine, or an older state of it.
 */
export class OwnBoot {
  readonly #random: (bytes: number) => Uint8Array;
  readonly #cluster: Uint8Array;
  readonly #wallMs: () => number;
  readonly #rekeyAt: number;
  readonly #clocks: ClockWatch;
  readonly #subkeys = new Map<string, Uint8Array>();
  #salt: Uint8Array;
  #counter = 0;
  #olderMark = 1;
  #mark = 1;
  #markMs = -Infinity;
  rekeys = 0;

  constructor(
    random: (bytes: number) => Uint8Array,
    cluster: Uint8Array,
    wallMs: () => number,
    rekeyAt = REKEY_AT,
  ) {
    this.#random = random;
    this.#cluster = cluster;
    this.#wallMs = wallMs;
    this.#rekeyAt = rekeyAt;
    this.#clocks = new ClockWatch(wallMs);
    this.#salt = this.#newSalt();
  }

  get salt(): Uint8Array {
    return this.#salt;
  }

  get name(): string {
    return Buffer.from(this.#salt).toString('latin1');
  }

  /** The last counter used. */
  get counter(): number {
    return this.#counter;
  }

  next(nowMs: number): number {
    if (this.#clocks.jumped(nowMs) || this.#counter >= this.#rekeyAt) this.#renew();
    this.#counter++;
    if (nowMs - this.#markMs >= MARK_MS) {
      // After a silence both marks are now: what was sent before it is old.
      this.#olderMark = nowMs - this.#markMs >= 2 * MARK_MS ? this.#counter : this.#mark;
      this.#mark = this.#counter;
      this.#markMs = nowMs;
    }
    return this.#counter;
  }

  /** Counters from here on were used within the last few seconds. */
  recentFrom(nowMs: number): number {
    return nowMs - this.#markMs >= 2 * MARK_MS ? this.#counter + 1 : this.#olderMark;
  }

  subkey(id: string, key: Uint8Array): Uint8Array {
    let subkey = this.#subkeys.get(id);
    if (subkey === undefined) {
      subkey = deriveKey(key, 'datagram', this.#salt, this.#cluster);
      this.#subkeys.set(id, subkey);
    }
    return subkey;
  }

  forgetSubkeys(): void {
    this.#subkeys.clear();
  }

  #renew(): void {
    this.#salt = this.#newSalt();
    this.#counter = 0;
    this.#olderMark = 1;
    this.#mark = 1;
    this.#subkeys.clear();
    this.rekeys++;
  }

  /** Two copies of a machine have one source of randomness, in one state: the time tells them apart. */
  #newSalt(): Uint8Array {
    const parts = Buffer.alloc(40);
    parts.set(this.#random(32));
    parts.writeDoubleBE(this.#wallMs(), 32);
    return sha256(parts).slice(0, SALT_BYTES);
  }
}
