/** The only owner of slots is killed, clients look again at who serves what, and the owner comes back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { slotOf } from '../../src/ranges/index.ts';
import { eventually, Sandbox, type TestAgent } from '../e2e/harness.ts';
import { StoreClient } from '../e2e/store-client.ts';
import { respPort, specOf, startGroup } from './group.ts';
import { nodeRedisCluster } from './node-redis.ts';

const FLAGS = ['--probe-period', '200'];
/** Only n3 owns the first, only n4 the second. */
const ABSENT = keyIn(9001, 15_999);
const MOVED = keyIn(16_000, 16_383);
let sandbox: Sandbox;
let agents: TestAgent[];

beforeAll(async () => {
  sandbox = new Sandbox();
  agents = await startGroup(sandbox, FLAGS);
});

afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

function keyIn(first: number, last: number): string {
  for (let i = 0; ; i++) {
    const slot = slotOf(Buffer.from(`k${i}`));
    if (slot >= first && slot <= last) return `k${i}`;
  }
}

test('node-redis goes on when the owner that it looked for in vain is back', async () => {
  const [n0, , , n3] = agents as [TestAgent, TestAgent, TestAgent, TestAgent];
  const client = await nodeRedisCluster(respPort(n0), { name: 'absent;ack=1m1d' });
  const errors: unknown[] = [];
  client.on('error', (error) => errors.push(error));
  try {
    expect(await client.set(ABSENT, 'kept')).toBe('OK');
    expect(await client.set(MOVED, 'moved')).toBe('OK');
    await n3.stop('SIGKILL');
    await eventually('its death is known', async () => (await n0.memberStates()).includes('n3=down'), 60_000);

    // Sent from n4 to n0, it asks for the slots, of which some have no server now.
    await n0.ok('register', 'slot:16000', 'slot:16383', '--priority', '5');
    const master = (): number | undefined => client.slots[slotOf(Buffer.from(MOVED))]?.master.port;
    await eventually('the client knows the new owner', async () => {
      expect(await client.get(MOVED)).toBe('moved');
      return master() === respPort(n0);
    });
    const store = await StoreClient.connect(n0.ready.resp as string);
    expect(String(await store.ask('GET', ABSENT))).toBe('Error: CLUSTERDOWN Hash slot not served');
    store.close();
    // It waits for the owner, or is told that there is none; so are those behind it.
    const early = Array.from({ length: 20 }, () => client.get(ABSENT).catch((error: unknown) => error));

    const ports = ['--resp', n3.ready.resp as string, '--proxy', n3.ready.proxy as string];
    agents[3] = await sandbox.start(specOf(3, [...FLAGS, ...ports]));
    await eventually('the client is answered', async () => (await client.get(ABSENT)) === 'kept', 60_000);
    for (const answer of [...(await Promise.all(early)), ...errors]) {
      expect(answer).not.toBeInstanceOf(TypeError);
      expect(answer).not.toBe(null);
    }
    expect(await client.set(ABSENT, 'changed')).toBe('OK');
  } finally {
    client.destroy();
  }
});
