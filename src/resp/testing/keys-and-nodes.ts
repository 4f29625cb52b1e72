import { positionOf, slotAt } from '../../ranges/index.ts';
import type { FakeNode, FakeNodes, TestClient } from './fake-nodes.ts';

export const END = 2 ** 32 - 1;
export const HALF = 2 ** 31;
export const slotOf = (key: string): number => slotAt(positionOf(key));

/** A key whose position is in the range. */
export function keyIn(start: number, end: number, from = 0): string {
  for (let i = from; ; i++) {
    const key = `k${i}`;
    if (positionOf(key) >= start && positionOf(key) <= end) return key;
  }
}

/** Two nodes with half of the key space each. */
export async function halves(nodes: FakeNodes): Promise<[FakeNode, FakeNode]> {
  const a = await nodes.add();
  const b = await nodes.add();
  nodes.map.register(a.id, 0, HALF - 1);
  nodes.map.register(b.id, HALF, END);
  return [a, b];
}

export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Asks again while told to try again, for some seconds. */
export async function settled(client: TestClient, ...words: readonly string[]): Promise<string> {
  let reply = '';
  await until(`an answer to ${words.join(' ')}`, async () => {
    reply = await client.ask(...words);
    return !reply.startsWith('-TRYAGAIN');
  });
  return reply;
}
