import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NodeId, ShoalError } from '../../base/index.ts';
import { silentLog } from '../log.ts';
import { LEASE_COUNTERS, StateDirectory, type StateOptions } from './directory.ts';
import { type Disk, realDisk } from './disk.ts';
import type { DiskError } from './errors.ts';

let directory: string;
let open: StateDirectory[] = [];
let logged: string[] = [];
const log = { ...silentLog, warn: (_fields: object, message: string) => logged.push(message) };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-state-'));
  logged = [];
});

afterEach(async () => {
  for (const state of open) await state.abandon().catch(() => {});
  open = [];
  await rm(directory, { recursive: true, force: true });
});

async function start(soundness: StateOptions['soundness'] = () => 'whole') {
  const started = await StateDirectory.open(directory, { log, soundness, jump: () => 0 });
  open.push(started.state);
  return started;
}

function persist(state: StateDirectory, text: string): Promise<DiskError | null> {
  return new Promise((resolve) => state.persist(Buffer.from(text), resolve));
}

const texts = (records: readonly Uint8Array[]): string[] =>
  records.map((record) => Buffer.from(record).toString());

async function writeThree(): Promise<{ file: string; ends: number[] }> {
  const { state } = await start();
  const file = join(directory, 'journal.0');
  const ends: number[] = [];
  for (const text of ['first', 'second one', 'third']) {
    expect(await persist(state, text)).toBeNull();
    ends.push((await readFile(file)).length);
  }
  await state.abandon();
  return { file, ends };
}

