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

/**
 * The group has come to rest: all list all, digests agree, each LAN is one multicast set, whose label every node knows,
 * and everybody hears everybody on its own LAN and nobody else. `deaf` are nodes without multicast: sets of their own.
 */
export async function settled(
  agents: readonly TestAgent[],
  withinMs: number,
  deaf: readonly string[] = [],
): Promise<void> {
  await agreement(agents, withinMs);
  await eventually(
    'multicast reach and its sets have settled',
    async () => {
      for (const agent of agents) await checkSettled(agent, agents, deaf);
      return true;
    },
    withinMs,
  );
}

async function checkSettled(
  agent: TestAgent,
  agents: readonly TestAgent[],
  deaf: readonly string[],
): Promise<void> {
  const linked = (a: string, b: string): boolean =>
    a !== b && a[0] === b[0] && !deaf.includes(a) && !deaf.includes(b);
  const expected = agents.filter(({ name }) => linked(name, agent.name)).map(({ ready }) => ready.id);
  const { hears, heardBy } = (await statusOf(agent)).multicast;
  const wanted = expected.sort().join();
  if ([...hears].sort().join() !== wanted) throw new Error(`${agent.name} hears ${hears.length}`);
  if ([...heardBy].sort().join() !== wanted) throw new Error(`${agent.name} is heard by ${heardBy.length}`);
  const { members } = await agent.get<{ members: MemberRow[] }>('/v1/members');
  for (const { name, id, multicastSet } of members) {
    const together = agents.filter((one) => one.name === name || linked(one.name, name));
    const label = together.map(({ ready }) => ready.id).sort()[0];
    if ((multicastSet ?? id) !== label) throw new Error(`${agent.name} has ${name} in set ${multicastSet}`);
  }
}
