import { writeFileSync } from 'node:fs';
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

test('the slow log has keys and no values, and over TCP no keys where the store has a password', async () => {
  await using sandbox = new Sandbox();
  const password = 'a-password-of-many-letters';
  const file = sandbox.path('password');
  writeFileSync(file, password, { mode: 0o600 });
  const flags = ['--range', '0-0xffffffff', '--store', 'memory', '--resp-password-file', file];
  const agent = await sandbox.start({ name: 'one', flags });
  const client = await StoreClient.connect(agent.ready.resp as string);
  expect(await client.ask('AUTH', password)).toBe('OK');
  expect(await client.ask('CONFIG', 'SET', 'slowlog-log-slower-than', 0)).toBe('OK');
  expect(await client.ask('MSET', '{a}1', 'value', '{a}2', 'value')).toBe('OK');
  client.close();
  const lines = await agent.ok('store', 'slowlog');
  expect(lines).toMatch(/ mset +\{a\}1 \{a\}2 /);
  expect(lines).not.toContain('value');
  expect(lines).not.toContain(password);
  const answer = await fetch(`http://${agent.ready.http}/v1/store/slowlog`);
  const { entries } = (await answer.json()) as { entries: { command: string; keys: string[] | null }[] };
  expect(entries[0]).toMatchObject({ command: 'mset', keys: null });
  expect(await agent.ok('store', 'scan', '--count')).toBe('2 messages in slots 0 to 16383\n');
  expect(await agent.ok('store', 'scan', '--range', 'slot:0-slot:0', '--count')).toMatch(/^0 messages/);
});
