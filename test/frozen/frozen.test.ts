/**
 * Old and new in one group. v1.ts is a peer of the first version, frozen, and golden.ts what that version wrote: the
 * present code must understand both and be understood. A change that fails here breaks every upgrade in the field.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Address, type NodeId, SeededRng, ShoalError } from '../../src/base/index.ts';
import { AworMap, respondReconcile } from '../../src/crdt/index.ts';
import { silentLog } from '../../src/io/index.ts';
import { StateDirectory } from '../../src/io/state/directory.ts';
import { MemberList, type MemberRecord } from '../../src/members/index.ts';
import { decodeGroup, encodeBatch } from '../../src/node/group.ts';
import { type Boot, createNode, type Machine } from '../../src/node/index.ts';
import { positionOf } from '../../src/ranges/index.ts';
import {
  Codec,
  clusterTag,
  deltaFromWire,
  deltaToWire,
  encodeValue,
  KIND,
  type Message,
  reconcileFromWire,
  recordFromWire,
} from '../../src/wire/index.ts';
import * as golden from './golden.ts';
import { unpack, type Value } from './msgpack.ts';
import { A, B, messages, plainRecord, record } from './samples.ts';
import * as v1 from './v1.ts';

const bytesOf = (hex: string): Uint8Array => v1.idBytes(hex);
const OLD = '0000000000000077';
const OLD_ADDRESS = '10.0.0.7:29999' as Address;
const SELF = '0000000000000001' as NodeId;
const oldRecord: v1.Record1 = {
  ...record,
  ...{ id: OLD, reach: OLD, reachVersion: 0, incarnation: 1, name: 'old', addresses: [OLD_ADDRESS] },
};
const noDigests: v1.Digests1 = {
  ...{ mapHi: 0, mapLo: 0, standingHi: 0, standingLo: 0, lastingHi: 0, lastingLo: 0 },
};

describe('bytes of the first version', () => {
  const codec = new Codec('shoal', A as NodeId);

  it('are written and read by the frozen peer as they were then', () => {
    expect(messages.map((m) => v1.hex(v1.encode(v1.TAG_OF_SHOAL, A, m)))).toEqual(golden.messages);
    expect(golden.messages.map((hex) => v1.decode(bytesOf(hex))?.message)).toEqual(messages);
    expect(new Set(messages.map(({ kind }) => kind)).size).toBe(20);
    expect(clusterTag('shoal')).toBe(v1.TAG_OF_SHOAL);
  });

  it('are read by the present code, every kind of message', () => {
    for (const [i, hex] of golden.messages.entries())
      expect(codec.decode(bytesOf(hex))).toEqual({ sender: A, message: messages[i] });
  });

  it('are answered in a way that the first version reads, every kind of message', () => {
    for (const message of messages) {
      const bytes = codec.encode(message as unknown as Message);
      expect(v1.decode(bytes)).toEqual({ sender: A, message });
    }
  });

  it('hold deltas whose join gives the map of then, with its digest, by steps and at once', () => {
    const map = new AworMap();
    const key = { node: A as NodeId, start: 0, end: 99 };
    const priorities = golden.deltas.map((hex) => {
      const delta = deltaFromWire(bytesOf(hex));
      if (delta !== null) map.join(delta);
      return map.priority(key);
    });
    expect(priorities).toEqual([5, 75, 72, 9, 9, 9]);
    const group = unpack(bytesOf(golden.group)) as readonly Value[];
    expect((group[1] as Uint8Array[]).map(v1.hex)).toEqual(golden.deltas.slice(0, 2));
    // The steps in turn: Q answers the first, P the second, Q the third, and P takes what Q had.
    const other = new AworMap();
    const one = '1111111111111111' as NodeId;
    other.register(one, 1, { node: one, start: 5, end: 6 }, 2);
    for (const [i, hex] of golden.steps.entries()) {
      const step = reconcileFromWire(bytesOf(hex));
      expect(step).not.toBeNull();
      if (step === null) continue;
      const { reply, refused } = respondReconcile(i % 2 === 0 ? other : map, step);
      expect([refused, reply === null]).toEqual([null, i === golden.steps.length - 1]);
    }
    const [hi, lo] = other.digestWords();
    expect({ hi, lo }).toEqual(golden.joined);
    expect(map.digestWords()).toEqual(other.digestWords());
  });

  it('and a publication is read and written as when there first were any', () => {
    const bytes = (...values: number[]) => new Uint8Array(values);
    const publications = [
      { channel: bytes(110, 101, 119, 115), message: bytes(0, 255, 13, 10) },
      { channel: bytes(), message: bytes() },
    ];
    const batch = { bootNonce: 0xfedcba98, seq: 70_000, publications };
    const origin = A as NodeId;
    expect(v1.hex(encodeBatch(origin, batch))).toBe(golden.publication);
    const group = decodeGroup(bytesOf(golden.publication));
    expect(group).toEqual({ origin, deltas: [], records: [], accusations: [], batch });
  });

  it('a change of today is written as a delta of then', () => {
    const map = new AworMap();
    const entry = { node: A as NodeId, start: 7, end: 0xfffffff0 };
    const live = { actor: B, counter: 70_000, base: true, amount: 1_000 };
    const delta = map.register(B as NodeId, live.counter, entry, live.amount);
    expect(v1.hex(deltaToWire(delta))).toBe(v1.hex(v1.delta({ ...entry, live: [live] })));
  });

  it('give the digests of members of then: else two versions would compare for ever', () => {
    const list = new MemberList(recordFromWire(v1.record(record)) as MemberRecord);
    list.merge(recordFromWire(v1.record(plainRecord)) as MemberRecord);
    const digests = [list.standingDigest(), list.lastingDigest()].map(({ hi, lo }) => ({ hi, lo }));
    expect(digests).toEqual(golden.memberDigests);
  });

  it('give the positions and the order of owners of then: else two versions would own differently', () => {
    expect(golden.positions.map(([key]) => [key, positionOf(key)])).toEqual(golden.positions);
    const { node } = present();
    introduce(node);
    for (const id of [SELF, OLD])
      node.command(1, { kind: 'register', start: 0, end: 0xffffffff, priority: 1, node: id }, 2);
    node.persisted(1, null, 3);
    const first = Array.from({ length: 16 }, (_, i) => node.ownersAt(i * 2 ** 28).owners[0]?.node.slice(-2));
    expect(first.join(' ')).toBe(golden.owners);
  });
});

// --- A group of the present machine and an old peer. ---

interface Said {
  readonly bytes: Uint8Array;
  readonly how: 'datagram' | 'multicast' | 'frame';
}

/** The present machine, and everything it said. */
function present(boot: Partial<Boot> = {}): {
  node: Machine;
  said: Said[];
  heard(kind: number): v1.Message1[];
} {
  const said: Said[] = [];
  const nothing = (): void => {};
  const outputs = {
    send: (_to: Address, bytes: Uint8Array) => void said.push({ bytes, how: 'datagram' }),
    multicast: (bytes: Uint8Array) => void said.push({ bytes, how: 'multicast' }),
    write: (_stream: number, bytes: Uint8Array) => void said.push({ bytes, how: 'frame' }),
    ...{ connect: nothing, close: nothing, persist: nothing, note: nothing, lease: nothing },
    ...{ snapshot: nothing, answer: nothing, published: nothing, event: nothing, log: nothing },
  };
  const identity = { id: SELF, incarnation: 1, bootNonce: 1, leaseFrom: 1, leaseTo: 1025, snapshot: null };
  const options = {
    ...{ name: 'new', cluster: 'shoal', advertise: '10.0.0.1:29999' as Address, resp: null, tags: {} },
    ...{ capacity: {}, version: '9.9.9', multicast: true, join: [], ranges: [], insecure: false },
  };
  const node = createNode({ ...identity, journal: [], ...boot }, options, outputs, new SeededRng(1));
  node.start(0);
  const heard = (kind: number): v1.Message1[] =>
    said.flatMap(({ bytes }) => {
      const message = v1.decode(bytes)?.message;
      return message?.kind === kind ? [message] : [];
    });
  return { node, said, heard };
}

