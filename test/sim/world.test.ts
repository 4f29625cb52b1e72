import { describe, expect, it } from 'vitest';
import { SeededRng } from '../../src/base/index.ts';
import type { Machine, NodeFactory, Outputs } from '../../src/node/machine.ts';
import { SimDisk } from './disk.ts';
import { EventHeap } from './events.ts';
import type { LinkProfile } from './network.ts';
import { World } from './world.ts';

/** A machine that does nothing but what a test makes it do, and writes down what it hears. */
interface Probe {
  readonly out: Outputs;
  readonly heard: string[];
}

function lab(link: Partial<LinkProfile> = {}, seed = 1) {
  const probes: Probe[] = [];
  const factory: NodeFactory = (_boot, _options, out) => {
    const heard: string[] = [];
    probes.push({ out, heard });
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const machine: Partial<Machine> = {
      start() {},
      wake() {},
      yielded: () => null,
      nextWakeMs: () => Number.POSITIVE_INFINITY,
      datagram: (bytes, from, via) =>
        heard.push(`${via ? 'multicast' : 'datagram'} ${text(bytes)} from ${from}`),
      accepted: (stream) => heard.push(`accepted ${stream}`),
      opened: (stream) => heard.push(`opened ${stream}`),
      frame: (stream, bytes) => heard.push(`frame ${stream} ${text(bytes)}`),
      closed: (stream, reason) => heard.push(`closed ${stream} ${reason}`),
      persisted: (token, error) => heard.push(`persisted ${token} ${error?.code ?? 'ok'}`),
    };
    return machine as Machine;
  };
  const world = new World({ seed, factory, link });
  const start = (domain = -1) => {
    const host = world.addHost({ domain });
    host.start();
    return { host, ...(probes.at(-1) as Probe) };
  };
  return { world, start, probes };
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe('the simulated network', () => {
  it('delivers a datagram after its delay, and to nobody when there is a partition', () => {
    const { world, start } = lab({ delayMs: 5 });
    const [a, b] = [start(), start()];
    a.out.send(b.host.address, bytes('one'));
    world.runUntil(4.9);
    expect(b.heard).toEqual([]);
    world.runUntil(5);
    expect(b.heard).toEqual([`datagram one from ${a.host.address}`]);
    world.network.partition([0, 1]);
    a.out.send(b.host.address, bytes('two'));
    world.runUntil(100);
    expect(b.heard.length).toBe(1);
  });

  it('cuts one way only', () => {
    const { world, start } = lab();
    const [a, b] = [start(), start()];
    world.network.cut(a.host.index, b.host.index);
    a.out.send(b.host.address, bytes('lost'));
    b.out.send(a.host.address, bytes('there'));
    world.runUntil(100);
    expect([a.heard.length, b.heard.length]).toEqual([1, 0]);
  });

  it('loses, doubles and reorders about as often as it was told to', () => {
    const { world, start } = lab({ lossP: 0.25, duplicateP: 0.1, jitterMs: 50 });
    const [a, b] = [start(), start()];
    for (let i = 0; i < 4000; i++) a.out.send(b.host.address, bytes(String(i)));
    world.runUntil(1000);
    const numbers = b.heard.map((line) => Number(line.split(' ')[1]));
    expect(new Set(numbers).size).toBeGreaterThan(2850);
    expect(new Set(numbers).size).toBeLessThan(3150);
    expect(numbers.length - new Set(numbers).size).toBeGreaterThan(200);
    expect(numbers).not.toEqual(numbers.slice().sort((x, y) => x - y));
  });

  it('multicasts to the domain only, the sender among them, each with its own luck', () => {
    const { world, start } = lab({ lossP: 0.5 });
    const [a, b, c, d] = [start(0), start(0), start(0), start(1)];
    for (let i = 0; i < 100; i++) a.out.multicast(bytes(String(i)));
    world.runUntil(100);
    expect(a.heard.length).toBe(100);
    expect(d.heard).toEqual([]);
    expect(b.heard).not.toEqual(c.heard);
    for (const receiver of [b, c]) expect(Math.abs(receiver.heard.length - 50)).toBeLessThan(20);
  });

  it('takes a datagram over the limit for a fault of the machine', () => {
    const { world, start } = lab();
    const [a, b] = [start(), start()];
    a.out.send(b.host.address, new Uint8Array(1201));
    expect(world.violations.map((violation) => violation.rule)).toEqual(['too-large']);
  });
});

describe('the simulated streams', () => {
  it('carry frames whole and in order, however bad the wire is', () => {
    const { world, start } = lab({ lossP: 0.3, jitterMs: 40, delayMs: 5 });
    const [a, b] = [start(), start()];
    a.out.connect(1, b.host.address);
    for (let i = 0; i < 20; i++) a.out.write(1, bytes(String(i)));
    a.out.close(1);
    world.runUntil(60_000);
    expect(b.heard[0]).toBe('accepted -1');
    expect(b.heard.slice(1, 21)).toEqual(Array.from({ length: 20 }, (_, i) => `frame -1 ${i}`));
    expect(b.heard.slice(21)).toEqual(['closed -1 closed by the peer']);
    // Who has closed is told nothing more.
    expect(a.heard).toEqual([]);
  });

  it('are refused where nothing runs, and time out where the power is off', () => {
    const { world, start } = lab();
    const [a, b, c] = [start(), start(), start()];
    b.host.crash(false);
    c.host.crash(true);
    a.out.connect(1, b.host.address);
    a.out.connect(2, c.host.address);
    world.runUntil(100);
    expect(a.heard).toEqual(['closed 1 connection refused']);
    world.runUntil(20_000);
    expect(a.heard[1]).toBe('closed 2 connect timed out');
  });

  it('break when the peer dies, and after a long partition', () => {
    const { world, start } = lab();
    const [a, b, c] = [start(), start(), start()];
    a.out.connect(1, b.host.address);
    a.out.connect(2, c.host.address);
    world.runUntil(100);
    b.host.crash(false);
    world.runUntil(200);
    expect(a.heard).toContain('closed 1 closed by the peer');
    world.network.partition([0, 0, 1]);
    a.out.write(2, bytes('stuck'));
    world.runUntil(30_000);
    expect(a.heard).toContain('closed 2 timed out');
    expect(c.heard.some((line) => line.startsWith('frame'))).toBe(false);
  });
});

describe('the simulated host', () => {
  it('hears nothing during a stall, and everything in order after it', () => {
    const { world, start } = lab();
    const [a, b] = [start(), start()];
    b.host.stall(500);
    for (let i = 0; i < 3; i++) a.out.send(b.host.address, bytes(String(i)));
    world.runUntil(400);
    expect(b.heard).toEqual([]);
    world.runUntil(600);
    expect(b.heard.map((line) => line.split(' ')[1])).toEqual(['0', '1', '2']);
  });

  it('has a clock that drifts', () => {
    const { world } = lab();
    const host = world.addHost({ clockRate: 1.1 });
    host.start();
    const before = host.localMs();
    world.runUntil(1000);
    expect(host.localMs() - before).toBeCloseTo(1100, 6);
  });
});

describe('the simulated disk', () => {
  function disk(seed = 1) {
    const events = new EventHeap();
    return { events, disk: new SimDisk(events, new SeededRng(seed), 5) };
  }

  it('keeps what was synced, and of the rest a prefix at most', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { events, disk: sim } = disk(seed);
      sim.boot();
      let durable = 0;
      for (let i = 0; i < 10; i++) sim.persist(Uint8Array.of(i), () => durable++);
      events.runUntil(seed % 20);
      for (let i = 10; i < 15; i++) sim.note(Uint8Array.of(i));
      sim.crash();
      const kept = sim.boot().journal.map((record) => record[0]);
      expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => i));
      expect(kept.length).toBeGreaterThanOrEqual(durable);
    }
  });

  it('never leases a counter twice, whatever happened before', () => {
    const { events, disk: sim } = disk();
    const first = sim.boot();
    sim.lease(first.leaseTo + 1024, () => {});
    events.runUntil(200);
    sim.crash();
    const second = sim.boot();
    expect(second.unleasedFrom).toBe(first.leaseTo + 1024);
    expect(second.leaseFrom).toBeGreaterThan(first.leaseTo + 1024);
    expect(second.incarnation).toBe(first.incarnation + 1);
    sim.stop(second.leaseFrom + 7, Uint8Array.of(1));
    const third = sim.boot();
    expect([third.unleasedFrom, third.id, third.snapshot]).toEqual([
      second.leaseFrom + 7,
      first.id,
      Uint8Array.of(1),
    ]);
    sim.wipe();
    const fourth = sim.boot();
    expect(fourth.id).not.toBe(first.id);
    expect([fourth.leaseFrom, fourth.incarnation, fourth.snapshot]).toEqual([1, 1, null]);
  });

  it('refuses to persist while it is full, and forgets notes', () => {
    const { events, disk: sim } = disk();
    sim.boot();
    sim.full = true;
    const answers: (string | null)[] = [];
    sim.persist(Uint8Array.of(1), (error) => answers.push(error?.code ?? null));
    sim.note(Uint8Array.of(2));
    events.runUntil(5000);
    sim.full = false;
    sim.persist(Uint8Array.of(3), (error) => answers.push(error?.code ?? null));
    events.runUntil(10_000);
    expect(answers).toEqual(['disk-full', null]);
    expect(sim.boot().journal).toEqual([Uint8Array.of(3)]);
  });
});
