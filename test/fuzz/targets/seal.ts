import type { Address } from '../../../src/base/index.ts';
import { CONTENT, Envelope, readHeader, SALT_BYTES } from '../../../src/seal/envelope.ts';
import { stampOf } from '../../../src/seal/freshness.ts';
import { DROPS } from '../../../src/seal/index.ts';
import { deriveKey, keyIdOf } from '../../../src/seal/key.ts';
import { KeyRing } from '../../../src/seal/ring.ts';
import { Bench, key, type Peer } from '../../../src/seal/testing/bench.ts';
import type { Target } from '../target.ts';

const STRANGER = '10.9.9.9:9' as Address;
const CLUSTER = Buffer.from('bench');

/** Two sealed ends that talked by datagram and stream: seeds are all that was on the wire, which has been delivered. */
function conversation(): { bench: Bench; b: Peer; wire: Uint8Array[] } {
  const bench = new Bench();
  const [a, b] = [bench.add({ keys: [1, 2] }), bench.add({ keys: [1, 2] })] as [Peer, Peer];
  for (let i = 0; i < 6; i++) {
    a.say(b, `message ${i}`);
    b.say(a, 'x'.repeat(i * 100));
    a.call(`multicast ${i}`);
    bench.run();
  }
  a.seal.outgoing.connect(1, b.address);
  a.seal.outgoing.write(1, Buffer.from('frame'));
  bench.run();
  return { bench, b, wire: bench.recorded.map(({ bytes }) => bytes) };
}

/** What was counted since it was last asked. */
class Drops {
  readonly #peer: Peer;
  readonly #last: Record<string, number>;

  constructor(peer: Peer) {
    this.#peer = peer;
    this.#last = { ...peer.seal.drops };
  }

