import { describe, expect, it } from 'vitest';
import { SeededRng, type ShoalError } from '../../base/index.ts';
import { Span } from '../span.ts';
import { Stamps } from '../stamps.ts';
import { MessageTable } from '../table.ts';
import { collidingKeys } from '../testing/colliding.ts';
import { Batch } from './batch.ts';
import { BATCH_MAGIC, fileHeader, frameBatch } from './format.ts';
import { Recovery } from './recovery.ts';
import type { FakeDisk } from './testing/fake-disk.ts';
import { contentsOf, Life, turns, until } from './testing/life.ts';

/** A store with some batches, each synced before the next. */
async function written(seed: number, changes = 30): Promise<Life> {
  const life = new Life(new SeededRng(seed), { compactFloorBytes: 1 << 30 });
  await life.open();
  for (let i = 0; i < changes; i++) {
    life.put(`key:${i % 20}`, 20 + life.rng.below(300));
    const waited = life.wait();
    life.endTurn();
    expect(await waited).toBeNull();
  }
  return life;
}

async function closed(seed: number): Promise<Life> {
  const life = await written(seed);
  await life.store.close();
  life.onDisk = life.changes.length;
  return life;
}

/** Where batches begin. */
function starts(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: number[] = [];
  for (let at = 48; at + 4 <= bytes.length; at += 16)
    if (view.getInt32(at, true) === BATCH_MAGIC) found.push(at);
  return found;
}

/** The first batch of a log as somebody might make it who knows all but the salt: sound, and later than all others. */
function forge(log: Uint8Array): Uint8Array {
  const { words, bytes } = new Batch();
  bytes.set(log.subarray(48, 4096));
  const [stored, raw, flags, records] = words.subarray(2, 6) as unknown as [number, number, number, number];
  const marks = { flags, records, number: 99, generation: 1, synced: 99, salt: 0 };
  return frameBatch(words, bytes, stored, raw, marks).slice();
}

/** A log of some batches, each with one key of its own, and one more that marks a clean end. */
async function keys(count: number): Promise<{ life: Life; log: Uint8Array; first: number[] }> {
  const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
  await life.open();
  const first: number[] = [];
  for (let i = 0; i < count; i++) {
    first.push(life.disk.bytes('/d/log.1').length);
    life.put(`key:${i}`, 10 + 7 * i);
    const waited = life.wait();
    life.endTurn();
    expect(await waited).toBeNull();
  }
  await life.store.close();
  return { life, log: life.disk.bytes('/d/log.1').slice(), first };
}

/** Every byte of the file's header, of a batch with a key, and of the last batch's header; of the others some. */
function placesOf(log: Uint8Array, first: readonly number[]): number[] {
  const [, second, third] = first as [number, number, number];
  const last = starts(log).at(-1) as number;
  const isDense = (at: number): boolean =>
    at < 56 || (at >= second && at < third + 8) || (at >= last && at < last + 48);
  return [...log.keys()].filter((at) => isDense(at) || at % 41 === 0);
}

/** Reads these bytes back as the only log, and says what came of it; salvages them where that is refused. */
async function readBack(disk: FakeDisk, log: Uint8Array) {
  disk.only('/d/log.1', log);
  const words: string[] = [];
  const say = (text: string): number => words.push(text);
  const read = async (salvage: boolean) => {
    const stamps = new Stamps(1);
    const table = new MessageTable(stamps);
    const notices = { info: say, warn: say };
    const options = {
      disk: disk.session(),
      directory: '/d',
      table,
      stamps,
      notices,
      progressMs: 1000,
      salvage,
    };
    const { warnings } = await new Recovery(options).run();
    return { found: contentsOf(table), warnings, words: words.join('\n') };
  };
  try {
    return { ...(await read(false)), refused: null };
  } catch (error) {
    expect(Buffer.compare(disk.bytes('/d/log.1'), log), 'nothing is changed').toBe(0);
    return { ...(await read(true)), refused: error as ShoalError };
  }
}

