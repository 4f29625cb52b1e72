import fc from 'fast-check';
import { describe, it } from 'vitest';
import { Beside } from './beside.ts';
import { PLAIN } from './commands.ts';
import { isSame, isSameList } from './compare.ts';
import type { Connection, Words } from './connection.ts';
import { told } from './difference.ts';
import { Ours } from './ours.ts';
import { type Reply, show } from './reply.ts';
import { isMissing, PATIENCE_MS, RUNS, SEED } from './runs.ts';
import { some, words } from './words.ts';

/** Each step waits for its answers, and there are some for everybody. */
const PART = 5;
const PEOPLE = 3;

interface Step {
  readonly who: number;
  readonly words: Words;
}

const said = (...commands: fc.Arbitrary<Words>[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ who: fc.nat({ max: PEOPLE - 1 }), words: fc.oneof(...commands) }), {
    maxLength: 30,
    size: 'max',
  });

const key = fc.constantFrom('a', 'b', '{t}1');
const watching = said(
  words('WATCH', some(1, 2, key)),
  words('MULTI'),
  words('EXEC'),
  words(fc.constantFrom('DISCARD', 'UNWATCH', 'RESET', 'EXEC')),
  words(fc.constantFrom('GET', 'INCR', 'DEL', 'PERSIST', 'TOUCH', 'GETDEL'), key),
  words('SET', key, fc.constantFrom('1', '2'), some(0, 1, fc.constantFrom('NX', 'XX', 'KEEPTTL', 'GET'))),
  words('EXPIRE', key, fc.constantFrom('1000', '-1')),
  words('RENAME', key, key),
  fc.oneof(...PLAIN).filter(([name = '']) => !/^lcs$/i.test(name)),
);

const channels = some(0, 2, fc.constantFrom('x', 'y', 'xyz', ''));
const patterns = some(0, 2, fc.constantFrom('x*', '?', '*', '[xy]', 'y'));
const listening = said(
  words('SUBSCRIBE', channels),
  words(fc.constantFrom('UNSUBSCRIBE', 'SUNSUBSCRIBE'), channels),
  words('PSUBSCRIBE', patterns),
  words('PUNSUBSCRIBE', patterns),
  words('SSUBSCRIBE', channels),
  words(
    fc.constantFrom('PUBLISH', 'SPUBLISH'),
    fc.constantFrom('x', 'y', 'xyz', ''),
    fc.constantFrom('1', '\0\r\n'),
  ),
  words('PUBSUB', fc.constantFrom('NUMPAT', 'CHANNELS', 'SHARDCHANNELS')),
  words('PUBSUB', fc.constantFrom('NUMSUB', 'SHARDNUMSUB'), channels),
  words('PUBSUB', 'CHANNELS', patterns),
  words(fc.constantFrom('RESET', 'PING', 'GET')),
  words('GET', 'a'),
  words('HELLO', fc.constantFrom('2', '3')),
  words('CLIENT', fc.constantFrom('INFO', 'LIST')),
);

describe.skipIf(isMissing)('several connections beside redis-server', () => {
  const beside = new Beside(new Ours());

  /** Asserts that `run` finds no difference, among as many connections to both as there are people. */
  async function holds(
    steps: fc.Arbitrary<Step[]>,
    run: (steps: readonly Step[], a: Connection[], b: Connection[]) => Promise<string | null>,
  ): Promise<void> {
    console.log(`SHOAL_REDIS_SEED=${SEED} SHOAL_REDIS_RUNS=${RUNS}`);
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom('2', '3'), async (all, protocol) => {
        const pairs = await Promise.all(Array.from({ length: PEOPLE }, () => beside.connect()));
        const [a, b] = [pairs.map(([ours]) => ours), pairs.map(([, theirs]) => theirs)];
        try {
          for (const one of [...a, ...b]) await one.ask([['HELLO', protocol], ['FLUSHALL']]);
          const found = await run(all, a, b);
          if (found !== null) throw new Error(found);
        } finally {
          for (const one of [...a, ...b]) one.end();
        }
      }),
      { seed: SEED, numRuns: Math.ceil(RUNS / PART) },
    );
  }

  it('see the same of what others change under their transactions', { timeout: PATIENCE_MS }, async () => {
    await holds(watching, async (steps, a, b) => {
      const queued: Words[][] = a.map(() => []);
      for (const { who, words } of steps) {
        const [[left], [right]] = (await Promise.all([a, b].map((people) => people[who]?.ask([words])))) as [
          [Reply],
          [Reply],
        ];
        const mine = queued[who] ?? [];
        if (right.text === 'QUEUED') mine.push(words);
        const isList = /^exec$/i.test(words[0] ?? '') && right.parts.length > 0;
        const same = isList ? isSameList(mine, left, right) : isSame(words, left, right, []);
        if (/^(exec|discard|reset)$/i.test(words[0] ?? '')) queued[who] = [];
        if (!same) return `${who}: ${told(words, left, right)}`;
      }
      return null;
    });
  });

  it('hear the same', { timeout: PATIENCE_MS }, async () => {
    await holds(listening, async (steps, a, b) => {
      for (const [i, { who, words }] of steps.entries()) {
        const heard = await Promise.all(
          [a, b].map((people) =>
            Promise.all(people.map((one, n) => until(one, `end-${i}`, n === who ? [words] : []))),
          ),
        );
        const [left, right] = heard as [Reply[][], Reply[][]];
        for (let n = 0; n < PEOPLE; n++)
          if (!sameHeard(words, left[n] ?? [], right[n] ?? []))
            return `${who}: ${JSON.stringify(words)}\n  ours to ${n}:  ${left[n]?.map(show).join(' ')}\n  redis to ${n}: ${right[n]?.map(show).join(' ')}`;
      }
      return null;
    });
  });
});

/** What is said until the answer to a PING with this word. */
async function until(connection: Connection, word: string, commands: readonly Words[]): Promise<Reply[]> {
  const heard: Reply[] = [];
  let [reply] = await connection.ask([...commands, ['PING', word]], 1);
  while (reply !== undefined && !show(reply).includes(word)) {
    heard.push(reply);
    [reply] = await connection.ask([], 1);
  }
  return heard;
}

/** The order in which one is told of several patterns, or of all that were left, is that of a table. */
function sameHeard(words: Words, left: readonly Reply[], right: readonly Reply[]): boolean {
  if (left.length === 1 && right.length === 1) return isSame(words, left[0] as Reply, right[0] as Reply, []);
  const pieces = (replies: readonly Reply[]): string =>
    replies
      .flatMap((reply) => (words.length === 1 ? reply.parts.map(show) : [show(reply)]))
      .sort()
      .join('\n');
  return left.length === right.length && pieces(left) === pieces(right);
}
