import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Address, LIMITS, ShoalError } from '../base/index.ts';
import type { EventView } from '../node/contract.ts';
import { createDriver, type Driver } from './driver.ts';
import type { DriverOptions } from './driver-options.ts';
import { silentLog } from './log.ts';
import { type FakeMachine, fakeFactory, memberEvent } from './testing/fake-machine.ts';
import { until } from './testing/poll.ts';

let directory: string;
const running: Driver[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-driver-'));
});

afterEach(async () => {
  for (const driver of running.splice(0)) await driver.stop({ snapshot: false });
  await rm(directory, { recursive: true, force: true });
});

async function start(over: Partial<DriverOptions> = {}): Promise<{ driver: Driver; machine: FakeMachine }> {
  const fake = fakeFactory();
  const driver = await createDriver({
    factory: fake.factory,
    stateDirectory: directory,
    bind: '127.0.0.1:0' as Address,
    advertise: null,
    multicast: null,
    name: 'a',
    cluster: 'c',
    join: [],
    ranges: [],
    tags: {},
    version: '1',
    log: silentLog,
    ...over,
  });
  running.push(driver);
  return { driver, machine: fake.machine() };
}

describe('driver', () => {
  it('starts the machine once, with what it bound and what the state directory gave', async () => {
    const { driver, machine } = await start();
    expect(machine.count('start')).toBe(1);
    expect(machine.options.advertise).toBe(driver.gossip);
    expect(driver.gossip).toMatch(/^127\.0\.0\.1:[1-9][0-9]*$/);
    expect(machine.options.insecure).toBe(false);
    expect(machine.boot).toMatchObject({ incarnation: 1, leaseFrom: 1, snapshot: null, journal: [] });
  });

  it('hands on how members are watched', async () => {
    const detection = { probePeriodMs: 300, suspicionPeriods: 2 };
    const { machine } = await start({ detection, forgetAfterMs: 60_000 });
    expect(machine.options).toMatchObject({ detection, forgetAfterMs: 60_000 });
  });

  it('warns of an event loop that was late, and says what to do', async () => {
    const { driver, machine } = await start();
    const late = (): string =>
      driver
        .status()
        .warnings.filter((text) => text.includes('event loop'))
        .join();
    machine.onCommand = (token, _command, nowMs) => {
      machine.wakeAtMs = nowMs + 20;
      machine.out.answer(token, { ok: null });
    };
    const asked = driver.forceLeave('x');
    for (const untilMs = performance.now() + 400; performance.now() < untilMs; );
    await asked;
    await until('woken', () => machine.wakes === 1);
    expect(driver.status().health.eventLoopLagMs).toBeGreaterThan(300);
    expect(late()).toMatch(/was up to \d{3,} ms late within the last 20 s: .*raise probe_period/);
  });

  it('wakes the machine when it asked, not before, and not again', async () => {
    const { driver, machine } = await start();
    let wanted = 0;
    machine.onCommand = (token, _command, nowMs) => {
      wanted = nowMs + 30;
      machine.wakeAtMs = wanted;
      machine.out.answer(token, { ok: null });
    };
    await driver.forceLeave('x');
    await until('woken', () => machine.wakes === 1);
    expect(machine.inputs.at(-1)?.nowMs).toBeGreaterThanOrEqual(wanted);
    const before = machine.inputs.length;
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(machine.inputs.length).toBe(before);
  });

  it('moves the alarm forward when an input brings an earlier deadline', async () => {
    const { driver, machine } = await start();
    const deadlines = [60_000, 20];
    machine.onCommand = (token, _command, nowMs) => {
      machine.wakeAtMs = nowMs + (deadlines.shift() as number);
      machine.out.answer(token, { ok: null });
    };
    await driver.forceLeave('x');
    await driver.forceLeave('y');
    await until('woken', () => machine.wakes === 1, 2000);
  });

  it('answers a command when its record is on disk, and the record is there at the next start', async () => {
    const { driver, machine } = await start();
    machine.onCommand = (token) => machine.out.persist(Buffer.from(`record ${token}`), token);
    const answers = await Promise.all([1, 2, 3].map(() => driver.release({ start: 0, end: 1 })));
    expect(answers).toEqual([{ released: true }, { released: true }, { released: true }]);
    expect(machine.count('persisted')).toBe(3);
    machine.counter = 4;
    await driver.stop({ snapshot: false });
    const next = await start();
    expect(next.machine.boot.journal.map((record) => Buffer.from(record).toString())).toEqual([
      'record 1',
      'record 2',
      'record 3',
    ]);
    expect(next.machine.boot).toMatchObject({ id: machine.id, incarnation: 2, unleasedFrom: 4 });
  });

  it('turns a refusal of the machine into a ShoalError with its code and field', async () => {
    const { driver, machine } = await start();
    machine.onCommand = (token) =>
      machine.out.answer(token, { error: { code: 'bad-range', message: 'reversed', field: 'start' } });
    const error = await driver.register({ start: 2, end: 1, priority: 1 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ShoalError);
    expect(error).toMatchObject({ code: 'bad-range', message: 'reversed', field: 'start' });
  });

  it('refuses commands beyond the bound as overloaded; of those that wait when it stops it says that it does not know', async () => {
    const { driver, machine } = await start();
    machine.onCommand = () => {};
    const waiting = Array.from({ length: LIMITS.pendingCommands }, () => driver.forceLeave('x'));
    const settled = Promise.allSettled(waiting);
    await expect(driver.forceLeave('x')).rejects.toMatchObject({ code: 'overloaded' });
    await driver.stop({ snapshot: false });
    const results = await settled;
    expect(results.every((r) => r.status === 'rejected' && r.reason.code === 'timeout')).toBe(true);
    await expect(driver.forceLeave('x')).rejects.toMatchObject({ code: 'leaving' });
  });

  it('numbers events, keeps the last ones and hands them out after the input, even when a listener commands', async () => {
    const { driver, machine } = await start();
    const seen: [number, string][] = [];
    let nested: Promise<void> | null = null;
    machine.onCommand = (token, command) => {
      const type = command.kind === 'force-leave' ? 'member-leave' : 'member-join';
      machine.out.event(memberEvent(machine.id, type));
      machine.out.answer(token, { ok: null });
    };
    const stop = driver.onEvent((event: EventView) => {
      seen.push([event.id, event.type]);
      if (event.type === 'member-join') nested = driver.forceLeave('x');
    });
    await driver.join(['x:1']);
    await nested;
    const first = seen[0]?.[0] ?? 0;
    expect(seen).toEqual([
      [first, 'member-join'],
      [first + 1, 'member-leave'],
    ]);
    stop();
    for (let i = 0; i < LIMITS.eventHistory; i++) await driver.forceLeave('x');
    expect(seen).toHaveLength(2);
    const kept = driver.eventsAfter(0);
    expect(kept).toHaveLength(LIMITS.eventHistory);
    expect(kept[0]?.id).toBe(first + 2);
    const newest = first + LIMITS.eventHistory + 1;
    expect(driver.eventsAfter(newest - 2).map((event) => event.id)).toEqual([newest - 1, newest]);
    expect(new Date(kept[0]?.time ?? '').toISOString()).toBe(kept[0]?.time);
    // Another run begins elsewhere, so that its ids are not taken for this one's.
    await driver.stop({ snapshot: false });
    const other = await start();
    other.machine.out.event(memberEvent(other.machine.id, 'member-join'));
    expect(Math.abs((other.driver.eventsAfter(0)[0]?.id ?? first) - first)).toBeGreaterThan(newest - first);
  });

  it('crashes on an error of the machine and puts nothing in any more', async () => {
    const crashes: unknown[] = [];
    const { driver, machine } = await start({ crash: (error) => crashes.push(error) });
    machine.onCommand = () => {
      throw new Error('assertion failed: x');
    };
    driver.forceLeave('x').catch(() => {});
    expect(crashes).toMatchObject([{ message: 'assertion failed: x' }]);
    const before = machine.inputs.length;
    await expect(driver.forceLeave('x')).rejects.toMatchObject({ code: 'leaving' });
    expect(machine.inputs.length).toBe(before);
  });

  it('carries datagrams and streams between two machines', async () => {
    const a = await start();
    const b = await start({ stateDirectory: join(directory, 'b') });
    a.machine.onCommand = (token) => {
      a.machine.out.send(b.driver.gossip, Buffer.from('hello'));
      a.machine.out.connect(1, b.driver.gossip);
      a.machine.out.write(1, Buffer.from('frame'));
      a.machine.out.answer(token, { ok: null });
    };
    await a.driver.forceLeave('x');
    await until('arrived', () => b.machine.count('datagram') === 1 && b.machine.count('frame') === 1);
    expect(b.machine.inputs).toContainEqual({
      kind: 'datagram',
      bytes: 'hello',
      from: a.driver.gossip,
      viaMulticast: false,
    });
    expect(b.machine.inputs).toContainEqual({ kind: 'frame', stream: -1, bytes: 'frame' });
    expect(a.machine.count('opened')).toBe(1);
  });

  it('writes a last snapshot only when something changed', async () => {
    const first = await start();
    first.machine.onCommand = (token) => first.machine.out.persist(new Uint8Array(1), token);
    await first.driver.release({ start: 0, end: 0 });
    await first.driver.stop({ snapshot: true });
    const before = await stat(join(directory, 'snapshot'), { bigint: true });
    const second = await start();
    expect(second.machine.boot.snapshot).toEqual(new Uint8Array([1, 2, 3]));
    expect(second.machine.boot.journal).toEqual([]);
    await second.driver.stop({ snapshot: true });
    expect((await stat(join(directory, 'snapshot'), { bigint: true })).ino).toBe(before.ino);
    expect((await readdir(directory)).sort()).toEqual([
      'boot',
      'boot.bak',
      'identity.json',
      'journal.1',
      'snapshot',
    ]);
  });

  it('refuses a port that is taken, with a message that says what to do, and leaves the state directory free', async () => {
    const { driver } = await start();
    const other = join(directory, 'b');
    const refused = start({ stateDirectory: other, bind: driver.gossip });
    await expect(refused).rejects.toMatchObject({ code: 'address-in-use', field: 'bind' });
    await start({ stateDirectory: other });
  });

  it('says in status where it answers, and adds its warnings to those of the machine', async () => {
    const { driver } = await start();
    driver.setAddresses({ http: '127.0.0.1:1' as Address });
    const status = driver.status();
    expect(status.node.addresses).toEqual({ gossip: driver.gossip, http: '127.0.0.1:1', resp: null });
    expect(status.warnings).toEqual(['from the machine']);
    expect(status.multicast.enabled).toBe(false);
    expect(driver.metrics().map((family) => family.name)).toContain('shoal_journal_syncs_total');
  });

  it('gives no answer of the disk to another node than the one that asked', async () => {
    const fake = fakeFactory();
    const { driver } = await start({ factory: fake.factory });
    const old = fake.machine();
    old.yieldedAs = { how: 'renew', id: old.id, other: '127.0.0.1:9' as Address };
    await driver.release({ start: 0, end: 0 });
    await until('the node has a new id', () => fake.machine() !== old && fake.machine().count('start') === 1);
    const now = fake.machine();
    expect(now.id).not.toBe(old.id);
    old.out.lease(5_000_000);
    now.out.lease(6_000_000);
    await until('its own answer came', () => now.count('leased') > 0);
    expect(now.inputs.filter(({ kind }) => kind === 'leased').map(({ upTo }) => upTo)).toEqual([6_000_000]);
  });

  it('says when the machine has left', async () => {
    const { driver, machine } = await start();
    machine.onCommand = (token) => {
      machine.hasLeft = true;
      machine.out.answer(token, { ok: null });
    };
    await driver.leave({ release: false });
    await driver.whenLeft;
  });
});