const old = (message: v1.Message1): Uint8Array => v1.encode(v1.TAG_OF_SHOAL, OLD, message);

/** The old peer calls: hello, no questions, end. */
function introduce(node: Machine): void {
  node.accepted(-1, OLD_ADDRESS, 1);
  node.frame(-1, old({ kind: 10, cluster: 'shoal', record: oldRecord, digests: noDigests }), 1);
  node.frame(-1, old({ kind: 13 }), 1);
}

describe('an old peer in a group with the present machine', () => {
  let node: Machine;
  let said: Said[];
  let heard: (kind: number) => v1.Message1[];
  let nowMs: number;
  beforeEach(() => {
    ({ node, said, heard } = present());
    introduce(node);
    nowMs = 10;
  });

  const hears = (message: v1.Message1): void => node.datagram(old(message), OLD_ADDRESS, false, nowMs++);
  const metric = (name: string, what: string): number | undefined =>
    node
      .metrics(nowMs)
      .find((family) => family.name === name)
      ?.samples.flatMap((sample) =>
        'value' in sample && Object.values(sample.labels ?? {})[0] === what ? [sample.value] : [],
      )[0];
  const publish = (): boolean => node.publish(new Uint8Array([110]), new Uint8Array(9), nowMs);
  const change = (start: number, counter: number): Uint8Array =>
    v1.delta({ node: OLD, start, end: start + 9, live: [{ actor: OLD, counter, base: true, amount: 4 }] });

  it('is welcomed and listed', () => {
    expect(heard(11)).toMatchObject([{ record: { id: SELF, name: 'new', version: '9.9.9' } }]);
    expect(node.members(nowMs).map(({ name, status }) => `${name} ${status}`)).toContain('old alive');
  });

  it('has its changes taken and acknowledged, however they come', () => {
    const payload = (start: number, counter: number) => v1.group(OLD, [change(start, counter)], []);
    hears({ kind: 2, id: 5, ids: [SELF], ageMs: 1, payload: payload(0, 1) });
    expect(heard(3)).toEqual([{ kind: 3, id: 5, needList: false, hears: false }]);
    const multicast: v1.Message1 = {
      kind: 4,
      bootNonce: 1,
      seq: 1,
      id: 6,
      ageMs: 0,
      payload: payload(10, 2),
    };
    node.datagram(old(multicast), OLD_ADDRESS, true, nowMs++);
    hears({ kind: 7, seq: 0, id: 7, ageMs: 0, payload: payload(20, 3) });
    expect(node.ranges().map(({ name, start, priority }) => [name, start, priority])).toEqual([
      ['old', 0, 4],
      ['old', 10, 4],
      ['old', 20, 4],
    ]);
  });

  it('has its probes and digests answered', () => {
    hears({ kind: 17, nonce: 77, digest: 0, hears: false, standing: null, record: null });
    expect(heard(18)).toMatchObject([{ nonce: 77 }]);
    hears({ kind: 8, nonce: 78, digests: noDigests, hears: false, recent: [] });
    expect(heard(9)).toMatchObject([{ nonce: 78 }]);
  });

  it('is told of a change here in words it knows, and everything it is told in a minute it can read', () => {
    const before = said.length;
    node.command(1, { kind: 'register', start: 100, end: 199, priority: 2 }, nowMs);
    node.persisted(1, null, nowMs);
    const live = [{ actor: SELF, counter: 1, base: true, amount: 2 }];
    const expected = v1.hex(v1.delta({ node: SELF, start: 100, end: 199, live }));
    const end = nowMs + 60_000;
    for (; nowMs < end; nowMs = Math.max(nowMs + 1, Math.min(end, node.nextWakeMs()))) node.wake(nowMs);
    const payloads = said.slice(before).flatMap(({ bytes }) => {
      const message = v1.decode(bytes)?.message;
      return message !== undefined && 'payload' in message ? [message.payload] : [];
    });
    const deltas = payloads.flatMap((payload) => (unpack(payload) as readonly Value[])[1] as Uint8Array[]);
    expect(deltas.map(v1.hex)).toContain(expected);
    for (const { bytes } of said) expect(v1.decode(bytes)?.sender ?? 'of a kind it does not know').toBe(SELF);
  });

  it('that knows no publications takes one for a group of no changes', () => {
    const before = said.length;
    expect(publish()).toBe(true);
    const payloads = said.slice(before).flatMap(({ bytes }) => {
      const message = v1.decode(bytes)?.message;
      return message !== undefined && 'payload' in message
        ? [unpack(message.payload) as readonly Value[]]
        : [];
    });
    expect(payloads.map(([, deltas, records, accusations]) => [deltas, records, accusations])).toEqual([
      [[], [], []],
    ]);
  });

  it('and one newer than this: unknown kinds and fields are ignored, and counted', () => {
    const digest = node.digest();
    const later = (array: readonly Value[]): Uint8Array => v1.encodeArray(v1.TAG_OF_SHOAL, OLD, array);
    node.datagram(later([120, 'news']), OLD_ADDRESS, false, nowMs++);
    node.frame(-1, later([121]), nowMs++);
    expect(metric('shoal_messages_dropped_total', 'unknown-kind')).toBe(2);
    expect(node.digest()).toBe(digest);
    // A known kind with more in it, a group and a record likewise.
    node.datagram(later([17, 5, 0, 0, null, null, 'more', [1]]), OLD_ADDRESS, false, nowMs++);
    expect(heard(18)).toHaveLength(1);
    const who = [...v1.record({ ...oldRecord, incarnation: 2 }), 'a field of later'];
    const group = encodeValue([bytesOf(OLD), [change(0, 1)], [who], [], null, { later: true }]);
    hears({ kind: 2, id: 9, ids: [SELF], ageMs: 0, payload: group });
    expect(node.ranges()).toHaveLength(1);
    expect(node.members(nowMs).find(({ name }) => name === 'old')?.incarnation).toBe(2);
    const counted = ['messages', 'records', 'groups'].map((what) =>
      metric('shoal_messages_newer_total', what),
    );
    expect(counted).toEqual([1, 1, 1]);
    expect(metric('shoal_messages_dropped_total', 'malformed')).toBe(0);
  });

  it('and one of another protocol: dropped, and counted as that', () => {
    const bytes = old({ kind: 13 });
    bytes[0] = 2;
    node.datagram(bytes, OLD_ADDRESS, false, nowMs++);
    expect(metric('shoal_messages_dropped_total', 'other-version')).toBe(1);
  });
});

