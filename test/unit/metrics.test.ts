import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sealMetrics } from '../../src/daemon/keys.ts';
import { storeMetrics } from '../../src/daemon/store-metrics.ts';
import { renderMetrics } from '../../src/http/metrics.ts';
import { NetworkCounters } from '../../src/io/counters.ts';
import { driverMetrics } from '../../src/io/driver-metrics.ts';
import type { StateDirectory } from '../../src/io/state/directory.ts';
import type { MetricFamily } from '../../src/node/index.ts';
import { Lab } from '../../src/node/testing/lab.ts';
import { createGroupServer } from '../../src/resp/index.ts';
import { FakeGroup, nodeId } from '../../src/resp/testing/fake-group.ts';
import { GroupSeal } from '../../src/seal/index.ts';
import { Store } from '../../src/store/index.ts';

/**
 * Whatever is counted can be read in /metrics: every object called `counters`, `drops` or `outcomes` that the code makes
 * is found here, filled with figures of its own, and each figure is looked for in what is exported.
 */
const COUNTED = /^(counters|drops|outcomes)$/;
/** Classes whose counters are filled by their own tests, with the test. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  Stamps: 'dots of versions, which are no figures',
  MemoryBackend: 'nothing is counted there; the log below has the same figures',
  Appender: 'counted on by LogBackend, whose figures are exported: see storeMetrics',
  Writer: 'counted on by LevelBackend, which has the figures of LogBackend',
  LevelBackend: 'the same figures as those of LogBackend',
  Cache: 'exported by ReadThrough.counters: see storeMetrics',
  Reader: 'exported by ReadThrough.counters: see storeMetrics',
  Hook: 'src/daemon/hooks.test.ts: runs by outcome; handed, dropped and joined events',
};

let next = 1_000_003;

/** Gives every figure of the objects' counters a number of its own; what was filled, by `Class.counter`. */
function fill(root: object): Map<string, number> {
  const filled = new Map<string, number>();
  const seen = new Set<object>();
  const walk = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || seen.has(value) || depth > 6) return;
    seen.add(value);
    for (const [name, child] of Object.entries(value)) {
      if (COUNTED.test(name) && typeof child === 'object' && child !== null) {
        for (const [what, figure] of Object.entries(child)) {
          if (typeof figure !== 'number') continue;
          filled.set(`${value.constructor.name}.${what}`, next);
          (child as Record<string, number>)[what] = next++;
        }
      } else walk(child, depth + 1);
    }
  };
  walk(root, 0);
  return filled;
}

function exported(families: readonly MetricFamily[]): Set<number> {
  const values = new Set<number>();
  for (const { samples } of families)
    for (const sample of samples) if ('value' in sample) values.add(sample.value);
  return values;
}

function missing(filled: ReadonlyMap<string, number>, families: readonly MetricFamily[]): string[] {
  const values = exported(families);
  return [...filled].filter(([, value]) => !values.has(value)).map(([name]) => name);
}

const never = (): void => {};

function everything(): { filled: Map<string, number>; families: MetricFamily[]; missing: string[] } {
  const lab = new Lab();
  const { node } = lab.add();
  const ofNode = fill(node);
  const nodeFamilies = [...node.metrics(0)];
  const transport = { send: never, multicast: never, connect: never, write: never, close: never };
  const receiver = { datagram: never, accepted: never, opened: never, frame: never, closed: never };
  const seal = new GroupSeal({
    ...{ cluster: 'c', node: '0000000000000001', keys: [new Uint8Array(32)], saved: null },
    ...{
      below: transport,
      above: receiver,
      nowMs: () => 0,
      wallMs: () => 0,
      save: never,
      peers: () => [],
      log: never,
    },
  });
  const ofSeal = fill(seal);
  const sealFamilies = sealMetrics(seal);
  const counters = new NetworkCounters();
  const ofNetwork = fill({ counters });
  const journal = { syncs: 1, records: 2, writtenBytes: 3, droppedNotes: 4, failing: false };
  const state = { journal, snapshots: 5 } as unknown as StateDirectory;
  const networkFamilies = driverMetrics(counters, state, 0, 0);
  const { ofStore, storeFamilies } = theStore();
  return {
    filled: new Map([...ofNode, ...ofSeal, ...ofNetwork, ...ofStore]),
    families: [...nodeFamilies, ...sealFamilies, ...networkFamilies, ...storeFamilies],
    missing: [
      ...missing(ofStore, storeFamilies),
      ...missing(ofNode, nodeFamilies),
      ...missing(ofSeal, sealFamilies),
      ...missing(ofNetwork, networkFamilies),
    ],
  };
}

/** Times are told in seconds: their figures are looked for as such. */
function theStore(): { ofStore: Map<string, number>; storeFamilies: MetricFamily[] } {
  const group = new FakeGroup();
  const id = nodeId(1);
  group.join(id, null);
  const store = new Store();
  const settings = {};
  const parts = { node: group.node(id), store, keys: null, open: true, nowMs: () => 0, level: '1m0d' };
  const server = createGroupServer({ ...parts, settings });
  const ofStore = new Map(
    [server.server.state, server.server.dispatcher, server.router, server.router.forwarder]
      .concat([server.router.holdings, server.router.slots, store.table] as never[])
      .flatMap((part) => [...fill({ part })])
      .filter(([name]) => !name.startsWith('MemoryBackend.')),
  );
  // What a log would count.
  const backend = { ...store.backend, counters: { ...store.backend.counters } };
  for (const name of Object.keys(backend.counters)) {
    ofStore.set(`LogBackend.${name}`, next);
    (backend.counters as Record<string, number>)[name] = next++;
  }
  const storeFamilies = storeMetrics(server, { table: store.table, backend } as unknown as Store);
  for (const name of ['ServerState.longestTurnUsec', 'LogBackend.longestStepMs']) {
    const unit = name.endsWith('Usec') ? 1e6 : 1e3;
    ofStore.set(name, (ofStore.get(name) as number) / unit);
  }
  return { ofStore, storeFamilies };
}

it('every figure that is counted is exported', () => {
  const { filled, missing: lost } = everything();
  expect(filled.size).toBeGreaterThan(90);
  expect(lost).toEqual([]);
});

it('every class that counts is among those looked at', () => {
  const visited = new Set([...everything().filled.keys()].map((name) => name.split('.')[0]));
  const counting = new Set<string>();
  const root = join(import.meta.dirname, '../../src');
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || /\.test\.ts$|testing\/|testkit|fake-/.test(name)) continue;
    let owner = '';
    for (const line of readFileSync(join(root, name), 'utf8').split('\n')) {
      owner = /^(?:export )?(?:abstract )?class (\w+)/.exec(line)?.[1] ?? owner;
      if (
        /^ {2}(?:readonly )?#?(?:counters|drops|outcomes)\b.*[:=]/.test(line) &&
        !/new Counters|: Counters|#counters: Network/.test(line)
      )
        if (owner !== '') counting.add(owner);
    }
  }
  expect(counting.size).toBeGreaterThan(15);
  const unseen = [...counting].filter((name) => !visited.has(name) && ELSEWHERE[name] === undefined);
  // NodeCore's are found on the Node that extends it.
  expect(unseen.filter((name) => name !== 'NodeCore')).toEqual([]);
});

it('every family says what it is, in a sentence, and is in the text once', () => {
  const { families } = everything();
  for (const { name, help } of families) expect(help, name).toMatch(/^\S.{5,}[.]$/);
  const names = families.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  const text = renderMetrics(families);
  for (const name of names) expect(text).toContain(`# HELP ${name} `);
});
