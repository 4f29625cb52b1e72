import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { agreement, eventually, Sandbox, type TestAgent } from '../e2e/harness.ts';
import { type Reply, StoreClient } from '../e2e/store-client.ts';
import { canRun, metrics } from './bed.ts';

const MB = 2 ** 20;
const DISK_MB = 24;
const AGAIN_MS = 30_000;
const VALUE_BYTES = 20_000;

/** Two agents, the store of the first on a small disk of its own. */
describe.skipIf(!canRun())('the disk of the store', () => {
  let sandbox: Sandbox;
  let disk: string;
  let other: TestAgent;

  beforeEach(async () => {
    sandbox = new Sandbox();
    disk = sandbox.path('disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', disk]);
    other = await sandbox.start({ name: 'other', flags: ['--no-resp'] });
  });

  afterEach(async () => {
    // Lazily: it is gone when nobody uses it any more.
    execFileSync('umount', ['-l', disk]);
    await sandbox[Symbol.asyncDispose]();
  });

  const start = (name = 'small', more: string[] = []): Promise<TestAgent> =>
    sandbox.start({
      name,
      flags: [
        ...['--store-dir', join(disk, 'store'), '--store-memory', '16', '--range', '0-0xffffffff'],
        ...more,
      ],
    });
  const clientOf = (agent: TestAgent): Promise<StoreClient> =>
    StoreClient.connect(agent.ready.resp as string);
  const warningsOf = async (agent: TestAgent): Promise<string> =>
    (await agent.get<{ warnings: string[] }>('/v1/status')).warnings.join('\n');
  /** Nothing that packing makes smaller. */
  const value = (i: number): string =>
    createHash('shake256', { outputLength: (VALUE_BYTES * 3) / 4 })
      .update(String(i))
      .digest('base64');

  /** Takes all that the disk has left, to the last page. */
  function fillUp(path: string): void {
    const file = openSync(path, 'w');
    try {
      for (const block = Buffer.alloc(MB / 256, 1); ; ) writeSync(file, block);
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
    } finally {
      closeSync(file);
    }
  }

  test.each(['log', 'leveldb'])(
    'full under %s: writes are refused, reads and the node go on, deletions or room make writes go on; nothing acknowledged is lost',
    async (store) => {
      // LevelDB leaves 32 MB alone, and may take three times what is in it for a while.
      if (store === 'leveldb') execFileSync('mount', ['-o', 'remount,size=88m', disk]);
      const ballast = join(disk, 'ballast');
      writeFileSync(ballast, Buffer.alloc((store === 'leveldb' ? 40 : 8) * MB, 1));
      const flags = ['--store', store];
      const agent = await start('small', flags);
      await agreement([agent, other]);
      const client = await clientOf(agent);
      const kept = new Set<number>();
      let keys = 0;
      const set = async (): Promise<Reply> => {
        const reply = await client.ask('SET', `key:${keys}`, value(keys));
        if (reply === 'OK') kept.add(keys++);
        return reply;
      };
      const readAll = async (from: StoreClient): Promise<void> => {
        for (let i = 0; i < keys; i++)
          expect(await from.ask('GET', `key:${i}`), `key:${i}`).toBe(kept.has(i) ? value(i) : null);
      };
      const remove = async (of: number): Promise<void> => {
        for (let i = 0; i < keys; i++)
          if (i % 10 === of) {
            await client.ask('DEL', `key:${i}`);
            kept.delete(i);
          }
      };
      let refused: Reply = null;
      while (!(refused instanceof Error)) {
        refused = await set();
        // An answer with an error would be as good: there is no room any more.
        if (keys % 20 === 0) await client.ask('WAITAOF', 1, 0, 2000);
        expect(keys, 'a disk of 16 MB is full').toBeLessThan((16 * MB) / VALUE_BYTES + 1000);
      }
      expect(refused.message).toMatch(/^ENOSPC no space left for messages/);
      await eventually('it says so', async () =>
        /no more messages|no space left/.test(await warningsOf(agent)),
      );
      await readAll(client);
      if (store === 'log') {
        for (let of = 0; of < 5; of++) await remove(of);
        await eventually('deletions make room', async () => (await set()) === 'OK', AGAIN_MS);
        expect(await client.ask('WAITAOF', 1, 0, 10_000)).toEqual([1, 0]);
        // A snapshot that was under way makes room once more.
        let told: Reply = [1, 0];
        for (let i = 0; i < 10 && String(told) === '1,0'; i++) {
          fillUp(join(disk, `rest-${i}`));
          // It needs no room, but is written with its value.
          for (const key of [...kept].slice(0, 5)) await client.ask('PEXPIRE', `key:${key}`, 10_000_000 + i);
          told = await client.ask('WAITAOF', 1, 0, 500);
        }
        expect(told).toEqual([0, 0]);
        await client.ask('BGSAVE');
        await eventually('it says why', async () =>
          /cannot write .*no space left/.test(await warningsOf(agent)),
        );
      }
      await readAll(client);
      expect(await other.memberStates()).toContain('small=alive');
      const counted = await metrics(other);
      for (const what of ['suspicions', 'downs'])
        expect(counted.get(`shoal_detection_total{what="${what}"}`), what).toBe(0);
      for (const name of readdirSync(disk))
        if (/^(ballast|rest)/.test(name)) rmSync(join(disk, name), { force: true });
      await eventually('writes are taken again', async () => (await set()) === 'OK', AGAIN_MS);
      await eventually(
        'no warning is left',
        async () => !/no space left|no more messages/.test(await warningsOf(agent)),
        AGAIN_MS,
      );
      expect(await client.ask('WAITAOF', 1, 0, 10_000)).toEqual([1, 0]);
      await agent.stop('SIGKILL');
      client.close();
      const again = await clientOf(await start('small', flags));
      await readAll(again);
      again.close();
    },
  );

  test('read-only at the start: the node runs and says why nothing is served, and serves what is there when it may', async () => {
    const first = await start();
    const writer = await clientOf(first);
    expect(await writer.ask('SET', 'kept', 'value')).toBe('OK');
    writer.close();
    await first.stop();
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const agent = await start();
    await agreement([agent, other]);
    await eventually('it says why', async () =>
      /the store does not serve: .*read-only/i.test(await warningsOf(agent)),
    );
    execFileSync('mount', ['-o', 'remount,rw', disk]);
    await eventually(
      'it serves',
      async () => !(await warningsOf(agent)).includes('does not serve'),
      AGAIN_MS,
    );
    const reader = await clientOf(agent);
    expect(await reader.ask('GET', 'kept')).toBe('value');
    reader.close();
  });

  test('in use by another agent: it is left alone until that one is gone', async () => {
    const first = await start();
    const client = await clientOf(first);
    expect(await client.ask('SET', 'kept', 'value')).toBe('OK');
    const second = await start('second');
    await eventually('it says who has it', async () =>
      (await warningsOf(second)).includes(`is in use by the daemon with pid ${first.running.pid}`),
    );
    expect(await client.ask('GET', 'kept')).toBe('value');
    client.close();
    await first.stop();
    await eventually(
      'it takes it over',
      async () => !(await warningsOf(second)).includes('does not serve'),
      AGAIN_MS,
    );
    const reader = await clientOf(second);
    expect(await reader.ask('GET', 'kept')).toBe('value');
    reader.close();
  });
});
