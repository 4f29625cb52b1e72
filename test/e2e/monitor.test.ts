import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { EventView, KeyView } from '../../src/node/contract.ts';
import { agreement, eventually, Sandbox, shoal } from './harness.ts';

const events = (lines: readonly string[]): EventView[] => lines.map((line) => JSON.parse(line) as EventView);

test('monitor tells of suspicion, death and return, of owners and of keys, and never a key', async () => {
  await using sandbox = new Sandbox();
  const keyFile = sandbox.path('keys');
  const key = (await shoal(['keygen'])).stdout.trim();
  writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
  const flags = ['--key-file', keyFile];
  const a = await sandbox.start({ name: 'a', flags });
  const all = sandbox.run(['monitor', '--json', '--socket', a.ready.socket]);
  const text = sandbox.run([
    'monitor',
    '--filter',
    'keys-changed',
    '--filter',
    'member-down',
    '--socket',
    a.ready.socket,
  ]);
  await eventually('both watch', async () => {
    const { json } = await a.call('GET', '/metrics');
    return /^shoal_http_event_watchers 2$/m.test(String(json));
  });
  const b = await sandbox.start({ name: 'b', flags });
  await agreement([a, b]);
  await b.ok('register', '0', '99');
  await eventually('owners', () =>
    events(all.lines).some((e) => e.type === 'owners-changed' && e.range?.end === 99),
  );

  const other = (await shoal(['keygen'])).stdout.trim();
  await a.ok('keys', 'install', other);
  const changed = await eventually('keys', () => events(all.lines).find((e) => e.type === 'keys-changed'));
  expect(changed.keys).toHaveLength(2);
  expect(changed).toMatchObject({ subject: a.ready.id, name: 'a', origin: null });
  await eventually('both hold both keys', async () => {
    const { keys } = await a.get<{ keys: KeyView[] }>('/v1/keys');
    return keys.length === 2 && keys.every(({ holders }) => holders === 2);
  });
  const status = await a.get<{ keys: unknown }>('/v1/status');
  expect(status.keys).toEqual([
    { id: changed.keys?.[0], primary: true, holders: 2, lacking: 0, down: 0 },
    { id: changed.keys?.[1], primary: false, holders: 2, lacking: 0, down: 0 },
  ]);

  b.running.kill('SIGKILL');
  const ofB = () => events(all.lines).filter((e) => e.subject === b.ready.id && e.member !== undefined);
  await eventually('down', () => ofB().some((e) => e.type === 'member-down'));
  await sandbox.start({ name: 'b', flags });
  await eventually('back', () => ofB().at(-1)?.member?.status === 'alive');
  const states = ofB().map((e) => `${e.type} ${e.member?.status}`);
  expect(states.slice(0, 1)).toEqual(['member-join alive']);
  expect(states.indexOf('member-suspect suspect')).toBeGreaterThan(0);
  expect(states.indexOf('member-down down')).toBeGreaterThan(states.indexOf('member-suspect suspect'));
  expect(states.lastIndexOf('member-join alive')).toBeGreaterThan(states.indexOf('member-down down'));

  for (const { stdout } of [all, text])
    for (const secret of [key, other]) expect(stdout).not.toContain(secret);
  for (const line of text.lines) expect(line).toMatch(/ (keys-changed|member-down) /);
  expect(text.stdout).toContain(`keys ${changed.keys?.join(' ')}, the first in use`);
  expect(text.stdout).toMatch(/member-down +b {2}down at 127/);
});
