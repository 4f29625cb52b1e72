import { describe, expect, it } from 'vitest';
import type { Address } from '../../src/base/index.ts';
import { createNode } from '../../src/node/index.ts';
import type { SimHost } from './host.ts';
import { faultRun } from './scenarios/faults.ts';
import { Session } from './session.ts';

const ATTACKER = '10.99.99.99:9' as Address;
const HOUR_MS = 3_600_000;

interface Recorded {
  readonly from: SimHost;
  /** Null for a datagram, else which stream of the sender. */
  readonly stream: string | null;
  readonly bytes: Uint8Array;
}

/** A sealed group of five, and all that is on its wires from the first datagram on. */
function group(seed: number): { session: Session; recorded: Recorded[] } {
  const session = new Session({ seed, factory: createNode, sealed: true });
  const { world } = session;
  const recorded: Recorded[] = [];
  world.tap = (from, stream, bytes) => {
    recorded.push({ from, stream: stream === null ? null : `${from.index}/${from.epoch}/${stream}`, bytes });
  };
  // One of them is reached by the tree alone.
  session.addHosts(5, (i) => (i === 4 ? -1 : 0));
  session.startAll(100);
  session.converge(10_000);
  return { session, recorded };
}

function drops(host: SimHost): number {
  return Object.values(host.seal?.drops ?? {}).reduce((sum, n) => sum + n, 0);
}

function register(host: SimHost, start: number): void {
  host.command({ kind: 'register', start, end: start, priority: 1 });
}

const knows = (host: SimHost, start: number): boolean =>
  host.machine?.ranges().some((range) => range.start === start) ?? false;

describe('a sealed world', () => {
  it('holds the rules under faults while keys change, and the same seed gives the same run', () => {
    let rotations = 0;
    for (let seed = 1; seed <= 25; seed++) {
      const run = faultRun({ seed, factory: createNode, sealed: true });
      expect(run.violations, `npm run sim -- --scenario sealed --seed ${seed}`).toEqual([]);
      rotations += (run.figures.faults as { rotate: number }).rotate;
    }
    expect(rotations).toBeGreaterThan(25);
    const again = (): string =>
      faultRun({ seed: 5, factory: createNode, sealed: true, trace: true }).traceHash;
    expect(again()).toBe(again());
  }, 300_000);

  it('has nothing on its wires that is not sealed, streams and challenges included', () => {
    const { session, recorded } = group(3);
    expect(session.world.violations).toEqual([]);
    expect(recorded.length).toBeGreaterThan(50);
    expect(recorded.some(({ stream }) => stream !== null)).toBe(true);
    for (const { bytes, stream } of recorded) {
      if (stream === null) expect(bytes[0]).toBe(0x81);
      expect(Buffer.from(bytes).includes('n0')).toBe(false);
    }
  });

  it('takes nothing of a recorded hour that is played to all, and to one started again, while it serves', () => {
    const { session, recorded } = group(4);
    const { world } = session;
    const [first, second, third] = world.hosts as [SimHost, SimHost, SimHost];
    const from = world.nowMs;
    // A change a minute, a key change, and in the middle a process that ends: its boot is nobody's any more.
    for (let minute = 1; minute < 60; minute++) {
      world.events.at(from + minute * 60_000, () => register(world.hosts[minute % 5] as SimHost, minute));
    }
    world.events.at(from + HOUR_MS / 2, () => {
      second.crash(false);
      second.start();
    });
    world.runUntil(from + HOUR_MS);
    session.converge(10_000);
    world.tap = null;
    third.crash(false);
    third.start();
    // Till all have met it, and till the newest that was recorded is old.
    world.runUntil(world.nowMs + 60_000);
    expect(world.violations).toEqual([]);
    expect(first.machine?.ranges()).toHaveLength(59);
    expect(recorded.length).toBeGreaterThan(20_000);

    let injecting = false;
    world.watchers.push({
      arrived: (host) => {
        if (injecting) world.violate('replayed', `${host.address} took a recorded datagram`);
      },
    });
    const digest = first.machine?.digest();
    const ring = first.seal?.ring.digest;
    const before = world.hosts.map(drops);
    const boots = world.hosts.map((host) => host.seal?.datagrams.boots.size);
    let datagrams = 0;
    const streams = new Map<string, number>();
    const open = world.hosts.map((host) => host.seal?.streams.open ?? 0);
    recorded.forEach(({ from: sender, stream, bytes }, i) => {
      for (const host of world.hosts) {
        injecting = true;
        if (stream === null) {
          datagrams++;
          // From a stranger's address, and from the sender's own.
          const source = i % 2 === 0 ? ATTACKER : sender.address;
          host.seal?.incoming.datagram(bytes, source, i % 3 === 0);
        } else {
          const handle = streams.get(stream) ?? -1_000_000 - streams.size;
          if (!streams.has(stream)) {
            streams.set(stream, handle);
            for (const each of world.hosts) each.seal?.incoming.accepted(handle, ATTACKER);
          }
          host.seal?.incoming.frame(handle, bytes);
        }
        injecting = false;
      }
      if (i % 200 === 0) world.runUntil(world.nowMs + 20);
      if (i === 1000) register(first, 1000);
    });
    for (const host of world.hosts) {
      for (const handle of streams.values()) host.seal?.incoming.closed(handle, 'over');
    }
    world.runUntil(world.nowMs + 1000);
    expect(world.violations).toEqual([]);
    for (const host of world.hosts) expect(knows(host, 1000), host.address).toBe(true);
    // But for that one change, which everybody has, nothing is other than before.
    first.command({ kind: 'release', start: 1000, end: 1000 });
    world.runUntil(world.nowMs + 1000);
    for (const host of world.hosts) {
      expect(host.machine?.ranges().map(({ start }) => start)).toEqual(
        Array.from({ length: 59 }, (_, i) => i + 1),
      );
      expect(host.machine?.digest()).toBe(first.machine?.digest());
      expect(host.seal?.ring.digest).toBe(ring);
    }
    expect(digest).not.toBeUndefined();
    // Every one was counted; those of boots that do not answer are held first, a few at a time.
    const counted = world.hosts.reduce((sum, host, i) => sum + drops(host) - (before[i] ?? 0), 0);
    expect(counted).toBeGreaterThan(datagrams * 0.99);
    expect(world.hosts.map((host) => host.seal?.datagrams.boots.size)).toEqual(boots);
    expect(world.hosts.map((host) => host.seal?.streams.open ?? 0)).toEqual(open);
  }, 300_000);
});