describe('state directory', () => {
  it('makes an identity once and keeps it', async () => {
    const first = await start();
    await first.state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    const second = await start();
    expect(second.boot.id).toBe(first.boot.id);
    expect(JSON.parse(await readFile(join(directory, 'identity.json'), 'utf8'))).toEqual({
      id: first.boot.id,
    });
  });

  it('skips no counter and one incarnation after a clean stop, and the whole lease after a crash', async () => {
    const first = await start();
    expect(first.boot).toMatchObject({ incarnation: 1, leaseFrom: 1, leaseTo: 1 + LEASE_COUNTERS });
    await first.state.close({ nextCounter: 7, incarnation: 3, snapshot: null });
    const second = await start();
    expect(second.boot).toMatchObject({ incarnation: 4, leaseFrom: 7, leaseTo: 7 + LEASE_COUNTERS });
    await second.state.abandon();
    const third = await start();
    expect(third.boot.leaseFrom).toBe(7 + LEASE_COUNTERS);
    expect(third.boot.incarnation).toBeGreaterThan(4);
  });

  it('begins each life at counters of its own, so that two copies of one directory meet no number twice', async () => {
    const first = await StateDirectory.open(directory, { log });
    expect(first.boot).toMatchObject({ leaseFrom: 1, unleasedFrom: 1 });
    await first.state.abandon();
    const begun: number[] = [];
    for (let i = 0; i < 2; i++) {
      const copy = await mkdtemp(join(tmpdir(), 'shoal-copy-'));
      await cp(directory, copy, { recursive: true });
      const { state, boot } = await StateDirectory.open(copy, { log });
      begun.push(boot.leaseFrom);
      expect(boot.unleasedFrom).toBe(1 + LEASE_COUNTERS);
      expect(boot.leaseFrom).toBeGreaterThan(boot.unleasedFrom);
      await state.abandon();
      await rm(copy, { recursive: true });
    }
    expect(Math.abs((begun[0] as number) - (begun[1] as number))).toBeGreaterThan(1000);
  });

  it('spends no jump on a life that used no counter', async () => {
    const jump = () => 1_000_000;
    const open = () => StateDirectory.open(directory, { log, jump });
    const first = await open();
    await first.state.close({ nextCounter: 7, incarnation: 1, snapshot: null });
    const second = await open();
    expect(second.boot).toMatchObject({ unleasedFrom: 7, leaseFrom: 1_000_007 });
    await second.state.close({ nextCounter: second.boot.leaseFrom, incarnation: 2, snapshot: null });
    const third = await open();
    expect(third.boot).toMatchObject({ unleasedFrom: 7, leaseFrom: 1_000_007 });
    await third.state.close({ nextCounter: 1_000_009, incarnation: 3, snapshot: null });
    const fourth = await open();
    expect(fourth.boot.unleasedFrom).toBe(1_000_009);
    await fourth.state.abandon();
  });

  it('goes on under a new id with the state it is given, and lets go of the old journal', async () => {
    const { state, boot } = await start();
    expect(await persist(state, 'old')).toBeNull();
    const renewed = await state.renew(Buffer.from('whole state'));
    expect(renewed.id).not.toBe(boot.id);
    expect(renewed).toMatchObject({ incarnation: 1, leaseFrom: 1, leaseTo: 1 + LEASE_COUNTERS });
    expect(await persist(state, 'new')).toBeNull();
    await state.abandon();
    const again = await start();
    expect(again.boot.id).toBe(renewed.id);
    expect(Buffer.from(again.boot.snapshot ?? []).toString()).toBe('whole state');
    expect(texts(again.boot.journal)).toEqual(['new']);
    expect(again.boot.warnings).toEqual([]);
  });

  it('takes the new id when the power failed while it was written, and refuses files of different nodes', async () => {
    const { state, boot } = await start();
    const old = await readFile(join(directory, 'boot'));
    const identity = await readFile(join(directory, 'identity.json'));
    const renewed = await state.renew(Buffer.from('state'));
    await state.abandon();
    await writeFile(join(directory, 'boot.bak'), old);
    await writeFile(join(directory, 'identity.json'), identity);
    const again = await start();
    expect(again.boot.id).toBe(renewed.id);
    expect(again.boot.id).not.toBe(boot.id);
    await again.state.abandon();
    await writeFile(join(directory, 'identity.json'), '{"id":"00000000000000aa"}');
    await expect(start()).rejects.toMatchObject({ code: 'state-corrupt' });
  });

  it('gives a lease only when it is on disk', async () => {
    const { state } = await start();
    const upTo = await new Promise<number>((resolve) => state.lease(5000, (to) => resolve(to)));
    expect(upTo).toBe(5000);
    await state.abandon();
    expect((await start()).boot.leaseFrom).toBe(5000);
  });

  it('keeps the incarnation on disk ahead of one raised by refutations', async () => {
    const { state } = await start();
    state.incarnationUsed(1000);
    await new Promise<void>((resolve) => state.lease(2, () => resolve()));
    await state.abandon();
    expect((await start()).boot.incarnation).toBeGreaterThan(1000);
  });

  it('cuts a record torn at any byte, keeps the bytes cut, and goes on behind the last whole one', async () => {
    const { file, ends } = await writeThree();
    const whole = await readFile(file);
    const [, second, third] = ends as [number, number, number];
    for (let length = second + 1; length < third; length++) {
      await writeFile(file, whole.subarray(0, length));
      logged = [];
      const { state, boot } = await start();
      expect(texts(boot.journal)).toEqual(['first', 'second one']);
      expect(logged.join()).toContain(
        `journal.0 is torn after byte ${second}; the last ${length - second} bytes`,
      );
      expect(boot.warnings).toEqual([]);
      expect(await persist(state, 'fourth')).toBeNull();
      await state.abandon();
      const again = await start();
      expect(texts(again.boot.journal)).toEqual(['first', 'second one', 'fourth']);
      await again.state.abandon();
    }
    const kept = (await readdir(directory)).filter((name) => name.startsWith('journal.torn-'));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(5);
    const last = kept.sort().at(-1) as string;
    expect(await readFile(join(directory, last))).toEqual(whole.subarray(second, third - 1));
  });

  it('never gives out a record that was not written, whatever bit flips', async () => {
    const { file } = await writeThree();
    const whole = await readFile(file);
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
      await writeFile(file, bytes);
      const { state, boot } = await start();
      const found = texts(boot.journal);
      expect(found).toEqual(['first', 'second one', 'third'].slice(0, found.length));
      expect(found.length).toBeLessThan(3);
      await state.abandon();
    }
  });

  it('names damage in the middle of the journal in its warnings', async () => {
    const { file } = await writeThree();
    const bytes = await readFile(file);
    bytes[18] = (bytes[18] as number) ^ 1;
    await writeFile(file, bytes);
    const { boot } = await start();
    expect(boot.journal).toEqual([]);
    expect(boot.warnings).toHaveLength(1);
    expect(boot.warnings[0]).toMatch(
      /journal\.0 is damaged after byte 8; the last \d+ bytes were cut and kept as journal\.corrupt-.*-0; /,
    );
  });

  it('starts from the snapshot and the records after it', async () => {
    const { state } = await start();
    await persist(state, 'in the snapshot');
    state.snapshot(Buffer.from('snap'));
    await persist(state, 'after');
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    const { boot } = await start();
    expect(Buffer.from(boot.snapshot ?? []).toString()).toBe('snap');
    expect(texts(boot.journal)).toEqual(['after']);
    expect(await readdir(directory)).not.toContain('journal.0');
  });

  it('sets a damaged snapshot aside, says so, and starts with the journal', async () => {
    const { state } = await start();
    state.snapshot(Buffer.from('snap'));
    await persist(state, 'after');
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    const file = join(directory, 'snapshot');
    await truncate(file, 22);
    const { state: next, boot } = await start();
    expect(boot.snapshot).toBeNull();
    expect(texts(boot.journal)).toEqual(['after']);
    expect(boot.warnings.join()).toMatch(
      /the snapshot \(22 bytes\) is damaged and was set aside as snapshot\.corrupt-/,
    );
    expect(logged.join()).toContain('snapshot.corrupt-');
    next.snapshot(Buffer.from('new'));
    await next.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    expect(Buffer.from((await start()).boot.snapshot ?? []).toString()).toBe('new');
  });

  it('sets a snapshot aside whose frame is sound but whose content cannot be read, and does not write over it', async () => {
    const soundness = (bytes: Uint8Array) =>
      Buffer.from(bytes).toString() === 'unreadable' ? ('none' as const) : ('whole' as const);
    const { state } = await start();
    state.snapshot(Buffer.from('unreadable'));
    await persist(state, 'after');
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    const { state: next, boot } = await start(soundness);
    expect(boot.snapshot).toBeNull();
    expect(texts(boot.journal)).toEqual(['after']);
    expect(boot.warnings.join()).toMatch(
      /the snapshot \(\d+ bytes\) is not readable and was set aside as snapshot\.corrupt-/,
    );
    await next.close({ nextCounter: 1, incarnation: 1, snapshot: Buffer.from('new') });
    const kept = (await readdir(directory)).filter((name) => name.startsWith('snapshot.corrupt-'));
    expect(kept).toHaveLength(1);
    expect(await readFile(join(directory, kept[0] as string), 'latin1')).toContain('unreadable');
    const { boot: last } = await start(soundness);
    expect(Buffer.from(last.snapshot ?? []).toString()).toBe('new');
    expect(last.warnings.join()).toContain(kept[0]);
  });

  it('keeps a copy of a snapshot of which only parts can be read', async () => {
    const { state } = await start();
    state.snapshot(Buffer.from('half'));
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    const { state: next, boot } = await start(() => 'parts');
    expect(Buffer.from(boot.snapshot ?? []).toString()).toBe('half');
    expect(boot.warnings.join()).toMatch(
      /parts of the snapshot .* a copy was set aside as snapshot\.corrupt-/,
    );
    await next.abandon();
    expect(Buffer.from((await start()).boot.snapshot ?? []).toString()).toBe('half');
    expect((await readdir(directory)).filter((name) => name.startsWith('snapshot.corrupt-'))).toHaveLength(1);
  });

  it('does not replace a snapshot and its journals by one that cannot be read back', async () => {
    const { state } = await start((bytes) => (bytes.length === 3 ? 'none' : 'whole'));
    state.snapshot(Buffer.from('good'));
    await persist(state, 'after');
    state.snapshot(Buffer.from('bad'));
    expect(state.unsound).toBe(true);
    expect(state.changed).toBe(true);
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    const { boot } = await start();
    expect(Buffer.from(boot.snapshot ?? []).toString()).toBe('good');
    expect(texts(boot.journal)).toEqual(['after']);
  });

  it('names what an earlier start set aside at each start, until it is removed', async () => {
    const { state } = await start();
    state.snapshot(Buffer.from('snap'));
    await persist(state, 'after');
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    await truncate(join(directory, 'snapshot'), 22);
    // A start that fails afterwards, on a taken port say, closes the directory at once.
    const failed = await start();
    await failed.state.close({ nextCounter: 1, incarnation: 2, snapshot: null });
    const kept = (await readdir(directory)).filter((name) => name.startsWith('snapshot.corrupt-'));
    expect(kept).toHaveLength(1);
    for (let i = 0; i < 2; i++) {
      logged = [];
      const { state: again, boot } = await start();
      expect(boot.warnings).toHaveLength(1);
      expect(boot.warnings[0]).toContain(`set aside as damaged at an earlier start: ${kept[0]}; `);
      expect(logged.join()).toContain(kept[0]);
      await again.close({ nextCounter: 1, incarnation: 3 + i, snapshot: null });
    }
    await rm(join(directory, kept[0] as string));
    expect((await start()).boot.warnings).toEqual([]);
  });

  it('detects every flipped bit of a snapshot', async () => {
    const { state } = await start();
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: Buffer.from('content') });
    const file = join(directory, 'snapshot');
    const whole = await readFile(file);
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
      await writeFile(file, bytes);
      const { state: next, boot } = await start();
      expect(boot.snapshot).toBeNull();
      await next.abandon();
    }
  });

  it.each(['boot', 'boot.bak'])('survives the loss or damage of %s', async (name) => {
    const first = await start();
    await first.state.close({ nextCounter: 42, incarnation: 1, snapshot: null });
    const file = join(directory, name);
    await writeFile(file, (await readFile(file, 'utf8')).replace('42', '12'));
    const second = await start();
    expect(second.boot).toMatchObject({ id: first.boot.id, leaseFrom: 42, incarnation: 2 });
    expect(second.boot.warnings.join()).toContain(`${name} is damaged`);
    await second.state.close({ nextCounter: 43, incarnation: 2, snapshot: null });
    await rm(file);
    const third = await start();
    expect(third.boot).toMatchObject({ id: first.boot.id, leaseFrom: 43, incarnation: 3 });
  });

  it('refuses to start, changing nothing, when both copies of boot are lost', async () => {
    const { state } = await start();
    await state.close({ nextCounter: 42, incarnation: 1, snapshot: null });
    await writeFile(join(directory, 'boot'), 'x');
    await rm(join(directory, 'boot.bak'));
    const before = await readdir(directory);
    const error = await start().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ShoalError);
    expect(error).toMatchObject({ code: 'state-corrupt', field: 'data-dir' });
    expect((error as Error).message).toMatch(/boot and boot\.bak .* move the directory away/);
    expect(await readdir(directory)).toEqual(before);
  });

  it('brings a lost identity back from boot, and refuses one of another node', async () => {
    const first = await start();
    await first.state.abandon();
    await writeFile(join(directory, 'identity.json'), '{"id":');
    const second = await start();
    expect(second.boot.id).toBe(first.boot.id);
    await second.state.abandon();
    const other = '0123456789abcdef' as NodeId;
    await writeFile(join(directory, 'identity.json'), JSON.stringify({ id: other }));
    await expect(start()).rejects.toMatchObject({ code: 'state-corrupt' });
  });

  it('refuses a path that cannot be a directory, with a message that says what to do', async () => {
    await writeFile(join(directory, 'file'), '');
    for (const path of [join(directory, 'file'), join(directory, 'file', 'below')]) {
      const error = await StateDirectory.open(path, { log }).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'state-unwritable' });
      expect((error as Error).message).toContain('not a directory');
      expect((error as Error).message).toContain('--data-dir');
    }
  });

  it('writes appends of one turn with one sync', async () => {
    const { state } = await start();
    state.note(Buffer.from('note'));
    await Promise.all(Array.from({ length: 100 }, (_, i) => persist(state, `r${i}`)));
    expect(state.journal.syncs).toBe(1);
    await state.abandon();
    const { boot } = await start();
    expect(texts(boot.journal)).toEqual(['note', ...Array.from({ length: 100 }, (_, i) => `r${i}`)]);
  });
});

