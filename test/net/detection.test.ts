import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreement, eventually, type TestAgent } from '../e2e/harness.ts';
import { Bed, canRun } from './bed.ts';
import { named, others } from './group.ts';

const STOPPED_MS = 30_000;
/** Detection takes 1.5 to 3 s on an idle machine. */
const DOWN_WITHIN_MS = 20_000;

interface MemberEvent {
  readonly type: string;
  readonly name: string;
  readonly origin: string | null;
}

/** Suspicions and verdicts that an agent remembers, read off the history of its event stream. */
function accusations(agent: TestAgent): Promise<MemberEvent[]> {
  const path = '/v1/events?type=member-suspect&type=member-down';
  return new Promise((done, fail) => {
    const headers = { 'last-event-id': '0' };
    const call = request({ socketPath: agent.ready.socket, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      // The history comes at once, in one piece with the head of the stream.
      response.once('data', (chunk: string) => {
        text += chunk;
        call.destroy();
        done([...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json ?? '') as MemberEvent));
      });
    });
    call.on('error', fail);
    call.end();
  });
}

describe.skipIf(!canRun())('a process that does not run for a while', () => {
  let bed: Bed;
  let agents: TestAgent[];

  beforeAll(async () => {
    bed = await Bed.up(5);
    agents = await bed.startAll();
    await agreement(agents, 30_000);
  });

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  test('of 30 s is down meanwhile, comes back by itself, and accuses nobody', async () => {
    const stopped = named(agents, 'a3');
    const well = others(agents, 'a3');
    stopped.running.kill('SIGSTOP');
    const endMs = performance.now() + STOPPED_MS;
    await eventually(
      'all list a3 as down',
      async () => {
        const states = await Promise.all(well.map((agent) => agent.memberStates()));
        return states.every((list) => list.includes('a3=down'));
      },
      DOWN_WITHIN_MS,
    );
    await new Promise((done) => setTimeout(done, Math.max(0, endMs - performance.now())));
    stopped.running.kill('SIGCONT');
    await eventually(
      'all list all as alive',
      async () => {
        const states = await Promise.all(agents.map((agent) => agent.memberStates()));
        return states.every((list) => list.every((state) => state.endsWith('=alive')) && list.length === 5);
      },
      DOWN_WITHIN_MS,
    );
    await agreement(agents, 30_000);
    // It has nothing to say against anybody, though it heard nobody for 30 s.
    for (const agent of agents) {
      const made = (await accusations(agent)).filter(({ origin }) => origin === stopped.ready.id);
      expect(made, agent.name).toEqual([]);
    }
    for (const agent of well) {
      const accused = (await accusations(agent)).filter(({ type }) => type === 'member-down');
      expect(new Set(accused.map(({ name }) => name)), agent.name).toEqual(new Set(['a3']));
    }
    const { health, warnings } = await stopped.get<{
      health: { score: number; eventLoopLagMs: number };
      warnings: string[];
    }>('/v1/status');
    // Unless it took longer than the 20 s for which the lag is remembered.
    if (health.eventLoopLagMs > 1000) expect(warnings.join('\n')).toMatch(/event loop was up to \d+ ms late/);
  });

  test('is told that it was forgotten by a node that could not wait, and is a member again', async () => {
    const [first] = agents as [TestAgent];
    const stopped = named(agents, 'a4');
    stopped.running.kill('SIGSTOP');
    await eventually(
      'a4 is down',
      async () => (await first.memberStates()).includes('a4=down'),
      DOWN_WITHIN_MS,
    );
    await first.ok('force-leave', 'a4');
    stopped.running.kill('SIGCONT');
    await agreement(agents, 30_000);
    for (const agent of agents) expect(await agent.memberStates(), agent.name).toContain('a4=alive');
  });
});