describe('a damaged log', () => {
  it('gives all batches before a tear, at whatever byte it is', async () => {
    const { life, log, first } = await keys(3);
    for (const length of placesOf(log, first)) {
      if (length < 48) continue;
      const { refused, found, words, warnings } = await readBack(life.disk, log.slice(0, length));
      expect(refused, `${length} bytes`).toBeNull();
      expect(warnings).toEqual([]);
      const ends = starts(log).concat(log.length);
      const whole = first.filter((at) => ends.some((end) => end > at && end <= length));
      expect(found.size, `${length} bytes`).toBe(whole.length);
      if (!ends.includes(length)) {
        const cut = Math.max(48, ...ends.filter((end) => end < length));
        expect(words).toContain(
          `/d/log.1 ends in the middle of a write (the process or the machine stopped): cut at byte ${cut}, ${length - cut} bytes less`,
        );
      }
    }
  });

  it('loses one batch to one flipped bit, at whatever byte, and never without a word', async () => {
    const { life, log, first } = await keys(3);
    const values = new Map(life.contents());
    const last = starts(log).at(-1) as number;
    for (const at of placesOf(log, first)) {
      if (at === 6) continue; // The version: see below.
      const bytes = log.slice();
      bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
      const { refused, found, warnings, words } = await readBack(life.disk, bytes);
      for (const [key, value] of found) expect(values.get(key), `byte ${at}`).toBe(value);
      if (at < last) {
        // Of the last batch alone it cannot be known whether it was synced.
        expect(refused, `byte ${at}`).toMatchObject({ code: 'store-damaged', field: 'store-dir' });
        expect(refused?.message).toMatch(
          /log\.1 is damaged at byte \d+ \(.*\), and \d+ of its \d+ bytes cannot be read; .*; \d+ changes can be read: restore the files from a backup, or start with --store-salvage/,
        );
        expect(warnings.join()).toContain('the damaged files are kept as log.1.damaged');
        const hit = first.findLastIndex((from) => from <= at);
        expect(found.size, `byte ${at}`).toBe(hit >= 0 ? 2 : 3);
        expect(found.has(`key:${hit}`), `byte ${at}`).toBe(false);
      } else {
        expect(refused, `byte ${at}`).toBeNull();
        expect(found.size).toBe(3);
        expect(words).toContain(`cut at byte ${last}`);
      }
    }
  });

  it('is salvaged: what can be read is on disk again at once, the damaged file is kept, and no dot is used twice', async () => {
    const life = await closed(3);
    const bytes = life.disk.bytes('/d/log.1');
    const [, , third] = starts(bytes) as [number, number, number];
    bytes[third + 60] = (bytes[third + 60] as number) ^ 1;
    const damaged = bytes.slice();
    await expect(life.open()).rejects.toMatchObject({ code: 'store-damaged' });
    life.salvage = true;
    await life.open();
    const found = life.contents();
    expect(found.size).toBeGreaterThan(15);
    expect(life.store.blocked).toMatch(/^MISCONF/);
    await until(
      'mended, without anybody asking',
      () => life.store.blocked === null && life.backend.state === 'ok',
    );
    life.store.begin(life.nowMs);
    expect(life.store.refusal).toBeNull();
    life.put('after', 100);
    const waited = life.wait();
    life.endTurn();
    expect(await waited).toBeNull();
    expect(life.disk.list('/d')).toEqual(['log.1.damaged', 'log.3', 'snapshot.3']);
    expect(Buffer.compare(life.disk.bytes('/d/log.1.damaged'), damaged)).toBe(0);
    life.disk.crash(life.rng);
    await life.backend.close();
    life.salvage = false;
    await life.open();
    expect(life.backend.warnings).toEqual([]);
    expect(new Set(life.contents().keys())).toEqual(new Set([...found.keys(), 'after']));
    await life.store.close();
  });

  it('takes no value for a batch, though it is a copy of one', async () => {
    const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
    await life.open();
    life.put('gone', 100);
    const waited = life.wait();
    life.endTurn();
    expect(await waited).toBeNull();
    const forged = Buffer.from(forge(life.disk.bytes('/d/log.1'))).toString('latin1');
    // At every place a record may have among the units where batches begin.
    life.putText('a forged', `    ${forged}`.repeat(4));
    life.endTurn();
    await until('written', () => life.backend.onDiskSequence === life.backend.sequence);
    life.disk.kill();
    await life.backend.close();
    life.disk.cut('/d/log.1', life.disk.bytes('/d/log.1').length - 40);
    await life.open();
    expect([...life.contents().keys()]).toEqual(['gone']);
    await life.store.close();
  });

  it('is refused when a batch is missing, or a whole log, or a header', async () => {
    const cases: [RegExp, (life: Life) => void][] = [
      [
        /log\.1 is damaged at byte \d+ \(a batch\), and 0 of its \d+ bytes cannot be read/,
        (life) => {
          const bytes = life.disk.bytes('/d/log.1');
          const [, second, third] = starts(bytes) as [number, number, number];
          const rest = bytes.slice(third);
          bytes.set(rest, second);
          life.disk.cut('/d/log.1', second + rest.length);
        },
      ],
      [/log\.1 is missing; /, (life) => life.disk.rename('/d/log.1', '/d/log.2')],
      [/log\.1 is damaged at byte 0 \(its header\)/, (life) => life.disk.bytes('/d/log.1').fill(7, 0, 6)],
    ];
    for (const [message, harm] of cases) {
      const life = await closed(5);
      harm(life);
      await expect(life.open()).rejects.toMatchObject({
        code: 'store-damaged',
        message: expect.stringMatching(message),
      });
    }
  });

  it('says so when a newer version wrote it', async () => {
    const life = await closed(5);
    life.disk.bytes('/d/log.1')[6] = 0x32;
    await expect(life.open()).rejects.toMatchObject({
      code: 'store-newer',
      message: expect.stringContaining('written by a newer version of shoal (format 2)'),
    });
  });

  it('is refused when its snapshot is damaged anywhere', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const life = new Life(new SeededRng(2), { compactFloorBytes: 1000 });
      await life.open();
      while (life.backend.counters.snapshots === 0) {
        life.put(`key:${life.rng.below(30)}`, 200);
        life.endTurn();
        await turns(3);
      }
      const values = life.contents();
      await life.store.close();
      const name = life.disk.list('/d').find((one) => one.startsWith('snapshot.')) as string;
      const bytes = life.disk.bytes(`/d/${name}`);
      const rng = new SeededRng(seed);
      if (seed % 2 === 0) life.disk.cut(`/d/${name}`, rng.below(bytes.length));
      else {
        const at = rng.below(bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
      }
      const error = (await life.open().catch((reason: unknown) => reason)) as ShoalError;
      expect(error.message).toContain(name);
      if (error.code === 'store-newer') continue;
      expect(error.code).toBe('store-damaged');
      life.salvage = true;
      await life.open();
      for (const [key, value] of life.contents()) expect(values.get(key), key).toBe(value);
      await life.store.close();
    }
  });
});

