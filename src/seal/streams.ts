import { type Address, LIMITS } from '../base/index.ts';
import { CONTENT, FRAME_OVERHEAD_BYTES, FrameCipher, SALT_BYTES, SEALED } from './envelope.ts';
import { FRESH_MS, stampOf } from './freshness.ts';
import { deriveKey, KEY_ID_BYTES, sha256 } from './key.ts';
import type { Shared } from './shared.ts';
import { orOtherCluster } from './strangers.ts';

export interface StreamOutputs {
  write(stream: number, frame: Uint8Array): void;
  close(stream: number): void;
  accepted(stream: number, from: Address): void;
  opened(stream: number): void;
  frame(stream: number, bytes: Uint8Array): void;
  closed(stream: number, reason: string): void;
  /** The peer's boot proved itself by this stream, its datagram counter being this. */
  vouched(boot: string, counter: number, stamp: number): void;
  /** This boot's salt and counter, for the peer. */
  ownBoot(): { salt: Uint8Array; counter: number };
}

/** Kinds of the unsealed frames that open a stream. Append only. */
const GREETING = { hello: 1, agreed: 2, noCommonKey: 3 } as const;
const RANDOM_BYTES = 16;
/** In front of the ring in a side's first sealed frame: its boot's salt, counter and clock. */
const INTRODUCTION_BYTES = SALT_BYTES + 6 + 4;
/** Longest frame of a peer that has not sealed one rightly: a greeting, or a first frame with a full ring. */
const EARLY_FRAME_BYTES = 2048;

interface Stream {
  readonly caller: boolean;
  readonly peer: Address;
  /** The caller's greeting: part of what the keys are made from. */
  hello: Uint8Array;
  out: FrameCipher | null;
  in: FrameCipher | null;
  /** The key both picked, or empty. */
  keyId: string;
  /** Waits for the keys. */
  queue: Uint8Array[];
  queuedBytes: number;
  /** We closed it, and what waits is still to be sent. */
  closing: boolean;
  /** The machine knows of it: a caller's at once, an answerer's with the first frame that is sealed rightly. */
  announced: boolean;
  /** The peer has sealed a frame rightly. */
  trusted: boolean;
  /** When our greeting was sent, or soon before: what the peer seals for this stream is no older. */
  greetedMs: number;
}

/**
 * Sealed streams. The caller sends random bytes and the ids of its keys; the answerer picks its primary, else the first
 * key both have, and sends random bytes of its own; the keys of both directions are made from the picked key and all of
 * both greetings. So a recorded stream opens nothing, and whoever strikes an id off the list only breaks the stream.
 * The first sealed frame of each side holds its boot and its ring.
 */
export class Streams {
  readonly counters = { agreed: 0, noCommonKey: 0 };
  readonly #shared: Shared;
  readonly #out: StreamOutputs;
  readonly #streams = new Map<number, Stream>();

  constructor(shared: Shared, out: StreamOutputs) {
    this.#shared = shared;
    this.#out = out;
  }

  get open(): number {
    return this.#streams.size;
  }

  // --- From the machine. ---

