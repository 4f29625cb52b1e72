import { describe, expect, it } from 'vitest';
import { agreement, eventually, type TestAgent } from '../e2e/harness.ts';
import { addressOf, Bed, canRun, GOSSIP_PORT } from './bed.ts';

const IN_TIME_MS = 45_000;
/** The watch looks every 5 s and believes what it sees twice. */
const FOLLOWED_MS = 20_000;

async function addressIn(agent: TestAgent, name: string): Promise<{ address: string; status: string }> {
  const { members } = await agent.get<{ members: { name: string; address: string; status: string }[] }>(
    '/v1/members',
  );
  return members.find((member) => member.name === name) ?? { address: 'none', status: 'none' };
}

describe.skipIf(!canRun())('an address that changes while the agent runs (DHCP)', () => {
  for (const multicast of [true, false]) {
    it(`is told to the group, which follows, ${multicast ? 'with' : 'without'} multicast`, async () => {
      await using bed = await Bed.up(3);
      const flags = multicast ? [] : ['--no-multicast'];
      const join = ['--join', `${addressOf('a1')}:${GOSSIP_PORT}`];
      const a1 = await bed.start('a1', ...flags);
      const a2 = await bed.start('a2', ...flags, ...join);
      const a3 = await bed.start('a3', ...flags, ...join, '--bind', `0.0.0.0:${GOSSIP_PORT}`);
      const all = [a1, a2, a3];
      expect(a3.ready.gossip).toBe(`${addressOf('a3')}:${GOSSIP_PORT}`);
      await agreement(all, IN_TIME_MS);
      const { stdout } = await bed.inside('a3', 'ip', '-o', '-4', 'addr', 'show');
      const [, device] = new RegExp(`\\d+: (\\S+) +inet ${addressOf('a3')}/`).exec(stdout) ?? [];
      expect(device).toBeDefined();
      const next = '10.77.0.99';
      // In this order: with a net's first address Linux takes away the others.
      await bed.inside('a3', 'ip', 'addr', 'del', `${addressOf('a3')}/24`, 'dev', device ?? '');
      await bed.inside('a3', 'ip', 'addr', 'add', `${next}/24`, 'dev', device ?? '');
      for (const agent of [a1, a2]) {
        await eventually(
          `${agent.name} lists a3 at its new address`,
          async () => (await addressIn(agent, 'a3')).address === `${next}:${GOSSIP_PORT}`,
          FOLLOWED_MS,
        );
      }
      await agreement(all, IN_TIME_MS);
      expect(a3.log.some(({ msg }) => msg.includes('this machine has other addresses'))).toBe(true);
      await a1.ok('register', '0', '9');
      await agreement(all);
      expect(await a3.rangesOf()).toEqual(['a1 0-9:1']);
      for (const agent of all) {
        const { warnings } = await agent.get<{ warnings: string[] }>('/v1/status');
        expect(warnings.join()).not.toMatch(/copied|restored/);
      }
    });
  }
});
