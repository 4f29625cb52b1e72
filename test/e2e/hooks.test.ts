import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox } from './harness.ts';

function script(sandbox: Sandbox, name: string, body: string): string {
  const path = sandbox.path(name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

test('an event script hears of members that come, die and return, and can ask its own agent', async () => {
  await using sandbox = new Sandbox();
  const seen = sandbox.path('seen');
  const hook = script(
    sandbox,
    'hook',
    `echo "$SHOAL_NODE_NAME: $SHOAL_EVENT_TYPE $SHOAL_SUBJECT_NAME $SHOAL_MEMBER_STATUS" >> ${seen}
[ -S "$SHOAL_SOCKET" ] || echo no socket >> ${seen}`,
  );
  const broken = script(sandbox, 'broken', 'echo this is why >&2; exit 7');
  const a = await sandbox.start({
    name: 'a',
    flags: ['--on-event', hook, '--on-event', `member-down=${broken}`],
  });
  const b = await sandbox.start({ name: 'b' });
  await agreement([a, b]);
  await eventually('it joined', () => read(seen).includes('a: member-join b alive'));
  b.running.kill('SIGKILL');
  await eventually('it is suspected', () => read(seen).includes('a: member-suspect b suspect'), 30_000);
  await eventually('it is down', () => read(seen).includes('a: member-down b down'), 30_000);
  const failed = await eventually('the failure is logged', () =>
    a.log.find((line) => line.how === 'exit code 7'),
  );
  expect(failed).toMatchObject({ script: broken, event: 'member-down', output: 'this is why' });
  const { warnings } = await a.get<{ warnings: string[] }>('/v1/status');
  expect(warnings.join('\n')).toContain(`the event script ${broken} failed: exit code 7`);
  const { json } = await a.call('GET', '/metrics');
  expect(json).toContain(`shoal_hook_runs_total{script="${broken}",outcome="failed"} 1`);
  await sandbox.start({ name: 'b' });
  await eventually('it returned', () => read(seen).split('member-join b').length > 2, 30_000);
  expect(read(seen)).not.toContain('no socket');
});

test('a script that is missing or may not be run stops the start with code 2 and what to do', async () => {
  await using sandbox = new Sandbox();
  const plain = sandbox.path('plain');
  writeFileSync(plain, '');
  for (const [path, message] of [
    [sandbox.path('none'), 'does not exist'],
    [plain, 'chmod 755'],
  ] as const) {
    const { code, stderr } = await sandbox.run([
      'agent',
      '--name',
      'x',
      '--data-dir',
      sandbox.path('x'),
      '--on-event',
      path,
    ]).ended;
    expect(code).toBe(2);
    expect(stderr).toContain(`on_event (from flag --on-event): ${path}`);
    expect(stderr).toContain(message);
  }
});

test('a script that hangs neither delays the agent nor outlives it', async () => {
  await using sandbox = new Sandbox();
  const pid = sandbox.path('pid');
  const hang = script(sandbox, 'hang', `trap '' TERM; echo $$ > ${pid}; while :; do sleep 1; done`);
  const a = await sandbox.start({ name: 'a', flags: ['--on-event', hang] });
  await a.ok('register', '0', '10');
  await eventually('it runs', () => read(pid).endsWith('\n'));
  const startMs = performance.now();
  expect((await a.stop()).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(10_000);
  await eventually('it is gone', () => !existsSync(`/proc/${read(pid).trim()}`));
});
