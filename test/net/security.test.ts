/**
 * A sealed group and somebody on its LAN without the key, who records, changes, plays again, and pretends to be members
 * (raw sockets). `SHOAL_RECORD_SECONDS`: how long is recorded at least, 8 unless it is set.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/index.ts';
import { agreement, eventually, shoal, type TestAgent } from '../e2e/harness.ts';
import { addressOf, Bed, canRun, GOSSIP_PORT, gossipOf, metrics } from './bed.ts';
import { entriesOf, entryEverywhere, named, statusOf } from './group.ts';

const CAPTURE = join(import.meta.dirname, 'testbed/capture.py');
const INJECT = join(import.meta.dirname, 'testbed/inject.py');
const MULTICAST_PORT = 29998;
const RECORD_SECONDS = Number(process.env.SHOAL_RECORD_SECONDS ?? 8);
/** What is younger may be put in late, once (src/seal/freshness.ts). */
const OLD_MS = 5_000;
const PROMPT_MS = 10_000;
const PER_SECOND = 4_000;
/** Of the datagrams that have one length to one node this many are changed byte by byte. */
const OF_ONE_LENGTH = 2;
/** A recording is played so often. */
const TIMES = 5;
/** What one agent may hold of the recording, uncounted, until a boot has proved itself: that of five boots. */
const HELD = 5 * LIMITS.heldDatagrams;

interface Datagram {
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly hex: string;
}

interface Recording {
  readonly datagrams: Datagram[];
  /** One direction of a connection each. */
  readonly streams: string[];
}

interface Sent {
  readonly sent: number;
  readonly streams: number;
}

/** All by which an agent's state can be told, but for changes under way. */
async function stateOf(agent: TestAgent): Promise<string> {
  const { members } = await agent.get<{ members: { id: string; status: string; address: string }[] }>(
    '/v1/members',
  );
  const { keys } = await agent.get<{ keys: { id: string; primary: boolean }[] }>('/v1/keys');
  return JSON.stringify({
    entries: await entriesOf(agent),
    digest: (await statusOf(agent)).digest,
    members: members.map(({ id, status, address }) => `${id} ${status} ${address}`).sort(),
    keys: keys.map(({ id, primary }) => `${id} ${primary}`),
  });
}

/** Datagrams counted as dropped, by the seal and by what stands before it; or as answered: a question is, by a proof. */
async function dropped(agent: TestAgent): Promise<number> {
  let sum = 0;
  for (const [name, value] of await metrics(agent)) {
    if (/^shoal_(seal|socket)_dropped_total|^shoal_seal_total.*proofs/.test(name)) sum += value;
  }
  return sum;
}

function over<T>(list: readonly T[]): T[] {
  return Array.from({ length: TIMES }, () => list).flat();
}

/** To this node, from another: no kernel takes what claims to come from the receiver itself. */
function turnedTo(node: string, datagrams: readonly Datagram[]): Datagram[] {
  const src = addressOf(node === 'a1' ? 'a2' : 'a1');
  return datagrams.map((one) => ({ ...one, src, dst: addressOf(node), dport: GOSSIP_PORT }));
}

