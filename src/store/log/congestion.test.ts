import { expect, it } from 'vitest';
import { SeededRng } from '../../base/index.ts';
import { Life, until } from './testing/life.ts';

it('refuses what waited for a slow disk when the disk turns out to be full', async () => {
  const queueBytes = 3 << 20;
  const life = new Life(new SeededRng(1), { queueBytes, compactFloorBytes: 1 << 30 });
  await life.open();
  let calls = 0;
  life.backend.onRoom = () => calls++;
  const queued = (): number => life.backend.counters.queuedBytes;
  life.disk.fail = (what) => (what === 'write' && queued() <= queueBytes ? 'ENOSPC' : null);
  for (let i = 0; i < 90; i++) life.put(`key:${i}`, 50_000);
  life.endTurn();
  expect(life.backend.congested).toBe(true);
  await until('told', () => !life.backend.congested);
  expect(queued()).toBeGreaterThan(queueBytes / 2);
  expect(calls).toBe(1);
  // As a turn of commands begins that no other came before.
  life.store.begin(life.nowMs);
  expect(life.store.refusal).toMatch(/^ENOSPC/);
  expect(life.store.blocked).toBeNull();
  life.disk.fail = () => null;
  await until('room again', () => life.backend.refusal === null);
  await life.store.close();
  await life.open();
  life.checkNow();
  await life.store.close();
});

it('refuses them, too, when the queue was full at that moment', async () => {
  const life = new Life(new SeededRng(1), { queueBytes: 3 << 20, compactFloorBytes: 1 << 30 });
  await life.open();
  let refusal: string | null = null;
  life.backend.onRoom = () => {
    life.store.begin(life.nowMs);
    refusal ??= life.store.refusal;
  };
  life.disk.fail = (what) => (what === 'write' ? 'ENOSPC' : null);
  for (let i = 0; i < 90; i++) life.put(`key:${i}`, 50_000);
  life.endTurn();
  expect(life.backend.congested).toBe(true);
  await until('told', () => !life.backend.congested);
  expect(refusal).toMatch(/^ENOSPC/);
  life.disk.fail = () => null;
  await life.store.close();
});