describe('a log that was begun after the disk had failed, and nothing more', () => {
  it('still says so at the next start, which writes a snapshot before it trusts the files', async () => {
    const life = await closed(5);
    const { length } = life.disk.bytes('/d/log.1');
    const header = { kind: 'log', generation: 2, afterFailure: true, trustedBytes: length, salt: 7 } as const;
    const file = await life.disk.session().create('/d/log.2');
    await file.write(fileHeader(header), 0);
    await life.open();
    expect(life.backend.state).toBe('failing');
    await until('mended', () => life.backend.state === 'ok');
    life.checkMoment();
    expect(life.disk.list('/d')).toEqual(['log.3', 'snapshot.3']);
    await life.store.close();
  });
});

describe('a log with more colliding keys than have room together', () => {
  it('is read, and says how many were left out', async () => {
    const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
    await life.open();
    const { table } = life.store;
    const keys = collidingKeys(67).map((bytes) => new Span(bytes));
    const put = (key: Span): void => {
      table.lookup(key, 0, 12);
      table.put(key, 0, 12, 0);
    };
    for (const key of keys.slice(0, 64)) put(key);
    const { sink } = table;
    // As when a snapshot has what came later.
    table.sink = null;
    for (const key of keys.slice(0, 3)) if (table.lookup(key, 0, 12)) table.remove();
    table.sink = sink;
    for (const key of keys.slice(64)) put(key);
    await life.store.close();
    await life.open();
    expect(life.store.table.size).toBe(64);
    expect(life.backend.warnings.join()).toContain('of the messages in /d 3 were left out');
    await life.store.close();
  });
});