function rssMb(agent: TestAgent): number {
  const status = readFileSync(`/proc/${agent.running.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

describe.skipIf(!canRun())('a sealed group, with somebody on its LAN who has no key', () => {
  let bed: Bed;
  let agents: TestAgent[];
  let recording: Recording;
  let change = 100;

  beforeAll(async () => {
    bed = await Bed.up(4);
    const keys = await keyFile('keys');
    const capturing = Promise.all(['a1', 'a2', 'a3'].map((node) => capture(node)));
    agents = await Promise.all(['a1', 'a2', 'a3'].map((node) => bed.start(node, '--key-file', keys)));
    await life();
    writeFileSync(bed.path('over'), '');
    const captured = await capturing;
    recording = {
      datagrams: captured.flatMap(({ datagrams }) => datagrams),
      streams: captured.flatMap(({ streams }) => streams),
    };
    const sinceMs = performance.now();
    await eventually('what was recorded is old', () => performance.now() - sinceMs > OLD_MS);
  });

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  async function keyFile(name: string): Promise<string> {
    const path = bed.path(name);
    writeFileSync(path, (await shoal(['keygen'])).stdout, { mode: 0o600 });
    chmodSync(path, 0o600);
    return path;
  }

  async function capture(node: string): Promise<Recording> {
    const ports = [GOSSIP_PORT, MULTICAST_PORT].map(String);
    const { code, stdout, stderr } = await bed.inside(
      node,
      ...['python3', CAPTURE, String(RECORD_SECONDS), bed.path('over'), ...ports],
    );
    if (code !== 0) throw new Error(`capture.py ended with ${code}: ${stderr}`);
    const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
    const all = lines.map((line) => JSON.parse(line) as Datagram | { stream: string });
    return {
      datagrams: all.filter((one): one is Datagram => 'hex' in one),
      streams: all.flatMap((one) => ('stream' in one ? [one.stream] : [])),
    };
  }

  /** A bit of everything: discovery, streams, changes, a restart, a change of keys, farewells. */
  async function life(): Promise<void> {
    await agreement(agents, 30_000);
    await named(agents, 'a3').ok('register', '10', '20', '--priority', '4');
    await entryEverywhere(agents, 'a3', '10-20', 4, 15_000);
    await named(agents, 'a3').stop();
    await named(agents, 'a1').ok('keys', 'install', (await shoal(['keygen'])).stdout.trim());
    agents[2] = await bed.start('a3', '--key-file', bed.path('keys'));
    await agreement(agents, 30_000);
    await named(agents, 'a2').ok('join', gossipOf('a1'));
  }

  async function inject(plan: {
    datagrams?: readonly Datagram[];
    flip?: boolean;
    streams?: readonly string[];
    to?: string;
  }): Promise<Sent> {
    const file = bed.path('plan.json');
    const { datagrams = [], flip = false, streams = [], to = 'a1' } = plan;
    const streamTo = [addressOf(to), GOSSIP_PORT];
    writeFileSync(file, JSON.stringify({ datagrams, flip, perSecond: PER_SECOND, streams, streamTo }));
    const { code, stdout, stderr } = await bed.inside('a4', 'python3', INJECT, file);
    if (code !== 0) throw new Error(`inject.py ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** While it lasts changes are acknowledged and seen everywhere; after it nothing is other than before. */
  async function withoutEffect(attack: () => Promise<Sent>): Promise<{ sent: number; dropped: number }> {
    const before = await Promise.all(agents.map(stateOf));
    const droppedBefore = (await Promise.all(agents.map(dropped))).reduce((a, b) => a + b);
    const rssBefore = agents.map(rssMb);
    let over = false;
    const attacking = attack().finally(() => {
      over = true;
    });
    let served = 0;
    for (; served < 2 || !over; served++) {
      const agent = agents[served % agents.length] as TestAgent;
      const range = `${++change}`;
      await agent.ok('register', range, range);
      await entryEverywhere(agents, agent.name, `${range}-${range}`, 1, PROMPT_MS);
      await agent.ok('release', range, range);
      await entryEverywhere(agents, agent.name, `${range}-${range}`, null, PROMPT_MS);
    }
    const { sent } = await attacking;
    await agreement(agents, 30_000);
    // The digest covers what causes were seen, so that our own changes show in it: equal on all, which agreement says.
    const strip = (state: string): string => state.replace(/"digest":"[^"]*"/, '');
    expect((await Promise.all(agents.map(stateOf))).map(strip)).toEqual(before.map(strip));
    for (const [i, agent] of agents.entries()) {
      expect(agent.running.alive).toBe(true);
      expect(rssMb(agent) - (rssBefore[i] ?? 0), `${agent.name} grew`).toBeLessThan(40);
    }
    const droppedNow = (await Promise.all(agents.map(dropped))).reduce((a, b) => a + b);
    const outcome = { sent, dropped: droppedNow - droppedBefore };
    console.info(`${sent} sent, ${outcome.dropped} counted as dropped or answered, ${served} changes served`);
    return outcome;
  }

  test('every single byte changed, of datagrams of every length and way, is dropped and counted', async () => {
    const taken = new Map<string, number>();
    const datagrams = recording.datagrams.filter(({ dst, hex }) => {
      const kind = `${dst} ${hex.length}`;
      taken.set(kind, (taken.get(kind) ?? 0) + 1);
      return (taken.get(kind) ?? 0) <= OF_ONE_LENGTH;
    });
    const ways = new Set(datagrams.map(({ dst }) => dst));
    expect([...ways].some((dst) => dst.startsWith('239.'))).toBe(true);
    expect(ways.size).toBe(4);
    expect(taken.size).toBeGreaterThan(20);
    const outcome = await withoutEffect(() => inject({ datagrams, flip: true }));
    expect(outcome.sent).toBeGreaterThan(2_000);
    // A datagram to the group comes to three; what is held until a boot proves itself is not counted yet.
    expect(outcome.dropped).toBeGreaterThan(outcome.sent * 0.95);
  });

  test('all that was recorded, played to those who lived through it, streams included', async () => {
    const { datagrams, streams } = recording;
    expect(datagrams.length).toBeGreaterThan(100);
    expect(streams.length).toBeGreaterThan(1);
    const outcome = await withoutEffect(async () => {
      const one = await inject({ datagrams: over(datagrams), streams });
      // Everything to everybody, as if another member than its sender had said it.
      const turned = ['a1', 'a2', 'a3'].flatMap((node) => turnedTo(node, datagrams));
      const two = await inject({ datagrams: over(turned) });
      return { sent: one.sent + two.sent, streams: one.streams };
    });
    expect(outcome.dropped).toBeGreaterThan(outcome.sent * 0.95 - 3 * HELD);
  });

  test('all that was recorded, played to one that was started again', async () => {
    await named(agents, 'a2').stop('SIGKILL');
    const again = await bed.start('a2', '--key-file', bed.path('keys'));
    agents[1] = again;
    const { datagrams, streams } = recording;
    const toIt = over(turnedTo('a2', datagrams));
    const playing = inject({ datagrams: toIt, streams, to: 'a2' });
    await agreement(agents, 30_000);
    await playing;
    const outcome = await withoutEffect(() => inject({ datagrams: toIt, streams, to: 'a2' }));
    expect(outcome.dropped).toBeGreaterThan(outcome.sent * 0.95 - HELD);
  });

  test('a node with a key of its own stays out, and both sides say why', async () => {
    const outcome = await withoutEffect(async () => {
      const other = await bed.start('a4', '--key-file', await keyFile('other'), '--join', gossipOf('a1'));
      const { keys } = await other.get<{ keys: { id: string }[] }>('/v1/keys');
      const says = async (agent: TestAgent, id: string | undefined): Promise<boolean> =>
        (await statusOf(agent)).warnings.some(
          (text) => text.includes(`(key ${id}`) && text.includes('keys install'),
        );
      await eventually('a1 says so', () => says(named(agents, 'a1'), keys[0]?.id));
      const ours = await named(agents, 'a1').get<{ keys: { id: string }[] }>('/v1/keys');
      await eventually('it says so itself', () => says(other, ours.keys[0]?.id));
      expect(await other.memberStates()).toEqual(['a4=alive']);
      await other.stop();
      return { sent: 1, streams: 0 };
    });
    expect(outcome.dropped).toBeGreaterThan(0);
  });
});
