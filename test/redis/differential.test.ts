import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyCommand } from './commands.ts';
import { isSame, isSameList } from './compare.ts';
import type { Connection, Words } from './connection.ts';
import { Ours } from './ours.ts';
import { RedisServer, redisVersion } from './redis-server.ts';
import { type Reply, show } from './reply.ts';

/**
 * The same random commands go to redis-server and to ours, over sockets; the answers must be the same, type and text. How often, and
 * from which seed: SHOAL_REDIS_RUNS, SHOAL_REDIS_SEED.
 */
const RUNS = Number(process.env.SHOAL_REDIS_RUNS ?? 150);
const SEED = Number(process.env.SHOAL_REDIS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const version = redisVersion();
const missing = version === null && process.env.CI !== 'true';
if (missing) console.warn('no redis-server here: what is compared with it is not tested');

describe.skipIf(missing)('beside redis-server', () => {
  let theirs: RedisServer;
  const ours = new Ours();

  beforeAll(async () => {
    expect(version, 'redis-server is installed').not.toBe(null);
    theirs = await RedisServer.start();
    await ours.start();
  });

  afterAll(async () => {
    await theirs?.stop();
    await ours.stop();
  });

  async function both(protocol: number, use: (a: Connection, b: Connection) => Promise<void>): Promise<void> {
    const [a, b] = await Promise.all([ours.connect(), theirs.connect()]);
    try {
      for (const connection of [a, b]) await connection.ask([['HELLO', String(protocol)]]);
      await use(a, b);
    } finally {
      a.end();
      b.end();
    }
  }

  /** Runs the commands on both from nothing; the first answer that differs. */
  async function difference(
    a: Connection,
    b: Connection,
    commands: readonly Words[],
  ): Promise<string | null> {
    // A transaction that was begun ends; outside one DISCARD is an error for both.
    const all: Words[] = [['FLUSHALL'], ...commands, ['DISCARD'], ['UNWATCH']];
    const [mine, other] = await Promise.all([a.ask(all), b.ask(all)]);
    let queued: Words[] = [];
    for (let i = 0; i < all.length; i++) {
      const words = all[i] as Words;
      if (other[i]?.text === 'QUEUED') queued.push(words);
      const same =
        /^exec$/i.test(words[0] ?? '') && other[i]?.parts.length === queued.length
          ? isSameList(queued, mine[i] as Reply, other[i] as Reply)
          : isSame(words, mine[i] as Reply, other[i] as Reply);
      if (/^(exec|discard)$/i.test(words[0] ?? '')) queued = [];
      if (!same)
        return `${JSON.stringify(words)}\n  ours:  ${show(mine[i] as Reply)}\n  redis: ${show(other[i] as Reply)}`;
    }
    const keys = (other.length > 0 ? (await b.ask([['KEYS', '*']]))[0]?.parts : []) ?? [];
    const state: Words[] = [['KEYS', '*']];
    for (const key of keys) state.push(['GET', key.text ?? ''], ['PTTL', key.text ?? '']);
    const [left, right] = await Promise.all([a.ask(state), b.ask(state)]);
    for (let i = 0; i < state.length; i++)
      if (!isSame(state[i] as Words, left[i] as Reply, right[i] as Reply))
        return `afterwards ${JSON.stringify(state[i])}\n  ours:  ${show(left[i] as Reply)}\n  redis: ${show(right[i] as Reply)}`;
    return null;
  }

  it.each([2, 3])('answers random commands as it does, RESP%i', { timeout: 600_000 }, async (protocol) => {
    console.log(`SHOAL_REDIS_SEED=${SEED} SHOAL_REDIS_RUNS=${RUNS}`);
    await both(protocol, async (a, b) => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyCommand, { minLength: 1, maxLength: 60 }), async (commands) => {
          const found = await difference(a, b, commands);
          if (found !== null) throw new Error(found);
        }),
        { seed: SEED + protocol, numRuns: RUNS, endOnFailure: false },
      );
    });
  });
});
