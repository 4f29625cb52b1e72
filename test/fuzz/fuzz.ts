import { type Address, type NodeId, SeededRng } from '../../src/base/index.ts';
import { AworMap, beginReconcile, respondReconcile } from '../../src/crdt/index.ts';
import { createNode, type Machine, type Outputs } from '../../src/node/index.ts';
import {
  Codec,
  decodeValue,
  deltaFromWire,
  deltaToWire,
  encodeValue,
  KIND,
  type Message,
  reconcileFromWire,
  reconcileToWire,
  recordFromWire,
} from '../../src/wire/index.ts';
import { keyringTarget, sealedTarget } from './sealed.ts';

/**
 * Structure-aware fuzzing: seeds are real messages, deltas and snapshots; each input is one of them with bytes changed,
 * cut, doubled or spliced. A target fails when something throws, or when what was refused changed a state.
 */
export interface Target {
  /** Well-formed inputs to start from. */
  seeds(): Uint8Array[];
  /** Feeds one input; true when it was accepted. Throws on a fault. */
  feed(input: Uint8Array): boolean;
}

export interface FuzzResult {
  readonly inputs: number;
  readonly accepted: number;
  readonly failure: string | null;
  readonly input: string;
}

const A = '00000000000000aa' as NodeId;
const B = '00000000000000bb' as NodeId;

function sampleMap(actor: NodeId, entries: number): AworMap {
  const map = new AworMap();
  for (let i = 1; i <= entries; i++) {
    const key = { node: actor, start: i * 1000, end: i * 1000 + 500 };
    map.register(actor, 3 * i, key, i);
    if (i % 3 === 0) map.adjust(actor, 3 * i + 1, key, 5);
    if (i % 5 === 0) map.release(key);
  }
  return map;
}

