import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Address, NodeId } from '../../src/base/index.ts';
import type { MemberRecord } from '../../src/members/index.ts';
import { Codec, encodeValue, KIND, type Message } from '../../src/wire/index.ts';
import { agreement, eventually, type TestAgent } from '../e2e/harness.ts';
import { addressOf, Bed, CLUSTER, canRun, GOSSIP_PORT, metrics } from './bed.ts';
import { entriesOf, entryEverywhere, named, statusOf } from './group.ts';

const THROW = join(import.meta.dirname, 'testbed/throw.mjs');
const MULTICAST = { multicast: '239.77.29.99', multicastPort: 29998 };
/** At least. */
const ATTACK_SECONDS = 4;
/** A change is still prompt: hops and polls, next to a flood on two slow cores. */
const PROMPT_MS = 6_000;
const STRANGER = '00000000000000ee' as NodeId;

function random(bytes: number, seed: number): Uint8Array {
  const out = new Uint8Array(bytes);
  let x = seed | 1;
  for (let i = 0; i < bytes; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    out[i] = x;
  }
  return out;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const DIGESTS = { mapHi: 1, mapLo: 2, standingHi: 3, standingLo: 4, lastingHi: 5, lastingLo: 6 };

/** Whole messages as this sender would send them. `member` is a real one's id: anybody on an unsealed LAN can claim it. */
function sound(member: NodeId): Uint8Array[] {
  const garbage = random(300, 77);
  const messages: Message[] = [
    { kind: KIND.digest, nonce: 7, digests: DIGESTS, hears: false, recent: [1, 2, 3] },
    { kind: KIND.tree, id: 11, view: 99, from: 0, length: 5, ageMs: 1, payload: garbage },
    {
      kind: KIND.tree,
      id: 12,
      view: 0,
      from: 0,
      length: 0,
      ageMs: 1,
      payload: encodeValue([1, [garbage], []]),
    },
    { kind: KIND.list, id: 13, ids: [STRANGER], ageMs: 1, payload: garbage },
    { kind: KIND.ack, id: 14, needList: true, hears: true },
    { kind: KIND.askRepair, seqs: [0, 1, 2 ** 50] },
    { kind: KIND.repair, seq: 0, id: 15, ageMs: 1, payload: garbage },
  ];
  return messages.flatMap((message) => [
    new Codec(CLUSTER, member).encode(message),
    new Codec(CLUSTER, STRANGER).encode(message),
  ]);
}

function datagrams(member: NodeId): string[] {
  const whole = sound(member);
  const envelope = (whole[0] as Uint8Array).subarray(0, 13);
  const out: Uint8Array[] = [...whole];
  for (const bytes of [0, 1, 12, 13, 14, 64, 600, 1200, 1201, 1472, 9000, 60_000])
    out.push(random(bytes, bytes));
  for (const message of whole) {
    for (const share of [0.3, 0.6, 0.9]) out.push(message.subarray(0, Math.floor(message.length * share)));
    const flipped = message.slice();
    flipped[20 % flipped.length] = (flipped[20 % flipped.length] as number) ^ 0xff;
    out.push(flipped);
  }
  out.push(concat(new Uint8Array([200]), (whole[0] as Uint8Array).subarray(1)));
  out.push(new Codec('another', member).encode({ kind: KIND.ack, id: 1, needList: false, hears: false }));
  out.push(concat(envelope, encodeValue([250, 1, 2])));
  // Arrays within arrays, and an array and a map that claim four thousand million elements.
  out.push(concat(envelope, new Uint8Array(1100).fill(0x91)));
  out.push(concat(envelope, new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff, 1])));
  out.push(concat(envelope, new Uint8Array([0xdf, 0xff, 0xff, 0xff, 0xff, 1])));
  return out.map(hex);
}

function frame(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concat(length, bytes);
}

