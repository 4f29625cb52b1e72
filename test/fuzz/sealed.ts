import type { Address } from '../../src/base/index.ts';
import { KeyRing } from '../../src/seal/ring.ts';
import { Bench, key, type Peer } from '../../src/seal/testing/bench.ts';
import type { Target } from './fuzz.ts';

const STRANGER = '10.9.9.9:9' as Address;

/** Two sealed ends that talked by datagram and stream: seeds are all that was on the wire, which has been delivered. */
function conversation(): { bench: Bench; b: Peer; wire: Uint8Array[] } {
  const bench = new Bench();
  const [a, b] = [bench.add({ keys: [1, 2] }), bench.add({ keys: [1, 2] })] as [Peer, Peer];
  for (let i = 0; i < 20; i++) {
    a.say(b, `message ${i}`);
    b.say(a, 'x'.repeat(i * 50));
    a.call(`multicast ${i}`);
    bench.run();
  }
  a.seal.outgoing.connect(1, b.address);
  a.seal.outgoing.write(1, Buffer.from('frame'));
  bench.run();
  return { bench, b, wire: bench.recorded.map(({ bytes }) => bytes) };
}

/**
 * Datagrams and stream frames at a sealed end. Every seed has been delivered before, so nothing that comes may get
 * through: neither a message, nor a boot, nor a change of the ring. Accepted means counted under a reason.
 */
export function sealedTarget(): Target {
  const { bench, b, wire } = conversation();
  const before = { came: b.came.length, streams: b.streams.length, boots: b.seal.datagrams.boots.size };
  const { digest } = b.seal.ring;
  const drops = (): number => Object.values(b.seal.drops).reduce((sum, n) => sum + n, 0);
  let fed = 0;
  return {
    seeds: () => wire,
    feed(input) {
      const dropped = drops();
      b.seal.incoming.datagram(input, STRANGER, fed % 2 === 0);
      const stream = -1000 - fed++;
      b.seal.incoming.accepted(stream, STRANGER);
      b.seal.incoming.frame(stream, input);
      // A greeting is taken; what follows it must be sealed with keys nobody has.
      b.seal.incoming.frame(stream, input);
      b.seal.incoming.closed(stream, 'over');
      bench.run();
      bench.recorded.length = 0;
      const now = { came: b.came.length, streams: b.streams.length, boots: b.seal.datagrams.boots.size };
      if (JSON.stringify(now) !== JSON.stringify(before))
        throw new Error(`let through: ${JSON.stringify(now)}`);
      if (b.seal.ring.digest !== digest) throw new Error('the keyring changed');
      if (b.seal.streams.open > 1) throw new Error('streams stay open');
      return drops() > dropped;
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
  return {
    seeds: () => [make().encode(), KeyRing.begin('fuzz', [key(9)]).encode()],
    feed(input) {
      const ring = KeyRing.decode(input, 'fuzz');
      if (ring === null) return false;
      const once = make();
      once.join(ring);
      const { digest } = once;
      if (once.join(ring) || once.digest !== digest) throw new Error('joining twice is not joining once');
      if (once.get(once.primary) === null) throw new Error('no primary');
      KeyRing.decode(once.encode(), 'fuzz');
      return true;
    },
  };
}