function machine(id: NodeId, sent: Uint8Array[]): Machine {
  const keep = (bytes: Uint8Array): void => {
    if (sent.length < 4096) sent.push(bytes);
  };
  const outputs: Outputs = {
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
  const boot = { id, incarnation: 1, bootNonce: 1, leaseFrom: 1, leaseTo: 1025, snapshot: null, journal: [] };
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

/** Everything a small group says in its first minutes: seeds for datagrams and frames. */
function conversation(): Uint8Array[] {
  const sent: Uint8Array[] = [];
  const [a, b] = [machine(A, sent), machine(B, sent)];
  let now = 0;
  a.start(now);
  b.start(now);
  let said = 0;
  for (let step = 0; step < 300; step++) {
    now += 20;
    const fresh = sent.slice(said, said + 20);
    said = Math.min(sent.length, said + 20);
    for (const bytes of fresh) {
      const via = bytes[14] === KIND.beacon || bytes[14] === KIND.multicast;
      for (const node of [a, b]) {
        node.datagram(bytes, '127.0.0.1:1' as Address, via, now);
        node.frame(1, bytes, now);
      }
    }
    if (step === 100) a.command(1, { kind: 'register', start: 5, end: 50, priority: 3 }, now);
    a.wake(now);
    b.wake(now);
  }
  return sent.filter((_, i) => i % 7 === 0).slice(0, 200);
}

function datagramTarget(): Target {
  let node = machine(A, []);
  let fed = 0;
  let now = 0;
  node.start(0);
  const codec = new Codec('fuzz', B);
  return {
    seeds: conversation,
    feed(input) {
      if (fed++ % 20_000 === 0) {
        node = machine(A, []);
        node.start(now);
      }
      now += 1;
      const before = node.digest();
      const decoded = codec.decode(input);
      for (const via of [false, true]) node.datagram(input, '127.0.0.1:9' as Address, via, now);
      node.accepted(-1 - (fed % 50), '127.0.0.1:9' as Address, now);
      node.frame(-1 - (fed % 50), input, now);
      if ('drop' in decoded && node.digest() !== before && decoded.drop !== 'other-cluster') {
        throw new Error(`state changed by a message dropped as ${decoded.drop}`);
      }
      if (fed % 64 === 0) node.wake(now);
      return !('drop' in decoded);
    },
  };
}

export const TARGETS: ReadonlyMap<string, () => Target> = new Map<string, () => Target>([
  ['node', datagramTarget],
  ['sealed', sealedTarget],
  ['keyring', keyringTarget],
  [
    'codec',
    () => ({
      seeds: conversation,
      feed(input) {
        const decoded = new Codec('fuzz', A).decode(input, true);
        if ('drop' in decoded) return false;
        const again = new Codec('fuzz', decoded.sender).decode(
          new Codec('fuzz', decoded.sender).encode(decoded.message),
        );
        if ('drop' in again) throw new Error(`what was read cannot be read again: ${again.drop}`);
        return sameKind(decoded.message, again.message);
      },
    }),
  ],
  [
    'delta',
    () => ({
      seeds: () =>
        sampleMap(A, 40)
          .chunks(200)
          .map((delta) => encodeValue(deltaToWire(delta))),
      feed(input) {
        const delta = deltaFromWire(decodeValue(input));
        if (delta === null) return false;
        const map = sampleMap(B, 4);
        map.join(delta);
        const once = map.digest();
        map.join(delta);
        if (map.digest() !== once) throw new Error('joining a delta twice is not joining it once');
        return true;
      },
    }),
  ],
  [
    'reconcile',
    () => ({
      seeds() {
        const [a, b] = [sampleMap(A, 30), sampleMap(B, 30)];
        const out: Uint8Array[] = [];
        let steps = [beginReconcile(a, 7)] as unknown[];
        for (let turn = 0; turn < 6 && steps.length > 0; turn++) {
          const wire = steps.map((s) => encodeValue(reconcileToWire(s as never)));
          out.push(...wire);
          const map = turn % 2 === 0 ? b : a;
          steps = steps.flatMap((s) => respondReconcile(map, s as never).reply ?? []);
        }
        return out;
      },
      feed(input) {
        const step = reconcileFromWire(decodeValue(input));
        if (step === null) return false;
        for (const reply of respondReconcile(sampleMap(A, 12), step).reply ?? []) reconcileToWire(reply);
        return true;
      },
    }),
  ],
  [
    'record',
    () => ({
      seeds: () => conversation().map((bytes) => bytes.subarray(13)),
      feed(input) {
        const value = decodeValue(input);
        return Array.isArray(value) && value.some((part) => recordFromWire(part) !== null);
      },
    }),
  ],
  [
    'state',
    () => {
      const whole = (() => {
        const node = machine(A, []);
        node.start(0);
        node.command(1, { kind: 'register', start: 1, end: 2, priority: 1 }, 1);
        return node.snapshotBytes();
      })();
      return {
        seeds: () => [
          whole,
          encodeValue([1, deltaToWire(sampleMap(A, 3).chunks(9999)[0] as never)]),
          encodeValue([2, []]),
        ],
        feed(input) {
          const boot = { id: B, incarnation: 2, bootNonce: 2, leaseFrom: 1025, leaseTo: 2049 };
          const outputs = new Proxy({}, { get: () => () => {} }) as Outputs;
          const options = {
            name: 'b',
            cluster: 'fuzz',
            advertise: '127.0.0.1:1' as Address,
            resp: null,
            tags: {},
            capacity: {},
            version: '0',
            multicast: false,
            join: [],
            ranges: [],
            insecure: false,
          };
          const node = createNode(
            { ...boot, snapshot: input, journal: [input] },
            options,
            outputs,
            new SeededRng(2),
          );
          node.start(0);
          node.wake(1000);
          return node.ranges().length > 0;
        },
      };
    },
  ],
]);

const sameKind = (a: Message, b: Message): boolean => {
  if (a.kind !== b.kind) throw new Error(`kind ${a.kind} was read again as ${b.kind}`);
  return true;
};

/** Runs one target for so long; the same seed gives the same inputs in the same order. */
export function fuzz(name: string, seed: number, forMs: number, most = Infinity): FuzzResult {
  const target = (TARGETS.get(name) as () => Target)();
  const rng = new SeededRng(seed);
  const seeds = target.seeds();
  const until = performance.now() + forMs;
  let inputs = 0;
  let accepted = 0;
  let input = new Uint8Array();
  try {
    for (const whole of seeds) {
      input = whole.slice();
      inputs++;
      if (target.feed(input)) accepted++;
    }
    while (inputs < most && (inputs % 64 !== 0 || performance.now() < until)) {
      input = mutate(seeds, rng);
      inputs++;
      if (target.feed(input)) accepted++;
    }
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      inputs,
      accepted,
      failure,
      input: Array.from(input, (b) => b.toString(16).padStart(2, '0')).join(''),
    };
  }
  return { inputs, accepted, failure: null, input: '' };
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xc0, 0xc4, 0xc6, 0xcf, 0xd3, 0xdc, 0xdd, 0xde, 0xdf, 0xff];

function mutate(seeds: readonly Uint8Array[], rng: SeededRng): Uint8Array<ArrayBuffer> {
  let bytes = (seeds[rng.below(seeds.length)] as Uint8Array).slice();
  for (let n = 1 + rng.below(4); n > 0; n--) {
    const at = bytes.length === 0 ? 0 : rng.below(bytes.length);
    switch (rng.below(6)) {
      case 0:
        bytes[at] = rng.below(256);
        break;
      case 1:
        bytes[at] = INTERESTING[rng.below(INTERESTING.length)] as number;
        break;
      case 2:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << rng.below(8));
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4: {
        const other = seeds[rng.below(seeds.length)] as Uint8Array;
        const from = rng.below(other.length + 1);
        bytes = concat(bytes.subarray(0, at), other.subarray(from, from + 64));
        break;
      }
      default: {
        const length = 1 + rng.below(16);
        bytes = concat(bytes.subarray(0, at + length), bytes.subarray(at));
      }
    }
  }
  return bytes;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
