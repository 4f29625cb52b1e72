import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox } from './harness.ts';
import { StoreClient } from './store-client.ts';

const MB = 2 ** 20;

test('a node tells the group how full its store is', async () => {
  await using sandbox = new Sandbox();
  const flags = ['--range', '0-0xffffffff', '--store-memory', '64'];
  const full = await sandbox.start({ name: 'full', flags });
  const other = await sandbox.start({ name: 'other', flags: ['--no-resp'] });
  await agreement([full, other]);
  type Members = {
    readonly members: readonly { readonly name: string; readonly capacity: Record<string, number> }[];
  };
  const told = async (): Promise<Record<string, number>> => {
    const { members } = JSON.parse(await other.ok('store', 'info', '--all', '--json')) as Members;
    return members.find(({ name }) => name === 'full')?.capacity ?? {};
  };
  expect(await told()).toMatchObject({ storeMb: 64, cores: expect.any(Number) });
  const client = await StoreClient.connect(full.ready.resp as string);
  // At once: what it had in between would be told too, and the next only a minute later.
  expect(await client.ask('SET', 'key', 'x'.repeat(24 * MB))).toBe('OK');
  client.close();
  await eventually('the other knows', async () => ((await told()).storePercent ?? 0) >= 35, 30_000);
  expect((await told()).storePercent).toBeLessThan(50);
  expect(await other.ok('store', 'info', '--all')).toMatch(/^full +alive +\S+ +(3|4)\d % of 64 MB/m);
});
