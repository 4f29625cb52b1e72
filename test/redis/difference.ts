import { isSame, isSameList, prepared } from './compare.ts';
import type { Connection, Words } from './connection.ts';
import { type Reply, show } from './reply.ts';

/** Runs the commands on both, ours first, from nothing; the first answer that differs, or what they left behind. */
export async function difference(
  a: Connection,
  b: Connection,
  commands: readonly Words[],
  protocol = 2,
): Promise<string | null> {
  const all = [['RESET'], ['HELLO', String(protocol)], ['FLUSHALL'], ...commands];
  return (await answersDiffer(a, b, all)) ?? (await dataDiffer(a, b));
}

/** Runs the commands on both; the first answer that differs. A transaction that was begun has ended. */
export async function answersDiffer(
  a: Connection,
  b: Connection,
  commands: readonly Words[],
): Promise<string | null> {
  // Outside of a transaction DISCARD is an error for both.
  const all: Words[] = [...prepared(commands), ['DISCARD'], ['UNWATCH']];
  const [mine, other] = await Promise.all([a.ask(all), b.ask(all)]);
  let queued: Words[] = [];
  for (let i = 0; i < all.length; i++) {
    const words = all[i] as Words;
    if (other[i]?.text === 'QUEUED') queued.push(words);
    const same =
      /^exec$/i.test(words[0] ?? '') && (other[i]?.parts.length ?? 0) > 0
        ? isSameList(queued, mine[i] as Reply, other[i] as Reply)
        : isSame(words, mine[i] as Reply, other[i] as Reply, mine.slice(0, i));
    if (/^(exec|discard|reset)$/i.test(words[0] ?? '')) queued = [];
    if (!same) return told(words, mine[i] as Reply, other[i] as Reply);
  }
  return null;
}

/** Whether one has other keys, values or expiries than the other. */
export async function dataDiffer(a: Connection, b: Connection): Promise<string | null> {
  const keys = (await b.ask([['KEYS', '*']]))[0]?.parts ?? [];
  const state: Words[] = [['KEYS', '*']];
  for (const key of keys) state.push(['GET', key.text ?? ''], ['PTTL', key.text ?? '']);
  const [left, right] = await Promise.all([a.ask(state), b.ask(state)]);
  for (let i = 0; i < state.length; i++)
    if (!isSame(state[i] as Words, left[i] as Reply, right[i] as Reply, []))
      return `afterwards ${told(state[i] as Words, left[i] as Reply, right[i] as Reply)}`;
  return null;
}

export function told(words: Words, ours: Reply, theirs: Reply): string {
  return `${JSON.stringify(words)}\n  ours:  ${show(ours)}\n  redis: ${show(theirs)}`;
}