describe('a state directory of the first version', () => {
  it('is read by the present code: identity, snapshot and journal', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'shoal-frozen-'));
    try {
      for (const [name, hex] of Object.entries(golden.stateDirectory))
        await writeFile(join(directory, name), bytesOf(hex));
      const { state, boot } = await StateDirectory.open(directory, { log: silentLog });
      expect(boot).toMatchObject({ id: 'ef3ab250a8567853', incarnation: 19, warnings: [] });
      expect(boot.leaseFrom).toBeGreaterThanOrEqual(1029);
      const { node } = present({ ...boot, bootNonce: 1 });
      expect(node.ranges().map(({ start, end, priority }) => [start, end, priority])).toEqual([
        [10, 20, 6],
        [100, 200, 2],
      ]);
      await state.abandon();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('is told from one of a later version, which is refused: what would be left out would be lost', () => {
    const refusal = (boot: Partial<Boot>): unknown => {
      try {
        return present(boot).node.ranges();
      } catch (error) {
        return error instanceof ShoalError ? error.code : error;
      }
    };
    expect(refusal({ snapshot: encodeValue([1, [], [], 'a field of later']) })).toEqual([]);
    expect(refusal({ snapshot: encodeValue([2, [], []]) })).toBe('state-newer');
    expect(refusal({ journal: [encodeValue([3, 'a kind of later'])] })).toBe('state-newer');
    expect(refusal({ journal: [encodeValue(['damage'])] })).toEqual([]);
  });
});

it('the kinds of the first version keep their numbers', () => {
  const first = Object.entries(KIND).filter(([, kind]) => kind <= 20);
  expect(first.map(([name]) => name)).toEqual([
    ...[
      'tree',
      'list',
      'ack',
      'multicast',
      'beacon',
      'askRepair',
      'repair',
      'digest',
      'digestReply',
      'hello',
    ],
    ...['welcome', 'reject', 'end', 'summary', 'members', 'reconcile', 'probe', 'probeAck', 'probeAsk'],
    'probeReport',
  ]);
});
