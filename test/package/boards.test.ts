import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreement, eventually, ROOT, Sandbox, shoal, type TestAgent } from '../e2e/harness.ts';
import { BOARDS, Boards } from './boards.ts';
import { canRun, must } from './clean-root.ts';

/** Twenty times slower than this machine, which may be busy with other things. */
const SLOW_MS = 60_000;
/** What the unit gives Node.js on a board. */
const FLAGS = (
  /^ExecStart=\S+ (--.*?) \//m.exec(readFileSync(join(ROOT, 'deploy/shoal.service'), 'utf8'))?.[1] ?? ''
).split(' ');

/** What the load of this machine does not change. */
function processorSeconds(pid: number): string {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const [user, system] = rest.split(' ').slice(11, 13).map(Number);
  return (((user ?? 0) + (system ?? 0)) / 100).toFixed(1);
}

interface Status {
  readonly node: { readonly id: string };
  readonly encrypted: boolean;
  readonly ranges: { readonly registrations: number };
}

describe.skipIf(!canRun({ mmdebstrap: 'mmdebstrap', npm: 'npm' }))(
  'a group of x64, arm64 and armv7 nodes',
  () => {
    const boards = new Boards();
    const sandbox = new Sandbox();
    const keyFile = sandbox.path('keys');
    const agents: TestAgent[] = [];

    beforeAll(async () => {
      boards.prepare();
      must('sh', [
        '-c',
        `umask 077; "$1" "$2" keygen >"$3"`,
        'sh',
        process.execPath,
        join(ROOT, 'bin/shoal'),
        keyFile,
      ]);
    }, 180_000);

    afterAll(async () => {
      await sandbox[Symbol.asyncDispose]();
      boards.remove();
    });

    /** Without multicast: qemu does not let a program choose the interface for it. */
    async function start(name: string, launcher: readonly string[]): Promise<TestAgent> {
      const [first] = agents;
      const join = first === undefined ? [] : ['--join', first.ready.gossip];
      const flags = ['--key-file', keyFile, ...join];
      const from = performance.now();
      const agent = await sandbox.start({ name, launcher, flags, multicast: false, readyMs: SLOW_MS });
      const seconds = ((performance.now() - from) / 1000).toFixed(1);
      console.log(
        `${name}: ready after ${seconds} s, ${processorSeconds(agent.running.pid)} s of a processor`,
      );
      return agent;
    }

    test('the flags of the unit are understood on each', () => {
      for (const board of BOARDS) {
        const [program = '', ...args] = [...boards.launcher(board), ...FLAGS];
        expect(must(program, [...args, '-p', 'process.arch'])).toBe(`${board.architecture}\n`);
      }
    });

    test('they agree, sealed with one key, on what each of them registers', async () => {
      agents.push(await start('x64', [process.execPath, ...FLAGS]));
      const others = BOARDS.map((board) => start(board.architecture, [...boards.launcher(board), ...FLAGS]));
      agents.push(...(await Promise.all(others)));
      await agreement(agents, SLOW_MS);
      await Promise.all(agents.map((agent, i) => agent.ok('register', `${i * 100}`, `${i * 100 + 99}`)));
      await Promise.all(agents.map((agent) => agent.ok('--timeout', '60', 'converged', '--wait', '60')));
      for (const agent of agents) {
        expect(await agent.rangesOf()).toEqual(['x64 0-99:1', 'arm64 100-199:1', 'arm 200-299:1']);
        expect((await agent.get<Status>('/v1/status')).encrypted).toBe(true);
      }
      const owners = await Promise.all(agents.map((agent) => agent.ok('owners', 'a-key')));
      expect(new Set(owners).size).toBe(1);
    });

    test('the verbs work on each', async () => {
      for (const board of BOARDS) {
        const [first] = agents;
        const asked = sandbox.run(
          ['members', '--socket', first?.ready.socket ?? ''],
          {},
          false,
          boards.launcher(board),
        );
        const { code, stdout } = await asked.ended;
        expect(code).toBe(0);
        expect(stdout.trim().split('\n')).toHaveLength(3);
      }
    });

    test('a state directory may move from one architecture to another', async () => {
      const old = agents[2] as TestAgent;
      expect((await old.stop()).code).toBe(0);
      // The same name: the same directory.
      agents[2] = await start(old.name, [process.execPath]);
      expect(agents[2].ready.id).toBe(old.ready.id);
      await agreement(agents, SLOW_MS);
      expect(await agents[2].rangesOf(agents[2].ready.id)).toEqual(['200-299:1']);
    });

    test('one that is killed is called down by the others', async () => {
      const [first, arm] = agents;
      arm?.running.kill('SIGKILL');
      await eventually(
        'it is down',
        async () => (await first?.memberStates())?.includes('arm64=down'),
        SLOW_MS,
      );
      const { code } = await shoal(['members', '--socket', first?.ready.socket ?? '', '--status', 'down']);
      expect(code).toBe(0);
    });
  },
);