  /** Right after the connection was asked for. */
  connect(stream: number, to: Address): void {
    const ids = this.#shared.ring.ids();
    const hello = Buffer.alloc(3 + RANDOM_BYTES + ids.length * KEY_ID_BYTES);
    hello[0] = SEALED;
    hello[1] = GREETING.hello;
    hello.set(this.#shared.random(RANDOM_BYTES), 2);
    hello[2 + RANDOM_BYTES] = ids.length;
    ids.forEach((id, i) => {
      hello.write(id, 3 + RANDOM_BYTES + i * KEY_ID_BYTES, 'hex');
    });
    this.#add(stream, true, to, hello);
    this.#out.write(stream, Uint8Array.from(hello));
  }

  write(handle: number, frame: Uint8Array): void {
    const stream = this.#streams.get(handle);
    if (stream === undefined || stream.closing) return;
    if (stream.out !== null) {
      this.#out.write(handle, stream.out.seal(CONTENT.message, frame));
      return;
    }
    stream.queuedBytes += frame.length;
    if (stream.queuedBytes > LIMITS.streamBacklogBytes) {
      // Told to nobody, for the machine is at work; it gives a silent session up by itself.
      this.#forget(handle);
      this.#out.close(handle);
      return;
    }
    stream.queue.push(frame);
  }

  close(handle: number): void {
    const stream = this.#streams.get(handle);
    if (stream === undefined) return;
    stream.closing = true;
    if (stream.out === null && stream.queue.length > 0) return;
    this.#forget(handle);
    this.#out.close(handle);
  }

  // --- From the network. ---

  acceptedBelow(handle: number, from: Address): void {
    this.#add(handle, false, from, new Uint8Array(0));
  }

  /** A call has got through: nobody saw its greeting before. */
  openedBelow(handle: number): void {
    const stream = this.#streams.get(handle);
    if (stream !== undefined) stream.greetedMs = this.#shared.nowMs();
  }

  /** Whether the peer has shown that it holds a key; whoever cannot must not take the place of those who can. */
  proven(handle: number): boolean {
    return this.#streams.get(handle)?.trusted === true;
  }

  /** Ends what was sealed with a key that is not in the ring any more. */
  ringChanged(): void {
    for (const [handle, stream] of [...this.#streams]) {
      if (stream.keyId === '' || this.#shared.ring.get(stream.keyId) !== null) continue;
      this.#break(handle, stream, 'its key was removed from the ring');
    }
  }

  closedBelow(handle: number, reason: string): void {
    const stream = this.#streams.get(handle);
    this.#forget(handle);
    if (!stream?.announced || stream.closing) return;
    const early = stream.caller && stream.in === null && reason === 'closed by the peer';
    const why = early ? `${reason} before a key was agreed on: it may have no key, or be no shoal` : reason;
    this.#out.closed(handle, why);
  }

  /** Time passed that our clock did not see: what comes now for a greeting of before may have been kept back. */
  clockJumped(): void {
    for (const stream of this.#streams.values()) stream.greetedMs = -Infinity;
  }

  /** Strangers get little; a member's longest frame has the seal on top. */
  frameLimit(handle: number): number {
    return this.proven(handle) ? LIMITS.frameBytes + FRAME_OVERHEAD_BYTES : EARLY_FRAME_BYTES;
  }

  frameBelow(handle: number, bytes: Uint8Array): void {
    const stream = this.#streams.get(handle);
    if (stream === undefined) return;
    if (stream.in !== null) this.#sealed(handle, stream, stream.in, bytes);
    else if (stream.caller) this.#greetingBack(handle, stream, bytes);
    else this.#greeting(handle, stream, bytes);
  }

  #add(handle: number, caller: boolean, peer: Address, hello: Uint8Array): void {
    const keys = { out: null, in: null, keyId: '' };
    const waiting = { queue: [], queuedBytes: 0, closing: false, announced: caller, trusted: false };
    const greetedMs = this.#shared.nowMs();
    this.#streams.set(handle, { caller, peer, hello, ...keys, ...waiting, greetedMs });
  }

  #greeting(handle: number, stream: Stream, bytes: Uint8Array): void {
    const count = bytes[2 + RANDOM_BYTES] ?? 0;
    const right =
      bytes[0] === SEALED &&
      bytes[1] === GREETING.hello &&
      count > 0 &&
      count <= LIMITS.mergedKeys &&
      bytes.length === 3 + RANDOM_BYTES + count * KEY_ID_BYTES;
    if (!right) {
      this.#unsealed(handle, stream, bytes);
      return;
    }
    const theirs = readIds(bytes, 3 + RANDOM_BYTES);
    const ours = this.#shared.ring.ids();
    const picked = ours.find((id) => theirs.includes(id));
    if (picked === undefined) {
      this.counters.noCommonKey++;
      this.#shared.drop('unknown-key');
      this.#shared.stranger(stream.peer, theirs, 'calls with keys that are not in this ring');
      const ids = Buffer.concat(ours.map((id) => Buffer.from(id, 'hex')));
      this.#out.write(handle, Uint8Array.from([SEALED, GREETING.noCommonKey, ours.length, ...ids]));
      this.#break(handle, stream, 'no common key');
      return;
    }
    const agreed = Uint8Array.from([
      ...[SEALED, GREETING.agreed],
      ...this.#shared.random(RANDOM_BYTES),
      ...Buffer.from(picked, 'hex'),
    ]);
    stream.hello = bytes;
    stream.greetedMs = this.#shared.nowMs();
    this.#out.write(handle, agreed);
    this.#agree(handle, stream, picked, agreed);
  }

  #greetingBack(handle: number, stream: Stream, bytes: Uint8Array): void {
    if (bytes[0] === SEALED && bytes[1] === GREETING.noCommonKey) {
      this.counters.noCommonKey++;
      const ids = bytes.length > LIMITS.mergedKeys * KEY_ID_BYTES + 3 ? [] : readIds(bytes, 3);
      this.#shared.stranger(stream.peer, ids, 'has none of the keys of this ring, but others');
      const why = `it has none of this node's keys: install one that both have ('shoal keys'), ${orOtherCluster(this.#shared.cluster)}`;
      this.#break(handle, stream, why);
      return;
    }
    const id = Buffer.from(bytes).toString('hex', 2 + RANDOM_BYTES);
    const right =
      bytes[0] === SEALED && bytes[1] === GREETING.agreed && bytes.length === 2 + RANDOM_BYTES + KEY_ID_BYTES;
    if (right && this.#shared.ring.get(id) === null) {
      this.#shared.drop('unknown-key');
      this.#break(handle, stream, 'it picked a key that is not in the ring, or not any more');
      return;
    }
    if (!right) {
      this.#unsealed(handle, stream, bytes);
      return;
    }
    this.#agree(handle, stream, id, bytes);
  }

  /** Not a greeting. Who has no key gets one that shows, by its first byte, that this side seals; it tells nothing else. */
  #unsealed(handle: number, stream: Stream, bytes: Uint8Array): void {
    const plain = bytes[0] === 1;
    this.#shared.drop(plain ? 'unsealed' : 'malformed');
    if (plain) {
      this.#shared.unsealed(stream.peer);
      if (!stream.caller) this.#out.write(handle, Uint8Array.of(SEALED, GREETING.noCommonKey, 0));
    }
    this.#break(handle, stream, 'the peer does not seal: it has no key');
  }