function streams(member: NodeId): { hex: string; holdMs: number }[] {
  const whole = sound(member);
  const plans: { bytes: Uint8Array; holdMs: number }[] = [
    { bytes: new Uint8Array([0xff, 0xff, 0xff, 0xff, 1, 2, 3]), holdMs: 1000 },
    { bytes: new Uint8Array([0, 0x0f, 0xff, 0xff, 1, 2, 3]), holdMs: 5000 },
    { bytes: frame(random(50_000, 5)), holdMs: 100 },
    { bytes: concat(...whole.map(frame)), holdMs: 100 },
    { bytes: frame((whole[0] as Uint8Array).subarray(0, 20)), holdMs: 0 },
    { bytes: new TextEncoder().encode('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), holdMs: 100 },
  ];
  return plans.map(({ bytes, holdMs }) => ({ hex: hex(bytes), holdMs }));
}

function rssMb(agent: TestAgent): number {
  const status = readFileSync(`/proc/${agent.running.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Datagrams and frames dropped, and streams that came in. */
async function noticed(agent: TestAgent): Promise<number> {
  let sum = 0;
  for (const [name, value] of await metrics(agent)) {
    if (/dropped_total|streams_total\{direction="in"/.test(name)) sum += value;
  }
  return sum;
}

describe.skipIf(!canRun())('garbage at the gossip port, from inside the LAN', () => {
  let bed: Bed;
  let agents: TestAgent[];

  beforeAll(async () => {
    bed = await Bed.up(5, 3);
    agents = await bed.startAll();
    await agreement(agents, 30_000);
    await named(agents, 'a3').ok('register', '10', '20', '--priority', '4');
    await entryEverywhere(agents, 'a3', '10-20', 4, 15_000);
  });

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  /** Lasts until the file `over` is there. */
  async function attack(plan: Record<string, unknown>): Promise<{ sent: number; streams: number }> {
    const file = bed.path('plan.json');
    const over = bed.path('over');
    rmSync(over, { force: true });
    const to = { to: addressOf('a1'), port: GOSSIP_PORT, ...MULTICAST, seconds: ATTACK_SECONDS, over };
    writeFileSync(file, JSON.stringify({ ...to, datagrams: [], streams: [], idleStreams: 0, ...plan }));
    const { code, stdout, stderr } = await bed.inside('a5', process.execPath, THROW, file);
    if (code !== 0) throw new Error(`throw.mjs ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  async function over<T>(attacking: Promise<T>): Promise<T> {
    writeFileSync(bed.path('over'), '');
    return await attacking;
  }

  /** While the attack lasts: nothing is changed by it, and changes of ours are prompt. */
  async function underAttack(plan: Record<string, unknown>): Promise<void> {
    const a1 = named(agents, 'a1');
    const { digest } = await statusOf(a1);
    const rssBefore = rssMb(a1);
    const noticedBefore = await noticed(a1);
    const attacking = attack(plan);
    await eventually('the attack has begun', async () => (await noticed(a1)) > noticedBefore + 50);
    for (const agent of agents) expect((await statusOf(agent)).digest).toBe(digest);
    for (const [i, origin] of ['a1', 'b1', 'a4'].entries()) {
      await named(agents, origin).ok('register', `${100 + i}`, `${100 + i}`);
      await entryEverywhere(agents, origin, `${100 + i}-${100 + i}`, 1, PROMPT_MS);
      await named(agents, origin).ok('release', `${100 + i}`, `${100 + i}`);
      await entryEverywhere(agents, origin, `${100 + i}-${100 + i}`, null, PROMPT_MS);
    }
    const { sent } = await over(attacking);
    expect(sent).toBeGreaterThan(100);
    await agreement(agents, 30_000);
    expect(await entriesOf(a1)).toBe('a3 10-20:4');
    for (const agent of agents) expect(agent.running.alive).toBe(true);
    expect(rssMb(a1) - rssBefore).toBeLessThan(60);
  }

  test('datagrams that are random, truncated, oversized, foreign or half true are counted by reason and change nothing', async () => {
    const a1 = named(agents, 'a1');
    await underAttack({ datagrams: datagrams(a2Id()) });
    const counted = await metrics(a1);
    for (const reason of [
      'too-short',
      'other-version',
      'other-cluster',
      'malformed',
      'unknown-kind',
      'unknown-sender',
      'wrong-place',
    ]) {
      expect(counted.get(`shoal_messages_dropped_total{reason="${reason}"}`), reason).toBeGreaterThan(0);
    }
    expect(counted.get('shoal_socket_dropped_total{reason="oversized"}')).toBeGreaterThan(0);
    expect(counted.get('shoal_node_total{what="malformedGroups"}')).toBeGreaterThan(0);
  });

  test('streams that announce too much, stall, or say garbage, and more of them than fit, change nothing', async () => {
    const a1 = named(agents, 'a1');
    await underAttack({ datagrams: ['00'], streams: streams(a2Id()), idleStreams: 300 });
    const refused = 'shoal_socket_dropped_total{reason="unproven-stream"}';
    expect((await metrics(a1)).get(refused)).toBeGreaterThan(100);
  });

  test('thousands of invented members neither fill the list nor push a real one out, and cost bounded work', async () => {
    const a1 = named(agents, 'a1');
    const rssBefore = rssMb(a1);
    const attacking = attack({ datagrams: forgedBeacons(6000) });
    const refused = async () => (await metrics(a1)).get('shoal_node_total{what="newcomersRefused"}') ?? 0;
    await eventually('new members are refused', async () => (await refused()) > 50, 30_000);
    await named(agents, 'b1').ok('register', '500', '501');
    for (const agent of agents) {
      await eventually(
        'the change is everywhere',
        async () => (await agent.rangesOf('b1')).includes('500-501:1'),
        30_000,
      );
    }
    expect((await over(attacking)).sent).toBeGreaterThan(1000);
    const counted = await metrics(a1);
    expect(counted.get('shoal_messages_dropped_total{reason="too-many"}')).toBeGreaterThan(500);
    const { members, warnings } = await a1.get<{ members: Record<string, number>; warnings: string[] }>(
      '/v1/status',
    );
    expect(Object.values(members).reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(8 + 5 * 256);
    expect(warnings.join('\n')).toContain('brings more new members than one node should');
    for (const agent of agents) {
      await eventually(`${agent.name} lists the real members alive`, async () => {
        const states = await agent.memberStates();
        return agents.every(({ name }) => states.includes(`${name}=alive`));
      });
      expect(agent.running.alive).toBe(true);
    }
    expect(rssMb(a1) - rssBefore).toBeLessThan(60);
  });

  /** As newcomers on the link send them. */
  function forgedBeacons(count: number): string[] {
    return Array.from({ length: count }, (_, i) => {
      const id = (0xbad0000 + i).toString(16).padStart(16, '0') as NodeId;
      const address = `${addressOf('a5')}:${1 + (i % 60_000)}` as Address;
      const record: MemberRecord = {
        ...{
          id,
          incarnation: 1,
          state: 0,
          reachVersion: 0,
          reach: id,
          name: `forged-${i}`,
          addresses: [address],
        },
        ...{ resp: null, tags: {}, capacity: {}, version: '1', bootNonce: i },
      };
      const introduction = { cluster: CLUSTER, record };
      const message = {
        kind: KIND.beacon,
        bootNonce: i,
        seq: 1,
        view: 0,
        digests: DIGESTS,
        introduction,
      } as const;
      return hex(new Codec(CLUSTER, id).encode({ ...message, heard: new Uint8Array(0), heardIds: [] }));
    });
  }

  function a2Id(): NodeId {
    return named(agents, 'a2').ready.id as NodeId;
  }
});
