/**
 * kill -9 under load: `npm run bench -- kill9 [--kills 1000] [--nodes 3]`. Agents in a group by multicast on loopback; one
 * after the other, at random, is loaded over several connections and killed at a random moment, sometimes again while it
 * starts. Each time, before it starts again, its state directory is read with the product's own readers:
 * every acknowledged change must be there, and no dot may stand for two things, on this disk or any other (each change
 * has an amount of its own). After it rejoined, all nodes must agree and show what was acknowledged.
 *
 * What the kernel holds survives kill -9, so this is not a test of power cuts: those are the crash tests of src/io/state
 * and the simulator.
 */
import { Acknowledged } from './acknowledged.ts';
import { type Agent, type AgentSpec, Agents, agree } from './agents.ts';
import { Args } from './args.ts';
import { DotLedger, readState } from './disk-audit.ts';
import { Pipe } from './pipe.ts';
import { Busy, sleep, until } from './proc.ts';
import { aim, median, percentile, round } from './stats.ts';

export const what =
  'kill -9 at random moments under load: dots used twice, acknowledged changes lost, time to rejoin';
export const quick = false;

const CONNECTIONS = 4;
const RANGES = 24;
const LOAD_MS = { min: 5, max: 400 } as const;
/** One start in so many is cut off by a kill of its own. */
const KILLED_STARTS = 6;
const STARTING_MS = 400;
const REJOIN_MS = 2000;
const GIVE_UP_MS = 60_000;

export interface Outcome {
  kills: number;
  killedStarts: number;
  acknowledged: number;
  cutOff: number;
  dots: number;
  readonly reused: readonly string[];
  readonly lost: readonly string[];
  readonly refused: readonly string[];
  readonly unreadable: number;
  /** From the start of the process until all agree, and the part of it after the process could serve. */
  readonly rejoinMs: readonly number[];
  readonly afterReadyMs: readonly number[];
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['kills', 'nodes']);
  const kills = given.number('kills', 1000);
  const busy = new Busy();
  const fromMs = performance.now();
  const outcome = await killAgain(kills, given.number('nodes', 3), (line) => console.log(line));
  const { rejoinMs, afterReadyMs, reused, lost, refused } = outcome;
  for (const line of [...reused, ...refused].slice(0, 40)) console.log(line);
  const minutes = (performance.now() - fromMs) / 60_000;
  console.log(
    `${outcome.kills} kills, ${outcome.killedStarts} of them while starting; ${outcome.acknowledged} changes acknowledged, ${outcome.cutOff} cut off; ${outcome.dots} dots seen; ${round(minutes)} minutes, machine ${round(busy.since() * 100, 0)} % busy`,
  );
  console.log(
    `of the time to rejoin, after the ready line: median ${round(median(afterReadyMs), 0)} ms, p99 ${round(percentile(afterReadyMs, 99), 0)}, worst ${round(Math.max(...afterReadyMs), 0)}`,
  );
  return [
    aim(`no dot used twice (${reused.length})`, reused.length === 0),
    aim(`no acknowledged change lost (${lost.length})`, lost.length === 0),
    aim(
      `no call refused (${refused.length}), nothing unreadable (${outcome.unreadable})`,
      refused.length + outcome.unreadable === 0,
    ),
    aim(
      `rejoined within 2 s of its start: median ${round(median(rejoinMs), 0)} ms, p99 ${round(percentile(rejoinMs, 99), 0)}, worst ${round(Math.max(...rejoinMs), 0)}`,
      Math.max(...rejoinMs) <= REJOIN_MS,
    ),
  ].every(Boolean);
}

/** Kills so often; tells its progress. */
export async function killAgain(kills: number, nodes: number, say: (line: string) => void): Promise<Outcome> {
  const agents = new Agents();
  try {
    return await new Killing(agents, nodes, say).run(kills);
  } finally {
    await agents.stopAll();
    agents.remove();
  }
}

class Killing {
  readonly #agents: Agents;
  readonly #nodes: number;
  readonly #say: (line: string) => void;
  readonly #multicast: string;
  readonly #group: Agent[] = [];
  readonly #loads: Acknowledged[] = [];
  readonly #ledger = new DotLedger();
  readonly #lost: string[] = [];
  readonly #rejoinMs: number[] = [];
  readonly #afterReadyMs: number[] = [];
  #unreadable = 0;
  #killedStarts = 0;
  #kills = 0;
  #serial = 0;

  constructor(agents: Agents, nodes: number, say: (line: string) => void) {
    this.#agents = agents;
    this.#nodes = nodes;
    this.#say = say;
    this.#multicast = agents.multicast();
  }

