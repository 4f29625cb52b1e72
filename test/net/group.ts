import { agreement, eventually, type TestAgent } from '../e2e/harness.ts';

export interface Status {
  readonly node: { readonly id: string; readonly incarnation: number };
  readonly digest: string;
  readonly members: { readonly alive: number };
  readonly ranges: { readonly registrations: number };
  readonly multicast: { readonly hears: readonly string[]; readonly heardBy: readonly string[] };
  readonly warnings: readonly string[];
}

interface MemberRow {
  readonly id: string;
  readonly name: string;
  readonly multicastSet: string | null;
}

export function statusOf(agent: TestAgent): Promise<Status> {
  return agent.get<Status>('/v1/status');
}

export function lan(agents: readonly TestAgent[], letter: string): TestAgent[] {
  return agents.filter(({ name }) => name.startsWith(letter));
}

export function named(agents: readonly TestAgent[], name: string): TestAgent {
  const agent = agents.find((one) => one.name === name);
  if (agent === undefined) throw new Error(`no agent ${name}`);
  return agent;
}

export function others(agents: readonly TestAgent[], ...names: readonly string[]): TestAgent[] {
  return agents.filter(({ name }) => !names.includes(name));
}

/** `name start-end:priority` of every entry, on one line. */
export async function entriesOf(agent: TestAgent): Promise<string> {
  return (await agent.rangesOf()).join(' ');
}

/** Waits until every agent has what `holds` says of its entries; returns how long that took, milliseconds. */
export async function everywhere(
  what: string,
  agents: readonly TestAgent[],
  holds: (entries: string) => boolean,
  withinMs: number,
): Promise<number> {
  const startMs = performance.now();
  await eventually(
    `${what} on ${agents.map(({ name }) => name).join(' ')}`,
    async () => {
      const seen = await Promise.all(agents.map(entriesOf));
      for (const [i, entries] of seen.entries()) {
        if (!holds(entries)) throw new Error(`${agents[i]?.name} has '${entries.slice(0, 500)}'`);
      }
      return true;
    },
    withinMs,
  );
  return performance.now() - startMs;
}

/** As {@link everywhere}: the entry is there (with a priority) or, with null, is not. */
export async function entryEverywhere(
  agents: readonly TestAgent[],
  owner: string,
  range: string,
  priority: number | null,
  withinMs: number,
): Promise<number> {
  const text = `${owner} ${range}`;
  const holds = (entries: string): boolean =>
    priority === null
      ? !` ${entries}`.includes(` ${text}:`)
      : ` ${entries} `.includes(` ${text}:${priority} `);
  return await everywhere(`${text}:${priority ?? 'gone'}`, agents, holds, withinMs);
}

/** Nodes with something wrong: `deaf` neither hear nor send multicast, `mute` hear it and send none. */
export interface Impaired {
  readonly deaf?: readonly string[];
  readonly mute?: readonly string[];
}

/**
 * The group has come to rest: all list all, digests agree, everybody hears whom it can and nobody else, and each node
 * knows every node's multicast set: its LAN without the impaired, who are sets of their own.
 */
export async function settled(
  agents: readonly TestAgent[],
  withinMs: number,
  impaired: Impaired = {},
): Promise<void> {
  await agreement(agents, withinMs);
  await eventually(
    'multicast reach and its sets have settled',
    async () => {
      for (const agent of agents) await checkSettled(agent, agents, impaired);
      return true;
    },
    withinMs,
  );
}

async function checkSettled(
  agent: TestAgent,
  agents: readonly TestAgent[],
  { deaf = [], mute = [] }: Impaired,
): Promise<void> {
  const hears = (listener: string, sender: string): boolean =>
    listener !== sender &&
    listener[0] === sender[0] &&
    !deaf.includes(listener) &&
    !deaf.includes(sender) &&
    !mute.includes(sender);
  const idsOf = (which: (name: string) => boolean): string[] =>
    agents
      .filter(({ name }) => which(name))
      .map(({ ready }) => ready.id)
      .sort();
  const { multicast } = await statusOf(agent);
  const seen = `${agent.name} hears ${multicast.hears.length}, is heard by ${multicast.heardBy.length}`;
  if (multicast.hears.join() !== idsOf((name) => hears(agent.name, name)).join()) throw new Error(seen);
  if (multicast.heardBy.join() !== idsOf((name) => hears(name, agent.name)).join()) throw new Error(seen);
  const { members } = await agent.get<{ members: MemberRow[] }>('/v1/members');
  for (const { name, id, multicastSet } of members) {
    const set = idsOf((other) => other === name || (hears(name, other) && hears(other, name)));
    if ((multicastSet ?? id) !== set[0]) throw new Error(`${agent.name} has ${name} in set ${multicastSet}`);
  }
}
