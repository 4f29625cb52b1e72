/**
 * Ranges change owners, by hand and by death, under cluster clients that read and write all the time. Messages are not handed over
 * yet: those of a range that moved stay where they are and are reached by a forward, or -TRYAGAIN while their node is down.
 */
import { expect, test } from 'vitest';
import { SeededRng } from '../../src/base/index.ts';
import { agreement, eventually, Sandbox, type TestAgent } from '../e2e/harness.ts';
import { Crowd, SEED_NODE } from './crowd.ts';
import { NODES, SPLIT_SLOT } from './group.ts';

test('cluster clients follow a range to its new owner and back, and over its death, without a wrong answer', async () => {
  await using sandbox = new Sandbox();
  await using crowd = await Crowd.start(sandbox);
  const [n0, n1, n2, n3, n4] = crowd.agents as [TestAgent, TestAgent, TestAgent, TestAgent, TestAgent];
  await crowd.follow();
  const step = async (what: string, change: () => Promise<unknown>): Promise<void> => {
    await change();
    await crowd.goOn(what);
  };
  await crowd.goOn('the start');

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
    await eventually('its death is known', async () => (await n2.memberStates()).includes('n3=down'), 60_000);
    await crowd.again(3);
  });
  await step('a new owner is there before the old one is killed, and comes back', async () => {
    await n2.ok('register', 'slot:0', 'slot:5999', '--priority', '20');
    await crowd.goOn('n2 outranks n0');
    await n0.stop('SIGKILL');
    await eventually('its death is known', async () => (await n2.memberStates()).includes('n0=down'), 60_000);
    await crowd.again(0);
  });
  await step('the old owner has it again', () => n2.ok('release', 'slot:0', 'slot:5999'));

  await agreement(crowd.agents, 90_000);
  await crowd.finish();
}, 600_000);

/** Slots where ranges that are drawn may begin. */
const CUTS = [0, 1500, 3000, 6000, 6100, 9000, 12_000, 16_000, 16_384];

/** Somebody who registers and releases ranges, and kills and starts nodes, as the seed has it. */
class Operator {
  readonly #crowd: Crowd;
  readonly #rng: SeededRng;
  readonly #given: { readonly node: number; readonly range: readonly string[] }[] = [];

  constructor(crowd: Crowd, seed: number) {
    this.#crowd = crowd;
    this.#rng = new SeededRng(seed);
  }

  /** Gives what was done. */
  async step(): Promise<string> {
    const node = this.#rng.below(NODES);
    const kind = this.#rng.below(10);
    if (kind < 5) return await this.#register(node);
    return kind < 8 || node === SEED_NODE ? await this.#release() : await this.#kill(node);
  }

  async #register(node: number): Promise<string> {
    const first = this.#rng.below(CUTS.length - 1);
    const last = first + 1 + this.#rng.below(CUTS.length - 1 - first);
    const range = [`slot:${CUTS[first]}`, `slot:${(CUTS[last] as number) - 1}`];
    const priority = String(3 + this.#rng.below(20));
    // What overlaps what it has is refused, and changes nothing.
    const { code } = await this.#agent(node).verb('register', ...range, '--priority', priority);
    if (code === 0) this.#given.push({ node, range });
    return `n${node} registers ${range.join(' to ')} with ${priority}: ${code}`;
  }

  async #release(): Promise<string> {
    const [one] = this.#given.splice(this.#rng.below(Math.max(1, this.#given.length)), 1);
    if (one === undefined) return 'nothing to release';
    await this.#agent(one.node).verb('release', ...one.range);
    return `n${one.node} releases ${one.range.join(' to ')}`;
  }

  async #kill(node: number): Promise<string> {
    const signal = this.#rng.below(2) === 0 ? 'SIGKILL' : 'SIGTERM';
    await this.#agent(node).stop(signal);
    // Half of the time its death is noticed, else it is back before.
    const isNoticed = this.#rng.below(2) === 0;
    if (isNoticed)
      await eventually(
        `the end of n${node} is known`,
        async () => {
          const states = await this.#agent(SEED_NODE).memberStates();
          return !states.includes(`n${node}=alive`);
        },
        60_000,
      );
    await this.#crowd.again(node);
    return `n${node} ends by ${signal}${isNoticed ? ', which is noticed,' : ''} and comes back`;
  }

  #agent(node: number): TestAgent {
    return this.#crowd.agents[node] as TestAgent;
  }
}

test('no client, plain or cluster, is told anything wrong while ranges and nodes come and go at random', async () => {
  const seed = Number(process.env.SHOAL_CLIENTS_SEED ?? Date.now() % 1_000_000);
  const rounds = Number(process.env.SHOAL_CLIENTS_ROUNDS ?? 12);
  await using sandbox = new Sandbox();
  await using crowd = await Crowd.start(sandbox);
  await crowd.follow();
  await crowd.followPlain();
  const operator = new Operator(crowd, seed);
  const history = [`SHOAL_CLIENTS_SEED=${seed}`];
  for (let round = 0; round < rounds; round++) {
    history.push(await operator.step());
    expect(crowd.wrong(), history.join('\n')).toEqual([]);
  }
  await agreement(crowd.agents, 90_000);
  await crowd.goOn(history.join('\n'));
  await crowd.finish();
}, 600_000);
