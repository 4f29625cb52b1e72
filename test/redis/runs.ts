import { redisVersion } from './redis-server.ts';

/** How many random sequences, and from which seed: SHOAL_REDIS_RUNS, SHOAL_REDIS_SEED. */
export const RUNS = Number(process.env.SHOAL_REDIS_RUNS ?? 150);
/** What lands must not depend on luck: there the seed is a known one, and everywhere else a new one each time. */
const DRAWN = process.env.CI === 'true' ? 393_621_194 : Math.floor(Math.random() * 2 ** 31);
export const SEED = Number(process.env.SHOAL_REDIS_SEED ?? DRAWN);
/** Long runs are asked for by hand. */
export const PATIENCE_MS = 60_000 + RUNS * 1000;

export const version = redisVersion();
export const isMissing = version === null && process.env.CI !== 'true';
if (isMissing) console.warn('no redis-server here: what is compared with it is not tested');
