import { type Address, type NodeId, SeededRng, ShoalError } from '../../../src/base/index.ts';
import { AworMap } from '../../../src/crdt/index.ts';
import { createNode, type Machine, type Outputs } from '../../../src/node/index.ts';
import type { NodeCore } from '../../../src/node/node.ts';
import {
  Codec,
  deltaToWire,
  ENVELOPE_BYTES,
  encodeValue,
  KIND,
  type Message,
} from '../../../src/wire/index.ts';
import type { Target } from '../target.ts';

export const A = '00000000000000aa' as NodeId;
export const B = '00000000000000bb' as NodeId;
const C = '00000000000000cc' as NodeId;
const HOSTS = 200;
/** A machine is made anew after so many inputs, so that what they leave behind does not become all there is. */
const INPUTS_PER_MACHINE = 20_000;

function outputsTo(keep: (bytes: Uint8Array) => void, connect: Outputs['connect'] = () => {}): Outputs {
  return {
    send: (_to, bytes) => keep(bytes),
    multicast: keep,
    connect,
    write: (_stream, bytes) => keep(bytes),
    close: () => {},
    persist: (record) => keep(record),
    note: () => {},
    lease: () => {},
    snapshot: () => {},
    answer: () => {},
    published: () => {},
    event: () => {},
    log: () => {},
  };
}

function machine(
  id: NodeId,
  outputs: Outputs,
  journal: readonly Uint8Array[] = [],
  unsealed = false,
): Machine {
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
    unsealed,
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
    if (step === 90) a.publish(new Uint8Array([99]), new Uint8Array(20), now);
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

/** One valid message at least of each kind, whether or not the conversation had it: what changes start from. */
export function everyKind(): Uint8Array[] {
  const codec = new Codec('fuzz', B);
  const heard = conversation().flatMap((bytes) => {
    const decoded = codec.decode(bytes);
    return 'drop' in decoded ? [] : [decoded];
  });
  const sound = heard.map(({ message }) => message);
  const had = <K extends Message['kind']>(kind: K): Extract<Message, { kind: K }> =>
    sound.find((m) => m.kind === kind) as Extract<Message, { kind: K }>;
  const { payload } = had(KIND.tree);
  const hello = heard.find(({ sender, message }) => sender === B && message.kind === KIND.hello);
  if (hello?.message.kind !== KIND.hello) throw new Error('the second node never called');
  const { record, digests } = hello.message;
  const third = { ...record, id: C, reach: C, name: 'third' };
  const id = 0xabcdef123456;
  const twin = { question: 7, answer: 0, bootNonce: 2, incarnation: 1, ageMs: 5, verdict: 0 } as const;
  const messages: Message[] = [
    { kind: KIND.hello, cluster: 'fuzz', record, digests },
    { kind: KIND.welcome, record, digests },
    { kind: KIND.members, records: [record, third], want: [A] },
    ...[had(KIND.tree), had(KIND.ack), had(KIND.beacon), had(KIND.digest), had(KIND.digestReply)],
    ...[had(KIND.summary), had(KIND.reconcile), had(KIND.probe), had(KIND.probeAck)],
    { kind: KIND.list, id, ids: [A, B], ageMs: 1, payload },
    { kind: KIND.multicast, bootNonce: record.bootNonce, seq: 1, id: id + 1, ageMs: 1, payload },
    { kind: KIND.askRepair, seqs: [1, 2, 70_000] },
    { kind: KIND.repair, seq: 0, id: id + 2, ageMs: 12, payload },
    { kind: KIND.reject, reason: 'no' },
    { kind: KIND.end },
    { kind: KIND.probeAsk, nonce: 5, target: C },
    { kind: KIND.probeReport, nonce: 5, answered: true, record: third },
    { kind: KIND.probeReport, nonce: 5, answered: false, record: null },
    { kind: KIND.twin, ...twin },
  ];
  // Of twins a node takes in only what comes under its own id.
  const own = new Codec('fuzz', A);
  return [
    ...messages.filter((m) => m !== undefined).map((m) => codec.encode(m)),
    own.encode({ kind: KIND.twin, ...twin }),
    own.encode({ kind: KIND.twin, ...twin, question: 0, answer: 7, verdict: 1 }),
  ];
}

/** A machine under attack, and what it did. */
class Victim {
  readonly #unsealed: boolean;
  readonly #outputs: Outputs;
  #node: Machine;
  outs = 0;
  /** The stream of its last call. */
  called = 0;

  constructor(unsealed: boolean) {
    this.#unsealed = unsealed;
    this.#outputs = outputsTo(
      () => this.outs++,
      (stream) => {
        this.called = stream;
      },
    );
    this.#node = this.begin(0);
  }

  get node(): Machine {
    return this.#node;
  }

  begin(now: number): Machine {
    this.#node = machine(A, this.#outputs, [], this.#unsealed);
    this.#node.start(now);
    return this.#node;
  }

  /** All that it holds of map and members, the passing included. */
  state(): string {
    const { members } = (this.#node as unknown as NodeCore).state;
    const { hi, lo } = members.standingDigest();
    return `${this.#node.digest()} ${hi} ${lo} ${members.size} ${members.viewDigest}`;
  }
}

/** Whole machines, by datagram, multicast and stream, one of them where nothing is sealed. What the codec refuses must change nothing. */
export function nodeTarget(): Target {
  const codec = new Codec('fuzz', B);
  const victims = [new Victim(false), new Victim(true)];
  const seeds = [...everyKind(), ...conversation()];
  const hello = seeds[0] as Uint8Array;
  let fed = 0;
  let now = 0;
  return {
    shape: { kind: 'msgpack', at: ENVELOPE_BYTES },
    seeds: () => seeds,
    feed(input) {
      fed++;
      const victim = victims[(fed >> 1) % 2] as Victim;
      if (fed % INPUTS_PER_MACHINE === 0 || fed % INPUTS_PER_MACHINE === 2) victim.begin(now);
      const { node } = victim;
      now += 1;
      const stranger = `127.0.0.${1 + (fed % HOSTS)}:9` as Address;
      const stream = -1 - (fed % 50);
      node.accepted(stream, stranger, now);
      // Within a session of a member, or the first that comes.
      if (fed % 8 < 4) node.frame(stream, hello, now);
      victim.outs = 0;
      const before = victim.state();
      const decoded = codec.decode(input);
      node.datagram(input, stranger, fed % 2 === 0, now);
      node.frame(stream, input, now);
      if (victim.called > 0) node.frame(victim.called, input, now);
      const after = victim.state();
      const refused = 'drop' in decoded ? decoded.drop : null;
      if (refused !== null && refused !== 'other-cluster' && after !== before) {
        throw new Error(`state changed by a message dropped as ${refused}`);
      }
      if (fed % 64 < 4) node.wake(now);
      if ('drop' in decoded) return decoded.drop;
      return `+${decoded.message.kind} ${Math.min(victim.outs, 4)} ${after !== before}`;
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