  async run(kills: number): Promise<Outcome> {
    for (let i = 0; i < this.#nodes; i++) {
      this.#group.push(this.#agents.spawn(this.#spec(i)));
      this.#loads.push(new Acknowledged(i * 1_000_000, RANGES, () => ++this.#serial));
    }
    await until('the group agrees', () => agree(this.#group), GIVE_UP_MS);
    while (this.#kills < kills) {
      await this.#round(Math.floor(Math.random() * this.#nodes));
      if (this.#kills % 50 === 0) this.#say(this.#progress());
    }
    const sum = (of: (load: Acknowledged) => number): number =>
      this.#loads.reduce((all, load) => all + of(load), 0);
    return {
      kills: this.#kills,
      killedStarts: this.#killedStarts,
      acknowledged: sum((load) => load.acknowledged),
      cutOff: sum((load) => load.cutOff),
      dots: this.#ledger.size,
      reused: this.#ledger.reused,
      lost: this.#lost,
      refused: this.#loads.flatMap((load) => load.refusals),
      unreadable: this.#unreadable,
      rejoinMs: this.#rejoinMs,
      afterReadyMs: this.#afterReadyMs,
    };
  }

  #spec(index: number): AgentSpec {
    return { name: `n${index}`, multicast: this.#multicast, tied: true };
  }

  async #round(victim: number): Promise<void> {
    const agent = this.#group[victim] as Agent;
    const load = this.#loads[victim] as Acknowledged;
    const { id } = await agent.ready;
    const loading = load.load(agent.socket, CONNECTIONS);
    await sleep(LOAD_MS.min + Math.random() * (LOAD_MS.max - LOAD_MS.min));
    await this.#kill(agent);
    await loading;
    this.#audit(victim, id);
    let restarted = this.#agents.spawn(this.#spec(victim));
    while (Math.random() * KILLED_STARTS < 1) {
      await sleep(Math.random() * STARTING_MS);
      await this.#kill(restarted);
      this.#killedStarts++;
      this.#audit(victim, id);
      restarted = this.#agents.spawn(this.#spec(victim));
    }
    this.#group[victim] = restarted;
    await until(`n${victim} rejoined`, () => this.#rejoined(restarted), GIVE_UP_MS, 5);
    const rejoinMs = performance.now() - restarted.startedMs;
    this.#rejoinMs.push(rejoinMs);
    this.#afterReadyMs.push(Math.max(0, rejoinMs - restarted.readyMs));
    await this.#compare(victim, id);
  }

  async #kill(agent: Agent): Promise<void> {
    agent.kill('SIGKILL');
    await agent.ended;
    this.#kills++;
  }

  /** What is on the disks, while the victim is dead and has told nobody anything more. */
  #audit(victim: number, id: string): void {
    for (const [i, agent] of this.#group.entries()) {
      const found = readState(agent.dataDir);
      this.#ledger.note(found.deltas);
      if (i !== victim) continue;
      this.#unreadable += found.malformed;
      const priorities = new Map<string, number>();
      for (const { node, start, end, priority } of found.map.entries()) {
        if (node === id) priorities.set(`${start}-${end}`, priority);
      }
      const onDisk = (start: number, end: number): number => priorities.get(`${start}-${end}`) ?? 0;
      const where = `kill ${this.#kills}, on the disk of n${i}`;
      this.#note((this.#loads[i] as Acknowledged).check(onDisk, where, false));
    }
  }

  async #rejoined(restarted: Agent): Promise<boolean> {
    const pipe = new Pipe(restarted.socket);
    try {
      if ((await pipe.call('GET', '/readyz')).status !== 200) return false;
    } finally {
      pipe.close();
    }
    return await agree(this.#group);
  }

  /** All show the same, and what was acknowledged. */
  async #compare(victim: number, id: string): Promise<void> {
    const load = this.#loads[victim] as Acknowledged;
    const observers = [...this.#group.keys()].sort((a) => (a === victim ? 1 : -1));
    for (const i of observers) {
      const { ranges } = await (this.#group[i] as Agent).ask<{
        ranges: { start: number; end: number; priority: number }[];
      }>(`/v1/ranges?node=${id}`);
      const priorities = new Map(ranges.map(({ start, end, priority }) => [`${start}-${end}`, priority]));
      const shown = (start: number, end: number): number => priorities.get(`${start}-${end}`) ?? 0;
      this.#note(load.check(shown, `kill ${this.#kills}, as n${i} shows it`, i === victim));
    }
  }

  #note(lost: readonly string[]): void {
    for (const line of lost) this.#say(line);
    this.#lost.push(...lost);
  }

  #progress(): string {
    const worst = round(Math.max(...this.#rejoinMs), 0);
    return `${this.#kills} kills: ${this.#ledger.size} dots, ${this.#ledger.reused.length} reused, ${this.#lost.length} lost, rejoined in ${round(median(this.#rejoinMs), 0)} ms, worst ${worst}`;
  }
}