it('takes a new id only when what the old one was writing into boot is there', async () => {
  let slow = false;
  /** A card that takes longer over the old node's boot files than over everything else together. */
  const disk: Disk = {
    ...realDisk,
    rename: async (from, to) => {
      if (slow && from.endsWith('boot.tmp')) {
        slow = false;
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      await realDisk.rename(from, to);
    },
  };
  // From the very turn on in which the write begins to well after it.
  for (let pause = 0; pause < 6; pause++) {
    const path = join(directory, `n${pause}`);
    const { state, boot } = await StateDirectory.open(path, { log, disk });
    open.push(state);
    slow = true;
    let told = 'nothing';
    state.incarnationUsed(boot.incarnation + 12);
    state.lease(5_000_000, (_upTo, error) => {
      told = error === null ? 'leased' : error.code;
    });
    for (let i = 0; i < pause; i++) await new Promise((resolve) => setImmediate(resolve));
    const renewed = await state.renew(Buffer.from('state'));
    expect(told, `pause ${pause}`).toBe('leased');
    await state.abandon();
    const again = await StateDirectory.open(path, { log });
    open.push(again.state);
    expect(again.boot.id).toBe(renewed.id);
    expect(again.boot.unleasedFrom).toBe(renewed.leaseTo);
  }
});
