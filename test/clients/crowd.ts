import { expect } from 'vitest';
import { eventually, type Sandbox, type TestAgent } from '../e2e/harness.ts';
import { Follower, KEYS, keyOf, redisCli, redisPy, type Store } from './follower.ts';
import { proxyPort, respPort, specOf, startGroup } from './group.ts';
import { ioredis } from './ioredis.ts';
import { nodeRedisCluster, nodeRedisPlain } from './node-redis.ts';

/** What a killed node had acknowledged must be there again. */
const DURABLE = 'follower;ack=1m1d';
const FLAGS = ['--probe-period', '200'];
/** Where clients learn of the other nodes: it is never killed. */
export const SEED_NODE = 2;
/** Visits to keys that each client makes between two changes. */
const VISITS = 60;
const AGAIN_MS = 90_000;

/** A group of five with clients of several kinds, each a Follower, that work until the end. */
export class Crowd {
  readonly agents: TestAgent[];
  readonly #sandbox: Sandbox;
  readonly #followers: Follower[] = [];
  readonly #working: Promise<void>[] = [];
  readonly #closing: (() => void)[] = [];

  private constructor(sandbox: Sandbox, agents: TestAgent[]) {
    this.#sandbox = sandbox;
    this.agents = agents;
  }

  static async start(sandbox: Sandbox): Promise<Crowd> {
    return new Crowd(sandbox, await startGroup(sandbox, FLAGS));
  }

  /** Cluster clients of all kinds. */
  async follow(): Promise<void> {
    const port = respPort(this.agents[SEED_NODE]);
    const io = ioredis('cluster', port, { connectionName: DURABLE });
    // It is told of each node that cannot be reached; so is the command.
    io.on('error', () => {});
    const node = await nodeRedisCluster(port, { name: DURABLE });
    node.on('error', () => {});
    const python = redisPy(port);
    this.#closing.push(
      () => io.disconnect(),
      () => node.destroy(),
      () => python.close(),
    );
    this.#add('ioredis', storeOf(io), 4);
    this.#add('node-redis', storeOf(node), 4);
    this.#add('redis-py', python, 1);
    this.#add('redis-cli', redisCli(port), 4);
  }

  /** Plain clients, one at a node that may be killed. */
  async followPlain(): Promise<void> {
    const io = ioredis('plain', proxyPort(this.agents[SEED_NODE]), { connectionName: DURABLE });
    io.on('error', () => {});
    const node = await nodeRedisPlain(proxyPort(this.agents[1]), { name: DURABLE });
    node.on('error', () => {});
    this.#closing.push(
      () => io.disconnect(),
      () => node.destroy(),
    );
    this.#add('ioredis-plain', storeOf(io), 4);
    this.#add('node-redis-plain', storeOf(node), 4);
  }

  /** All clients make progress, and nothing they were told was wrong. */
  async goOn(what: string): Promise<void> {
    const before = this.#followers.map(({ done }) => done);
    const isLate = ({ done }: Follower, i: number): boolean => done < (before[i] as number) + VISITS;
    await eventually(
      `all clients go on after ${what}`,
      () => {
        const late = this.#followers.filter(isLate);
        if (late.length > 0) throw new Error(`${late.map(({ name }) => name).join(', ')} do not`);
        return true;
      },
      AGAIN_MS,
    );
    expect(this.wrong(), `after ${what}`).toEqual([]);
  }

  wrong(): string[] {
    return this.#followers.flatMap(({ name, wrong }) => wrong.map((what) => `${name}: ${what}`));
  }

  /** Starts node `i` again, with the ports it had. */
  async again(i: number): Promise<void> {
    const { ready } = this.agents[i] as TestAgent;
    const ports = ['--resp', ready.resp as string, '--proxy', ready.proxy as string];
    this.agents[i] = await this.#sandbox.start(specOf(i, [...FLAGS, ...ports]));
  }

  /** Ends the clients' work, and reads every key through the proxies of all nodes: what clients were told is what is there. */
  async finish(): Promise<void> {
    for (const follower of this.#followers) follower.stop();
    await Promise.all(this.#working);
    for (const agent of this.agents) {
      const client = await nodeRedisPlain(proxyPort(agent));
      try {
        for (const follower of this.#followers) await readAll(client, follower, `the proxy of ${agent.name}`);
      } finally {
        client.destroy();
      }
    }
    const told = this.#followers.map(
      ({ name, done, refusals }) => `${name}: ${done} visits, refused ${JSON.stringify([...refusals])}`,
    );
    console.log(told.join('\n'));
    expect(this.wrong()).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const follower of this.#followers) follower.stop();
    for (const close of this.#closing) close();
  }

  #add(name: string, store: Store, width: number): void {
    const follower = new Follower(name, store);
    this.#followers.push(follower);
    this.#working.push(follower.work(width));
  }
}

/** Reads every key of a follower; refused, it tries again. */
async function readAll(client: Pick<Store, 'get'>, follower: Follower, by: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) {
    const key = keyOf(follower.name, i);
    const { value } = await eventually(`${by} answers ${key}`, async () => ({
      value: await client.get(key),
    }));
    follower.check(i, value, by);
  }
}

/** The calls that ioredis and node-redis have in common. */
function storeOf(client: Store): Store {
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    del: (key) => client.del(key),
  };
}
