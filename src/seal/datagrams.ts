import { type Address, assert, BoundedMap, LIMITS, SourceLimits, TokenBucket } from '../base/index.ts';
import { type Boot, Boots, type Held } from './boots.ts';
import { CONTENT, Envelope, type Header, MIN_DATAGRAM_BYTES, readHeader, SEALED } from './envelope.ts';
import { FRESH_MS, stampOf } from './freshness.ts';
import { deriveKey } from './key.ts';
import { Offers } from './offers.ts';
import { OwnBoot } from './own-boot.ts';
import { QUESTION_BYTES, Questions } from './questions.ts';
import type { Shared } from './shared.ts';

export interface DatagramOutputs {
  send(to: Address, bytes: Uint8Array): void;
  multicast(bytes: Uint8Array): void;
  /** What was sealed by a living peer and is new. */
  deliver(message: Uint8Array, from: Address, viaMulticast: boolean): void;
}

/** Our ring goes to a boot whose ring differs at most this often. */
const PUSH_MS = 500;
/** Who was not heard for so long may lack the key that we seal with. */
const SILENT_MS = 5000;
/** Of those who hear a multicast that may be answered about so many do. */
const PUSHERS = 8;
/** Proofs given per second at most; each costs about as much as the challenge that asked for it. */
const PROOFS_PER_SECOND = 500;
/** What is asked is followed by zeros: the answer, which tells a counter too, is no longer than it. */
const CHALLENGE_BYTES = QUESTION_BYTES + 6;
/** A boot that is believed is asked for its hourly proof at most so often. */
const ASK_KNOWN_MS = 5000;
/** Datagrams looked at whose boot has not proved that it lives; what members say is not among them. */
const STRANGERS = {
  perSecond: 200,
  burst: 1000,
  allPerSecond: 2000,
  allBurst: 8000,
  hosts: LIMITS.strangerHosts,
};

/** Sealed datagrams: seals what goes out, opens what comes in, and lets through what is new and from the living. */
export class Datagrams {
  readonly boots = new Boots();
  readonly own: OwnBoot;
  readonly counters = { challenges: 0, proofs: 0, ringsSent: 0 };
  readonly #shared: Shared;
  readonly #out: DatagramOutputs;
  readonly #envelope: Envelope;
  /** Peers whose ring differs from ours, with the key they last sealed with: that one they can open. */
  readonly #answerKeys = new BoundedMap<Address, string>(LIMITS.sealedBoots);
  /** When peers were last heard, with which key, and how often they were tried since. */
  readonly #heard = new BoundedMap<Address, { ms: number; keyId: string; tries: number }>(LIMITS.sealedBoots);
  readonly offers: Offers;
  readonly #questions: Questions;
  /** Peers whose ring was ours when they were last heard. */
  #alike = new BoundedMap<Address, true>(LIMITS.sealedBoots);
  /** For those whose challenges may be recordings, played as often as somebody likes. */
  readonly #strangerProofs = new TokenBucket(PROOFS_PER_SECOND, PROOFS_PER_SECOND);
  readonly #proofs = new TokenBucket(PROOFS_PER_SECOND, PROOFS_PER_SECOND);
  readonly #strangers = new SourceLimits(STRANGERS);
  /** The same for what is late of those known: to use it up takes recordings, to use up the other a key's id. */
  readonly #late = new SourceLimits(STRANGERS);

  constructor(shared: Shared, out: DatagramOutputs, rekeyAt?: number) {
    this.#shared = shared;
    this.#out = out;
    this.#envelope = new Envelope(shared.cluster);
    const random = (bytes: number): Uint8Array => shared.random(bytes);
    this.own = new OwnBoot(random, shared.clusterBytes, () => shared.wallMs(), rekeyAt);
    this.offers = new Offers(MIN_DATAGRAM_BYTES + CHALLENGE_BYTES);
    this.#questions = new Questions(random);
  }

  send(to: Address, message: Uint8Array): void {
    this.#out.send(to, this.#seal(this.#keyFor(to), CONTENT.message, message));
  }

  multicast(message: Uint8Array): void {
    this.#out.multicast(this.#seal(this.#shared.ring.primary, CONTENT.message, message));
  }

  /** Tells a peer our ring, sealed with a key it can open; `keyId` when nothing is known of the peer. */
  sendRing(to: Address, keyId: string): void {
    const known = this.#answerKeys.get(to);
    const usable = known !== undefined && this.#shared.ring.get(known) !== null ? known : keyId;
    this.counters.ringsSent++;
    this.#out.send(to, this.#seal(usable, CONTENT.ring, this.#shared.ring.encode()));
  }

