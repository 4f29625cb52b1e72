import type { Agent, Agents } from './agents.ts';
import { Pipe } from './pipe.ts';
import { sleep, until } from './proc.ts';

const POLL_MS = 100;
const JOIN_MS = 30_000;

interface Member {
  readonly name: string;
  readonly status: string;
}

/** Other nodes of the group, asked ten times a second what they think of one of its members. */
export class Witnesses {
  readonly #agents: readonly Agent[];
  readonly #name: string;
  readonly #watching: Promise<void>[] = [];
  #stopped = false;
  asked = 0;
  /** What was seen other than alive, since it was last taken. */
  #seen: string[] = [];

  private constructor(agents: readonly Agent[], name: string) {
    this.#agents = agents;
    this.#name = name;
  }

  /** `join`: the gossip address of the one that is watched. */
  static async start(agents: Agents, count: number, join: string, name: string): Promise<Witnesses> {
    const started = Array.from({ length: count }, (_, i) =>
      agents.spawn({
        name: `witness${i}`,
        multicast: null,
        flags: ['--join', join],
      }),
    );
    const witnesses = new Witnesses(started, name);
    await Promise.all(started.map(({ ready }) => ready));
    for (const agent of started) {
      const pipe = new Pipe(agent.socket);
      await until('it knows all', async () => (await witnesses.#members(pipe)).length === count + 1, JOIN_MS);
      witnesses.#watching.push(witnesses.#watch(agent, pipe));
    }
    return witnesses;
  }

  /** What they saw since the last call. */
  take(): readonly string[] {
    const seen = this.#seen;
    this.#seen = [];
    return seen;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#watching);
    for (const agent of this.#agents) agent.kill('SIGKILL');
    await Promise.all(this.#agents.map(({ ended }) => ended));
  }

  async #members(pipe: Pipe): Promise<readonly Member[]> {
    return (await pipe.get<{ members: Member[] }>('/v1/members')).members;
  }

  async #watch(agent: Agent, first: Pipe): Promise<void> {
    let pipe = first;
    while (!this.#stopped) {
      // A connection is closed after so many questions; the next one is not.
      const members = await this.#members(pipe).catch(() => {
        pipe.close();
        pipe = new Pipe(agent.socket);
        return this.#members(pipe);
      });
      const status = members.find(({ name }) => name === this.#name)?.status ?? 'missing';
      this.asked++;
      if (status !== 'alive' && this.#seen.length < 100) this.#seen.push(`${agent.name} says ${status}`);
      await sleep(POLL_MS);
    }
    pipe.close();
  }
}
