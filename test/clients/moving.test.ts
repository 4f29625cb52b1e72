/**
 * Ranges change owners, by hand and by death, under cluster clients that read and write all the time. Messages are not handed over
 * yet: those of a range that moved stay where they are and are reached by a forward, or -TRYAGAIN while their node is down.
 */
import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox, type TestAgent } from '../e2e/harness.ts';
import { Follower, KEYS, keyOf, redisCli, redisPy, type Store } from './follower.ts';
import { proxyPort, respPort, SPLIT_SLOT, specOf, startGroup } from './group.ts';
import { ioredis } from './ioredis.ts';
import { nodeRedisCluster, nodeRedisPlain } from './node-redis.ts';

/** What a killed node had acknowledged must be there again. */
const DURABLE = 'follower;ack=1m1d';
const FLAGS = ['--probe-period', '200'];
/** Visits to keys that each client makes between two changes. */
const VISITS = 60;

interface Clients {
  readonly followers: readonly Follower[];
  close(): void;
}

/** The calls that ioredis and node-redis have in common. */
function storeOf(client: Store): Store {
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    del: (key) => client.del(key),
  };
}

async function connect(agents: readonly TestAgent[]): Promise<Clients> {
  // n2 is never killed: it is where they learn of the others.
  const port = respPort(agents[2]);
  const io = ioredis('cluster', port, { connectionName: DURABLE });
  // It is told of each node that cannot be reached; so is the command.
  io.on('error', () => {});
  const node = await nodeRedisCluster(port, { name: DURABLE });
  node.on('error', () => {});
  const python = redisPy(port);
  return {
    followers: [
      new Follower('ioredis', storeOf(io)),
      new Follower('node-redis', storeOf(node)),
      new Follower('redis-py', python),
      new Follower('redis-cli', redisCli(port)),
    ],
    close: () => {
      io.disconnect();
      node.destroy();
      python.close();
    },
  };
}

/** Every key is read through the proxies of all nodes: what cluster clients were told is what is there. */
async function readAll(followers: readonly Follower[], agents: readonly TestAgent[]): Promise<void> {
  for (const agent of agents) {
    const client = await nodeRedisPlain(proxyPort(agent));
    for (const follower of followers)
      for (let i = 0; i < KEYS; i++)
        follower.check(i, await client.get(keyOf(follower.name, i)), `the proxy of ${agent.name}`);
    client.destroy();
  }
}

test('cluster clients follow a range to its new owner and back, and over its death, without a wrong answer', async () => {
  await using sandbox = new Sandbox();
  const agents = await startGroup(sandbox, FLAGS);
  const [n0, n1, n2, n3, n4] = agents as [TestAgent, TestAgent, TestAgent, TestAgent, TestAgent];
  const { followers, close } = await connect(agents);
  const working = followers.map((follower) => follower.work(follower.name === 'redis-py' ? 1 : 4));
  const goOn = async (what: string): Promise<void> => {
    const before = followers.map(({ done }) => done);
    await eventually(
      `all clients go on after ${what}`,
      () => {
        const late = followers.filter(({ done }, i) => done < (before[i] as number) + VISITS);
        if (late.length > 0) throw new Error(`${late.map(({ name }) => name).join(', ')} do not`);
        return true;
      },
      30_000,
    );
    expect(followers.flatMap(({ name, wrong }) => wrong.map((what) => `${name}: ${what}`))).toEqual([]);
  };
  const step = async (what: string, change: () => Promise<unknown>): Promise<void> => {
    await change();
    await goOn(what);
  };
  const again = async (i: number): Promise<void> => {
    const before = agents[i] as TestAgent;
    const address = ['--resp', before.ready.resp as string, '--proxy', before.ready.proxy as string];
    agents[i] = await sandbox.start(specOf(i, [...FLAGS, ...address]));
  };
  await goOn('the start');

  await step('n1 outranks n0 in a part', () => n1.ok('register', 'slot:0', 'slot:2999', '--priority', '5'));
  await step('n3 outranks both in all', () => n3.ok('register', 'slot:0', 'slot:5999', '--priority', '9'));
  await step('n0 lets go', () => n0.ok('release', 'slot:0', 'slot:5999'));
  await step('n3 lets go', async () => {
    await n4.ok('register', 'slot:0', 'slot:5999');
    await n3.ok('release', 'slot:0', 'slot:5999');
  });
  await step('n0 takes it back', async () => {
    await n0.ok('register', 'slot:0', 'slot:5999', '--priority', '12');
    await n1.ok('release', 'slot:0', 'slot:2999');
    await n4.ok('release', 'slot:0', 'slot:5999');
  });
  const shared = [`slot:${SPLIT_SLOT}`, 'slot:15999'];
  await step('n4 takes the split slot and more', () => n4.ok('register', ...shared, '--priority', '3'));
  await step('n4 gives it back', () => n4.ok('release', ...shared));

  await step('n3 is killed and comes back', async () => {
    await n3.stop('SIGKILL');
    await eventually('its death is known', async () => (await n2.memberStates()).includes('n3=down'), 20_000);
    await again(3);
  });
  await step('a new owner is there before the old one is killed, and comes back', async () => {
    await n2.ok('register', 'slot:0', 'slot:5999', '--priority', '20');
    await goOn('n2 outranks n0');
    await n0.stop('SIGKILL');
    await eventually('its death is known', async () => (await n2.memberStates()).includes('n0=down'), 20_000);
    await again(0);
  });
  await step('the old owner has it again', () => n2.ok('release', 'slot:0', 'slot:5999'));

  for (const follower of followers) follower.stop();
  await Promise.all(working);
  await agreement(agents);
  await readAll(followers, agents);
  close();
  const told = followers.map(
    ({ name, done, refusals }) => `${name}: ${done} of ${JSON.stringify([...refusals])}`,
  );
  console.log(told.join('\n'));
  expect(followers.flatMap(({ name, wrong }) => wrong.map((what) => `${name}: ${what}`))).toEqual([]);
}, 240_000);