  /** After the ring changed: keys that are gone are gone from here too. */
  ringChanged(): void {
    this.#alike = new BoundedMap(LIMITS.sealedBoots);
    this.own.forgetSubkeys();
    this.boots.forgetSubkeys();
  }

  /** What came of late with a key that only now is known. */
  openWaiting(): void {
    const waiting = this.offers.takeWaiting(this.#shared.nowMs());
    for (const { bytes, from, viaMulticast } of waiting) {
      if (this.#shared.ring.get(readHeader(bytes).keyId) !== null) this.received(bytes, from, viaMulticast);
    }
  }

  /** Whether a peer showed that it has this key: its ring is ours, or it sealed with that key. */
  holds(peer: Address, keyId: string): boolean {
    return this.#alike.has(peer) || this.#answerKeys.get(peer) === keyId;
  }

  /** Time passed that our clock did not see: what is known of others' clocks, and was asked of them, is worth nothing. */
  clockJumped(): void {
    this.boots.doubt();
    this.#questions.renew();
  }

  /** A stream proved that this boot lives, that its counters up to this one are used, and that its clock says this. */
  vouched(boot: string, counter: number, stamp: number): void {
    const nowMs = this.#shared.nowMs();
    if (boot === this.own.name || this.boots.get(boot)?.freshness.isBelieved(nowMs)) return;
    const admitted = this.boots.admit(boot, counter + 1, nowMs, stamp);
    for (const one of this.boots.release(boot)) this.#acceptHeld(admitted, one);
  }

  received(bytes: Uint8Array, from: Address, viaMulticast: boolean): void {
    const { ring } = this.#shared;
    if (bytes.length > 0 && bytes[0] !== SEALED) {
      this.#shared.drop(bytes[0] === 1 ? 'unsealed' : 'other-version');
      if (bytes[0] === 1) this.#shared.unsealed(from);
      return;
    }
    if (bytes.length < MIN_DATAGRAM_BYTES) {
      this.#shared.drop('too-short');
      return;
    }
    const header = readHeader(bytes);
    if (header.boot === this.own.name) {
      this.#shared.drop('own-echo');
      return;
    }
    const key = ring.get(header.keyId);
    if (key === null) {
      this.#shared.drop('unknown-key');
      this.#tryKeys(header, bytes, from, viaMulticast);
      return;
    }
    const boot = this.boots.get(header.boot);
    // Before the tag, because it is cheaper; what it says is believed only for dropping.
    const stale = boot?.window.check(header.counter) ?? null;
    if (stale !== null) {
      this.#shared.drop(stale);
      return;
    }
    // A boot that is not known costs a derived key besides the tag: whoever invents them gets so much work and no more.
    if (boot === undefined && !this.#strangers.admit(from, this.#shared.nowMs())) {
      this.#shared.drop('too-many');
      return;
    }
    const opened = this.#envelope.open(this.#subkey(boot, header, key), bytes);
    if (opened === null) {
      this.#shared.drop('bad-tag');
      return;
    }
    const datagram: Held = {
      // Field by field: a spread here was a fifth of all work.
      kind: opened.kind,
      ringDigest: opened.ringDigest,
      stamp: opened.stamp,
      content: opened.content,
      keyId: header.keyId,
      counter: header.counter,
      from,
      viaMulticast,
    };
    this.#opened(header.boot, boot, datagram);
  }

  #opened(name: string, boot: Boot | undefined, datagram: Held): void {
    const nowMs = this.#shared.nowMs();
    const { kind, viaMulticast, stamp, from } = datagram;
    // Questions and answers are between two: one that all hear is somebody else's doing, and all would answer it.
    if (viaMulticast && (kind === CONTENT.challenge || kind === CONTENT.proof))
      this.#shared.drop('by-multicast');
    else if (kind === CONTENT.proof) this.#proofCame(name, datagram);
    else if (boot === undefined) this.#meet(name, datagram);
    else if (boot.freshness.lagMs(nowMs, stamp) <= FRESH_MS) {
      boot.freshness.learn(nowMs, stamp);
      this.#accept(boot, datagram);
      const due = boot.freshness.isDue(nowMs) && nowMs - boot.askedMs >= ASK_KNOWN_MS;
      if (due && this.#isForUs(viaMulticast)) {
        boot.askedMs = nowMs;
        this.#ask(name, datagram);
      }
    } else if (!this.#late.admit(from, nowMs)) this.#shared.drop('too-many');
    // Of those who believe it a few ask; who does not (we slept, or never met it) asks in any case.
    else if (boot.freshness.isBelieved(nowMs) && !this.#isForUs(viaMulticast)) this.#shared.drop('too-old');
    else this.#meet(name, datagram);
  }

  /** It may hold another of our keys: see offers.ts. */
  #tryKeys(header: Header, bytes: Uint8Array, from: Address, viaMulticast: boolean): void {
    const nowMs = this.#shared.nowMs();
    const order = this.#likely(from);
    if (this.#isForUs(viaMulticast)) {
      for (const keyId of this.offers.came(bytes, from, viaMulticast, order, nowMs))
        this.#out.send(from, this.#challenge(header.boot, keyId));
    }
    const trying = !this.offers.allTried(from, order.length);
    this.#shared.stranger(from, [header.keyId], 'seals with a key that is not in this ring', trying);
  }

  /** From a boot known to be alive, and not seen yet. */
  #accept(boot: Boot, datagram: Held): void {
    const stale = boot.window.check(datagram.counter);
    if (stale !== null) {
      this.#shared.drop(stale);
      return;
    }
    boot.window.mark(datagram.counter);
    // Not before: a recording must not make a key look used that could be removed.
    this.#shared.uses.opened(datagram.keyId, this.#shared.nowMs());
    const { kind, content, from } = datagram;
    if (kind === CONTENT.ring) this.#shared.ringCame(content, datagram.from);
    this.#compareRings(boot, datagram);
    switch (kind) {
      case CONTENT.message:
        this.#out.deliver(content, from, datagram.viaMulticast);
        break;
      case CONTENT.ring:
        break;
      case CONTENT.challenge:
        this.#prove(datagram, this.#proofs);
        break;
      default:
        this.#shared.drop('unknown-kind');
    }
  }

  /** What waited for a proof; its key may have been removed meanwhile, and the proof may have been kept back. */
  #acceptHeld(boot: Boot, datagram: Held): void {
    if (this.#shared.ring.get(datagram.keyId) === null) this.#shared.drop('unknown-key');
    else if (boot.freshness.lagMs(this.#shared.nowMs(), datagram.stamp) > FRESH_MS)
      this.#shared.drop('too-old');
    else this.#accept(boot, datagram);
  }

  /** Of a boot this process has not met, or late: it must prove that it lives. */
  #meet(name: string, datagram: Held): void {
    if (datagram.kind === CONTENT.challenge) {
      // Answered for anybody: it tells only what every datagram of ours tells.
      this.#prove(datagram, this.#strangerProofs);
      return;
    }
    const nowMs = this.#shared.nowMs();
    const { ask, dropped } = this.boots.hold(name, datagram, nowMs);
    if (dropped) this.#shared.drop('unproven');
    if (ask) this.#ask(name, datagram);
  }

  #ask(name: string, { from, keyId }: Held): void {
    this.counters.challenges++;
    this.#out.send(from, this.#challenge(name, keyId));
  }

  #challenge(name: string, keyId: string): Uint8Array {
    const content = new Uint8Array(CHALLENGE_BYTES);
    content.set(this.#questions.ask(name, this.#shared.nowMs()));
    return this.#seal(keyId, CONTENT.challenge, content);
  }

  #prove({ from, keyId, content }: Held, budget: TokenBucket): void {
    const nowMs = this.#shared.nowMs();
    if (content.length < CHALLENGE_BYTES) {
      this.#shared.drop('malformed');
      return;
    }
    if (!budget.take(nowMs)) {
      this.#shared.drop('too-many-challenges');
      return;
    }
    this.counters.proofs++;
    const answer = Buffer.alloc(QUESTION_BYTES + 6);
    answer.set(content.subarray(0, QUESTION_BYTES));
    answer.writeUIntBE(this.own.recentFrom(nowMs), QUESTION_BYTES, 6);
    this.#out.send(from, this.#seal(keyId, CONTENT.proof, answer));
  }

