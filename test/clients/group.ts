import { positionOf, slotOf, slotRange } from '../../src/ranges/index.ts';
import { agreement, eventually, type Sandbox, type TestAgent } from '../e2e/harness.ts';
import { storesServe } from '../e2e/store-client.ts';

/** The first half of this slot is n1's, the second half n3's. */
export const SPLIT_SLOT = 9000;
const { start: SPLIT_START, end: SPLIT_END } = slotRange(SPLIT_SLOT);
const SPLIT_MIDDLE = SPLIT_START + 2 ** 17;

/** Uneven shares of the key space; n0 stands behind n2, which outranks it. */
const RANGES: readonly (readonly string[])[] = [
  ['slot:0-slot:5999', 'slot:6100-slot:8999'],
  ['slot:6000-slot:6099', `slot:9000-${SPLIT_MIDDLE - 1}`],
  ['slot:6100-slot:8999:2'],
  [`${SPLIT_MIDDLE}-slot:15999`],
  ['slot:16000-slot:16383'],
];
export const NODES = RANGES.length;

export const portOf = (address: string | null): number =>
  Number((address ?? '').slice((address ?? '').lastIndexOf(':') + 1));
export const respPort = (agent: TestAgent | undefined): number => portOf(agent?.ready.resp ?? null);
export const proxyPort = (agent: TestAgent | undefined): number => portOf(agent?.ready.proxy ?? null);

/** The flags of one of the five, so that it can be started again. */
export function specOf(i: number, flags: readonly string[] = []) {
  const ranges = (RANGES[i] ?? []).flatMap((range) => ['--range', range]);
  return { name: `n${i}`, flags: [...ranges, ...flags] };
}

/** Five agents that agree on who owns what; the stores are awake. */
export async function startGroup(
  sandbox: Sandbox,
  flags: readonly string[] = [],
  password?: string,
): Promise<TestAgent[]> {
  const agents = await Promise.all(RANGES.map((_, i) => sandbox.start(specOf(i, flags))));
  await agreement(agents, 90_000);
  const count = RANGES.flat().length;
  for (const agent of agents)
    await eventually(`${agent.name} knows all ranges`, async () => (await agent.rangesOf()).length === count);
  await storesServe(agents, password);
  return agents;
}

/** A hash tag whose slot is n0's, for what has to be at the node a plain client is connected to. */
export const HOME_TAG = tagWhere((tag) => slotOf(tag) < 6000);

/** Hash tags in the split slot, of both halves. */
export const SPLIT_TAGS: readonly string[] = splitTags(8);

function tagWhere(is: (tag: Uint8Array) => boolean): string {
  for (let i = 0; ; i++) if (is(Buffer.from(`t${i}`))) return `t${i}`;
}

function splitTags(each: number): string[] {
  const low: string[] = [];
  const high: string[] = [];
  for (let i = 0; low.length < each || high.length < each; i++) {
    const tag = `s${i}`;
    const position = positionOf(Buffer.from(tag));
    if (position < SPLIT_START || position > SPLIT_END) continue;
    const half = position < SPLIT_MIDDLE ? low : high;
    if (half.length < each) half.push(tag);
  }
  return [...low, ...high];
}