  word(): string {
    let word = '';
    for (const reason of DROPS) {
      const count = this.#peer.seal.drops[reason];
      if (count === this.#last[reason]) continue;
      word += ` ${reason}`;
      this.#last[reason] = count;
    }
    return word;
  }
}

/**
 * Datagrams and stream frames at a sealed end, from somebody without a key. Every seed has been delivered before, so
 * nothing that comes may get through: neither a message, nor a boot, nor a change of the ring.
 */
export function sealedTarget(): Target {
  const { bench, b, wire } = conversation();
  const { digest } = b.seal.ring;
  const [came, streams, boots] = [b.came.length, b.streams.length, b.seal.datagrams.boots.size];
  const drops = new Drops(b);
  let proved = b.seal.datagrams.counters.proofs;
  let fed = 0;
  return {
    shape: { kind: 'bytes' },
    seeds: () => wire,
    feed(input) {
      const stream = -1000 - fed++;
      if (fed % 2 === 0) b.seal.incoming.datagram(input, STRANGER, fed % 4 === 0);
      else {
        b.seal.incoming.accepted(stream, STRANGER);
        b.seal.incoming.frame(stream, input);
        // A greeting is taken; what follows it must be sealed with keys nobody has.
        b.seal.incoming.frame(stream, input);
        b.seal.incoming.closed(stream, 'over');
      }
      bench.run();
      bench.recorded.length = 0;
      // Else what only members have to say soon counts as too much of one stranger.
      bench.nowMs += 20;
      if (b.came.length !== came || b.streams.length !== streams || b.seal.datagrams.boots.size !== boots) {
        throw new Error(`let through: ${b.came.length} ${b.streams.length} ${b.seal.datagrams.boots.size}`);
      }
      if (b.seal.ring.digest !== digest) throw new Error('the keyring changed');
      if (b.seal.streams.open > 1) throw new Error('streams stay open');
      const { proofs } = b.seal.datagrams.counters;
      // A question that came before its boot was known is answered again: that tells nothing and changes nothing.
      const word = proofs > proved ? 'answered' : drops.word();
      proved = proofs;
      if (word === '' && fed % 2 === 0) throw new Error('a datagram was neither taken nor counted');
      return word;
    },
  };
}

/**
 * What is inside the seal, from somebody with a key: kind, then content. The end must stay whole; its ring has a primary and
 * is taken by others.
 */
export function memberTarget(): Target {
  let bench = new Bench();
  let b = bench.add({ keys: [1, 2] });
  let drops = new Drops(b);
  let counter = 0;
  let digest = -1;
  let fed = 0;
  const salt = new Uint8Array(SALT_BYTES).fill(7);
  const keyId = keyIdOf(key(1), 'bench');
  const subkey = deriveKey(key(1), 'datagram', salt, CLUSTER);
  const envelope = new Envelope('bench');
  const sealed = (kind: number, content: Uint8Array): Uint8Array => {
    const head = { keyId, salt, counter: ++counter, mix: 0 };
    return envelope.seal(subkey, head, { kind, ringDigest: 1, stamp: stampOf(bench.nowMs), content });
  };
  /** Answers its question, so that what follows is looked at. */
  const prove = (): void => {
    b.seal.incoming.datagram(sealed(CONTENT.message, Buffer.from('x')), STRANGER, false);
    const question = bench.wire.findLast(({ to }) => to === STRANGER)?.bytes;
    if (question === undefined) throw new Error('no question came');
    const header = readHeader(question);
    const asked = deriveKey(key(1), 'datagram', Buffer.from(header.boot, 'latin1'), CLUSTER);
    const nonce = envelope.open(asked, question)?.content.subarray(0, 8) as Uint8Array;
    const floor = Buffer.alloc(6);
    floor.writeUIntBE(counter, 0, 6);
    b.seal.incoming.datagram(sealed(CONTENT.proof, Buffer.concat([nonce, floor])), STRANGER, false);
    if (b.seal.datagrams.boots.size !== 1) throw new Error('the proof was not taken');
  };
  return {
    shape: { kind: 'bytes' },
    seeds() {
      const ring = KeyRing.begin('bench', [key(1), key(2)]);
      ring.install(key(3), '00000000000000aa');
      ring.remove(keyIdOf(key(2), 'bench'), '00000000000000aa');
      const [small, ids] = [KeyRing.begin('bench', [key(1)]).encode(), new Uint8Array(8).fill(3)];
      return [
        Buffer.concat([Buffer.of(CONTENT.message), Buffer.from('a message')]),
        Buffer.concat([Buffer.of(CONTENT.ring), ring.encode()]),
        Buffer.concat([Buffer.of(CONTENT.ring), small]),
        Buffer.concat([Buffer.of(CONTENT.challenge), ids, Buffer.alloc(6)]),
        Buffer.concat([Buffer.of(CONTENT.proof), ids, Buffer.alloc(6)]),
      ].map((bytes) => Uint8Array.from(bytes));
    },
    feed(input) {
      if (fed++ % 2000 === 0) {
        bench = new Bench();
        b = bench.add({ keys: [1, 2] });
        drops = new Drops(b);
        prove();
      }
      bench.nowMs += 5;
      const before = b.came.length;
      if (b.seal.ring.get(keyId) === null) fed = 0; // It was told to remove our key, which a member may do.
      b.seal.incoming.datagram(sealed(input[0] ?? 0, input.subarray(1)), STRANGER, false);
      bench.wire.length = 0;
      bench.recorded.length = 0;
      const { ring } = b.seal;
      if (ring.digest !== digest) {
        digest = ring.digest;
        if (ring.get(ring.primary) === null) throw new Error('no primary');
        if (KeyRing.decode(ring.encode(), 'bench') === null) throw new Error('a ring that nobody takes');
      }
      if (b.came.length > before) return '+message';
      return drops.word() || `+${input[0]}`;
    },
  };
}

/** The bytes of a keyring, from a disk or from a member: read, or refused; read twice it is the same. */
export function keyringTarget(): Target {
  const make = (): KeyRing => {
    const ring = KeyRing.begin('fuzz', [key(1), key(2)]);
    ring.install(key(3), '00000000000000aa');
    ring.remove(ring.ids()[1] as string, '00000000000000bb');
    return ring;
  };
  const bytes = make().encode();
  return {
    shape: { kind: 'bytes' },
    seeds: () => [bytes, KeyRing.begin('fuzz', [key(9)]).encode()],
    feed(input) {
      const ring = KeyRing.decode(input, 'fuzz');
      if (ring === null) return 'refused';
      const once = KeyRing.decode(bytes, 'fuzz') as KeyRing;
      once.join(ring);
      const { digest } = once;
      if (once.join(ring) || once.digest !== digest) throw new Error('joining twice is not joining once');
      if (once.get(once.primary) === null) throw new Error('no primary');
      if (KeyRing.decode(once.encode(), 'fuzz') === null) throw new Error('what is written cannot be read');
      return `+${once.ids().length}`;
    },
  };
}
