import { clip, parseWhole } from '../../config/index.ts';
import { usage } from '../errors.ts';
import { type OptionValues, parseSeconds, textOption } from '../shell.ts';
import { type AckLevel, type Plan, parseAck } from './plan.ts';
import type { Server } from './socket.ts';

const DEFAULT_URL = 'redis://127.0.0.1:29979';
const DEFAULT_PORT = 6379;
export const DEFAULT_SECONDS = 10;
const MAX = {
  clients: 1000,
  pipeline: 10_000,
  sizeBytes: 16 * 2 ** 20,
  keys: 1_000_000_000,
  requests: 1_000_000_000_000,
  rate: 10_000_000,
  part: 1000,
  /** Of one client's pipeline. */
  bufferBytes: 64 * 2 ** 20,
} as const;

/** The loads to put on, one after the other. */
export function readPlans(options: OptionValues, password: string | undefined): Plan[] {
  const plan = readPlan(options, password);
  const tests = textOption(options, 'tests');
  if (tests === undefined) return [plan];
  if (options.ratio !== undefined) throw usage('--tests and --ratio are both given: keep one');
  return tests.split(',').map((name) => {
    const ratio = RATIOS[name.trim().toLowerCase()];
    if (ratio === undefined)
      throw usage(`--tests: '${clip(name)}' is none of them: set, get, or set,get for both in turn`);
    return { ...plan, ...ratio };
  });
}

const RATIOS: Readonly<Record<string, { readonly sets: number; readonly gets: number }>> = {
  set: { sets: 1, gets: 0 },
  get: { sets: 0, gets: 1 },
};

/** What was typed, checked. `password` is the one of the environment, which `ps` does not show. */
export function readPlan(options: OptionValues, password: string | undefined): Plan {
  const whole = (name: string, otherwise: number, min: number, max: number): number => {
    const text = textOption(options, name);
    return text === undefined ? otherwise : parseWhole(text, `--${name}`, min, max, `bad-${name}`);
  };
  const seconds = textOption(options, 'seconds');
  const requests = textOption(options, 'requests');
  if (seconds !== undefined && requests !== undefined)
    throw usage('--seconds and --requests are both given: keep one');
  if (seconds !== undefined && parseSeconds(seconds, '--seconds') === 0)
    throw usage('--seconds: 0 would send nothing: give more');
  const clients = whole('clients', 50, 1, MAX.clients);
  const pipeline = whole('pipeline', 1, 1, MAX.pipeline);
  const sizeBytes = whole('size', 100, 0, MAX.sizeBytes);
  if (pipeline * sizeBytes > MAX.bufferBytes)
    throw usage(
      `--pipeline: ${pipeline} values of ${sizeBytes} bytes are more than 64 MB a client: give less`,
    );
  const rate = textOption(options, 'rate');
  return {
    server: readUrl(textOption(options, 'url') ?? DEFAULT_URL, password),
    clients,
    pipeline,
    sizeBytes,
    keys: whole('keys', 1_000_000, 1, MAX.keys),
    requests: requests === undefined ? null : whole('requests', 0, 1, MAX.requests),
    seconds: requests !== undefined ? null : Number(seconds ?? DEFAULT_SECONDS),
    ...readRatio(textOption(options, 'ratio') ?? '1:1'),
    rate: rate === undefined ? null : whole('rate', 0, 1, MAX.rate),
    cluster: options.cluster === true,
    ack: readAck(textOption(options, 'ack')),
  };
}

export function readUrl(text: string, password: string | undefined): Server {
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `redis://${text}`);
  } catch {
    throw usage(`--url: '${withoutPassword(text)}' is not a URL: write redis://HOST:PORT`);
  }
  const bare = (url.pathname === '' || url.pathname === '/') && url.search === '' && url.hash === '';
  if (url.protocol !== 'redis:' || !bare || url.hostname === '')
    throw usage(`--url: '${withoutPassword(text)}' will not do: write redis://[[USER]:PASSWORD@]HOST:PORT`);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    user: url.username === '' ? null : decode(url.username),
    password: url.password === '' ? password || null : decode(url.password),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usage('--url: the user or password has a % that is no escape: write it as %25');
  }
}

/** An error message may be kept in a log. */
function withoutPassword(text: string): string {
  return clip(text.replace(/\/\/[^/]*@/, '//...@').replace(/^[^/]*@/, '...@'));
}

function readRatio(text: string): { sets: number; gets: number } {
  const found = /^([0-9]{1,4}):([0-9]{1,4})$/.exec(text);
  const [sets, gets] = [Number(found?.[1]), Number(found?.[2])];
  if (!(sets + gets > 0 && sets <= MAX.part && gets <= MAX.part))
    throw usage(`--ratio: '${clip(text)}' will not do: write SET:GET, like 1:10, each from 0 to ${MAX.part}`);
  return { sets, gets };
}

function readAck(text: string | undefined): AckLevel | null {
  if (text === undefined) return null;
  const level = parseAck(text);
  if (level === null)
    throw usage(
      `--ack: '${clip(text)}' is no level: write machines in memory and on disk, like 1m1d, 2m1d or qm1d`,
    );
  return level;
}