  /** Both greetings are known: makes the keys, says who we are, and sends what waited. */
  #agree(handle: number, stream: Stream, id: string, agreed: Uint8Array): void {
    const { ring, cluster, clusterBytes, uses } = this.#shared;
    const key = ring.get(id) as Uint8Array;
    const transcript = sha256(Buffer.concat([stream.hello, agreed]));
    const [calls, answers] = ['stream calls', 'stream answers'].map(
      (label) => new FrameCipher(deriveKey(key, label, transcript, clusterBytes), cluster),
    ) as [FrameCipher, FrameCipher];
    stream.keyId = id;
    stream.out = stream.caller ? calls : answers;
    stream.in = stream.caller ? answers : calls;
    stream.hello = new Uint8Array(0);
    this.counters.agreed++;
    uses.sealed(id, this.#shared.nowMs());
    const { salt, counter } = this.#out.ownBoot();
    const introduction = Buffer.alloc(INTRODUCTION_BYTES);
    introduction.set(salt);
    introduction.writeUIntBE(counter, SALT_BYTES, 6);
    introduction.writeUInt32BE(stampOf(this.#shared.nowMs()), SALT_BYTES + 6);
    const content = Buffer.concat([introduction, ring.encode()]);
    this.#out.write(handle, stream.out.seal(CONTENT.ring, content));
    for (const frame of stream.queue.splice(0)) {
      this.#out.write(handle, stream.out.seal(CONTENT.message, frame));
    }
    if (stream.closing) this.close(handle);
    else if (stream.caller) this.#out.opened(handle);
  }

  #sealed(handle: number, stream: Stream, cipher: FrameCipher, bytes: Uint8Array): void {
    if (bytes.length <= FRAME_OVERHEAD_BYTES - 1) {
      this.#shared.drop('too-short');
      this.#break(handle, stream, 'the peer does not seal');
      return;
    }
    const opened = cipher.open(bytes);
    if (opened === null) {
      this.#shared.drop('bad-tag');
      this.#break(handle, stream, 'a frame was not sealed rightly');
      return;
    }
    const ageMs = this.#shared.nowMs() - stream.greetedMs;
    if (!stream.trusted) {
      // Whoever is in between may have kept it back, to make recordings look new.
      if (ageMs > FRESH_MS) {
        this.#break(handle, stream, 'its first sealed frame came late');
        return;
      }
      this.#shared.uses.opened(stream.keyId, this.#shared.nowMs());
      stream.trusted = true;
    }
    if (!stream.announced) {
      stream.announced = true;
      this.#out.accepted(handle, stream.peer);
    }
    const { kind, content } = opened;
    if (kind === CONTENT.message) this.#out.frame(handle, content);
    else if (kind === CONTENT.ring && content.length > INTRODUCTION_BYTES) {
      const data = Buffer.from(content.buffer, content.byteOffset, content.length);
      // As if sealed when we greeted: what it vouches for is then taken for older than it is, never for newer.
      const stamp = (data.readUInt32BE(SALT_BYTES + 6) + stampOf(ageMs)) % 2 ** 32;
      const boot = data.toString('latin1', 0, SALT_BYTES);
      if (ageMs <= FRESH_MS) this.#out.vouched(boot, data.readUIntBE(SALT_BYTES, 6), stamp);
      this.#shared.ringCame(content.subarray(INTRODUCTION_BYTES), stream.peer);
    } else this.#shared.drop(kind === CONTENT.ring ? 'malformed' : 'unknown-kind');
  }

  #forget(handle: number): void {
    this.#streams.delete(handle);
  }

  /** Ends a stream that went wrong, and tells the machine if it knows of it. */
  #break(handle: number, stream: Stream, reason: string): void {
    this.#shared.drop('stream-refused');
    this.#forget(handle);
    this.#out.close(handle);
    if (stream.announced && !stream.closing) this.#out.closed(handle, reason);
  }
}

function readIds(bytes: Uint8Array, at: number): string[] {
  const hex = Buffer.from(bytes).toString('hex', at);
  return hex.match(/.{8}/g) ?? [];
}