  #proofCame(name: string, datagram: Held): void {
    const { content, counter } = datagram;
    if (content.length !== QUESTION_BYTES + 6) {
      this.#shared.drop('malformed');
      return;
    }
    const nowMs = this.#shared.nowMs();
    const askedMs = this.#questions.askedMs(name, content.subarray(0, QUESTION_BYTES), nowMs);
    const { buffer, byteOffset, length } = content;
    const floor = Buffer.from(buffer, byteOffset, length).readUIntBE(QUESTION_BYTES, 6);
    if (askedMs === null || floor > counter) {
      this.#shared.drop('stale-proof');
      return;
    }
    // From when it was asked: whoever is in between may have kept it back, and what its sender said since.
    const boot = this.boots.admit(name, floor, askedMs, datagram.stamp);
    boot.window.mark(counter);
    this.#shared.uses.opened(datagram.keyId, nowMs);
    this.#compareRings(boot, datagram);
    for (const one of this.boots.release(name)) this.#acceptHeld(boot, one);
  }

  /** The rings differ: the peer is answered with the key it used, and told ours; it tells its own likewise. */
  #compareRings(boot: Boot, { ringDigest, keyId, from, viaMulticast }: Held): void {
    const { ring } = this.#shared;
    const nowMs = this.#shared.nowMs();
    const heard = this.#heard.get(from);
    if (heard === undefined) this.#heard.set(from, { ms: nowMs, keyId, tries: 0 });
    else {
      heard.ms = nowMs;
      heard.keyId = keyId;
      heard.tries = 0;
    }
    this.#shared.understood(from);
    if (ringDigest === ring.digest) {
      this.#answerKeys.delete(from);
      if (!this.#alike.has(from)) this.#alike.set(from, true);
      return;
    }
    this.#alike.delete(from);
    this.#answerKeys.set(from, keyId);
    if (nowMs - boot.pushedMs < PUSH_MS) return;
    if (!this.#isForUs(viaMulticast)) return;
    boot.pushedMs = nowMs;
    this.sendRing(from, keyId);
  }

  /** A multicast is heard by all: of a large group a few answer. */
  #isForUs(viaMulticast: boolean): boolean {
    return !viaMulticast || (this.#shared.random(1)[0] as number) * this.boots.size <= 256 * PUSHERS;
  }

  #keyFor(to: Address): string {
    const { ring } = this.#shared;
    const nowMs = this.#shared.nowMs();
    let heard = this.#heard.get(to);
    if (nowMs - (heard?.ms ?? -Infinity) > SILENT_MS) {
      // Perhaps because it has another of our keys than the one we take: each is tried in turn.
      if (heard === undefined) {
        heard = { ms: -Infinity, keyId: '', tries: 0 };
        this.#heard.set(to, heard);
      }
      const order = [ring.primary, ...this.#likely(to).filter((id) => id !== ring.primary)];
      return order[heard.tries++ % order.length] ?? ring.primary;
    }
    const known = this.#answerKeys.get(to);
    return known !== undefined && ring.get(known) !== null ? known : ring.primary;
  }

  /** Our keys, the likeliest that a peer has first: what it last sealed with, then what has been here longest. */
  #likely(peer: Address): string[] {
    const { ring } = this.#shared;
    const last = this.#heard.get(peer)?.keyId ?? '';
    const ids = ring.byAge();
    return ids.includes(last) ? [last, ...ids.filter((id) => id !== last)] : ids;
  }

  /** With the wanted key while the ring holds it, else with the primary. */
  #seal(wanted: string, kind: number, content: Uint8Array): Uint8Array {
    const { ring, uses } = this.#shared;
    const nowMs = this.#shared.nowMs();
    const counter = this.own.next(nowMs);
    const keyId = ring.get(wanted) === null ? ring.primary : wanted;
    const key = ring.get(keyId);
    assert(key !== null, 'the primary key is in the ring');
    const subkey = this.own.subkey(keyId, key);
    uses.sealed(keyId, nowMs);
    // Two resumed copies of one machine count alike; the moment they do it is what is left to tell them apart.
    const mix = Math.floor(nowMs * 1e6) % 2 ** 32;
    const head = { keyId, salt: this.own.salt, counter, mix };
    const stamp = stampOf(nowMs);
    return this.#envelope.seal(subkey, head, { kind, ringDigest: ring.digest, stamp, content });
  }

  #subkey(boot: Boot | undefined, header: Header, key: Uint8Array): Uint8Array {
    const known = boot?.subkeys.get(header.keyId);
    if (known !== undefined) return known;
    const salt = Buffer.from(header.boot, 'latin1');
    const subkey = deriveKey(key, 'datagram', salt, this.#shared.clusterBytes);
    // Kept for boots that live: no stranger can make it grow, for the key ids are those of the ring.
    boot?.subkeys.set(header.keyId, subkey);
    return subkey;
  }
}
