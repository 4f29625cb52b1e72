import { type Address, type NodeId, SeededRng, ShoalError } from '../../../src/base/index.ts';
import { AworMap } from '../../../src/crdt/index.ts';
import { createNode, type Machine, type Outputs } from '../../../src/node/index.ts';
import { Codec, deltaToWire, ENVELOPE_BYTES, encodeValue, KIND } from '../../../src/wire/index.ts';
import type { Target } from '../target.ts';

export const A = '00000000000000aa' as NodeId;
export const B = '00000000000000bb' as NodeId;
const STRANGER = '127.0.0.1:9' as Address;
/** A machine is made anew after so many inputs, so that what they leave behind does not become all there is. */
const INPUTS_PER_MACHINE = 20_000;

function outputsTo(keep: (bytes: Uint8Array) => void): Outputs {
  return {
    send: (_to, bytes) => keep(bytes),
    multicast: keep,
    connect: () => {},
    write: (_stream, bytes) => keep(bytes),
    close: () => {},
    persist: (record) => keep(record),
    note: () => {},
    lease: () => {},
    snapshot: () => {},
    answer: () => {},
    event: () => {},
    log: () => {},
  };
}

function machine(id: NodeId, outputs: Outputs, journal: readonly Uint8Array[] = []): Machine {
  const snapshot = journal[0] ?? null;
  const boot = { id, incarnation: 1, bootNonce: 1, leaseFrom: 1, leaseTo: 1025, snapshot, journal };
  const options = {
    name: id,
    cluster: 'fuzz',
    advertise: '127.0.0.1:1' as Address,
    resp: null,
    tags: { rack: 'a' },
    capacity: {},
    version: '0',
    multicast: true,
    join: ['127.0.0.1:2' as Address],
    ranges: [{ start: 0, end: 10, priority: 1 }],
    insecure: false,
  };
  return createNode(boot, options, outputs, new SeededRng(1));
}

let said: Uint8Array[] | null = null;

/** What a small group says in its first seconds, one of the two being killed at last: some of each kind and length. */
export function conversation(): Uint8Array[] {
  if (said !== null) return said;
  const sent: Uint8Array[] = [];
  const outputs = outputsTo((bytes) => {
    if (sent.length < 8192) sent.push(bytes);
  });
  const [a, b] = [machine(A, outputs), machine(B, outputs)];
  let now = 0;
  a.start(now);
  b.start(now);
  let heard = 0;
  for (let step = 0; step < 600; step++) {
    now += 20;
    const fresh = sent.slice(heard, heard + 20);
    heard = Math.min(sent.length, heard + 20);
    // The second one hears nothing more in the last part: probes, suspicions, verdicts.
    for (const bytes of fresh) {
      const via = bytes[ENVELOPE_BYTES + 1] === KIND.beacon || bytes[ENVELOPE_BYTES + 1] === KIND.multicast;
      for (const node of step < 300 ? [a, b] : [a]) {
        node.datagram(bytes, '127.0.0.1:1' as Address, via, now);
        node.frame(1, bytes, now);
      }
    }
    if (step === 100) a.command(1, { kind: 'register', start: 5, end: 50, priority: 3 }, now);
    if (step === 120) a.command(2, { kind: 'adjust', start: 5, end: 50, by: 2 }, now);
    if (step === 140) a.command(3, { kind: 'release', start: 5, end: 50 }, now);
    a.wake(now);
    if (step < 300) b.wake(now);
  }
  const perKind = new Map<string, number>();
  said = sent.filter((bytes) => {
    const kind = `${bytes[ENVELOPE_BYTES + 1]} ${bytes.length >> 4}`;
    perKind.set(kind, (perKind.get(kind) ?? 0) + 1);
    return (perKind.get(kind) ?? 0) <= 3;
  });
  return said;
}

/** A whole machine, by datagram, multicast and stream. What the codec refuses must change nothing. */
export function nodeTarget(): Target {
  let outs = 0;
  const outputs = outputsTo(() => outs++);
  const codec = new Codec('fuzz', B);
  let node = machine(A, outputs);
  let fed = 0;
  let now = 0;
  node.start(0);
  return {
    shape: { kind: 'msgpack', at: ENVELOPE_BYTES },
    seeds: conversation,
    feed(input) {
      if (++fed % INPUTS_PER_MACHINE === 0) {
        node = machine(A, outputs);
        node.start(now);
      }
      now += 1;
      outs = 0;
      const before = node.digest();
      const decoded = codec.decode(input);
      const stream = -1 - (fed % 50);
      node.datagram(input, STRANGER, fed % 2 === 0, now);
      node.accepted(stream, STRANGER, now);
      node.frame(stream, input, now);
      const refused = 'drop' in decoded ? decoded.drop : null;
      if (refused !== null && refused !== 'other-cluster' && node.digest() !== before) {
        throw new Error(`state changed by a message dropped as ${refused}`);
      }
      if (fed % 64 === 0) node.wake(now);
      if ('drop' in decoded) return decoded.drop;
      return `+${decoded.message.kind} ${Math.min(outs, 4)} ${node.digest() !== before}`;
    },
  };
}

/** What is read back at a start: snapshots and journal records that are framed rightly (disk.ts) and say anything. */
export function stateTarget(): Target {
  const silent = outputsTo(() => {});
  return {
    shape: { kind: 'msgpack', at: 0 },
    seeds() {
      const node = machine(A, silent);
      node.start(0);
      node.command(1, { kind: 'register', start: 1, end: 2, priority: 1 }, 1);
      const records: Uint8Array[] = [];
      const writer = machine(B, {
        ...silent,
        persist: (record) => records.push(record),
        note: (record) => records.push(record),
      });
      writer.start(0);
      writer.command(1, { kind: 'register', start: 1, end: 2, priority: 1 }, 1);
      writer.command(2, { kind: 'adjust', start: 1, end: 2, by: 7 }, 2);
      const map = new AworMap();
      map.register(A, 1, { node: A, start: 1, end: 2 }, 3);
      const delta = map.chunks(9999)[0] as never;
      return [node.snapshotBytes(), ...records, encodeValue([1, deltaToWire(delta)]), encodeValue([2, []])];
    },
    feed(input) {
      let node: Machine;
      try {
        node = machine(B, silent, [input]);
      } catch (error) {
        if (error instanceof ShoalError) return error.code; // Of a later version: said to the operator.
        throw error;
      }
      node.start(0);
      node.wake(1000);
      const { length } = node.ranges();
      node.snapshotBytes();
      return length > 1 ? `+${Math.min(8, length)}` : 'nothing';
    },
  };
}
