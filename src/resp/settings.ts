/**
 * The parameters of CONFIG GET and SET, in three parts: those that do something here, those that only tell what is so, and those
 * that are kept because clients and test suites set them and read them back. The rest of Redis' parameters does not exist.
 */

import { int64 } from './numbers.ts';

type Kind = 'number' | 'memory' | 'flag' | 'text' | 'limits';

interface Parameter {
  readonly kind: Kind;
  readonly initial: string;
  readonly least?: number;
  /** Below the least there is 0, for none. */
  readonly mayBeNone?: boolean;
  readonly most?: number;
  /** The only ones there are. */
  readonly words?: readonly string[];
  /** Cannot be set while it runs. */
  readonly fixed?: boolean;
}

const INT_MAX = 2 ** 31 - 1;
const OUTPUT_LIMITS = 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60';
/** Redis has 2^63 - 1, and errors say so. */
const LARGEST = Number.MAX_SAFE_INTEGER;

const number = (initial: number, least = 0, most = INT_MAX): Parameter => ({
  kind: 'number',
  initial: String(initial),
  least,
  most,
});
const memory = (initial: number, least = 0): Parameter => ({
  kind: 'memory',
  initial: String(initial),
  least,
});
const flag = (initial: 'yes' | 'no', fixed = false): Parameter => ({ kind: 'flag', initial, fixed });
const fixed = (initial: string): Parameter => ({ kind: 'text', initial, fixed: true });
const text = (initial: string): Parameter => ({ kind: 'text', initial });

const PARAMETERS: Readonly<Record<string, Parameter>> = {
  // Those that do something.
  timeout: number(0),
  maxclients: number(10_000, 1, 2 ** 32 - 1),
  requirepass: text(''),
  'protected-mode': flag('yes'),
  'client-output-buffer-limit': { kind: 'limits', initial: OUTPUT_LIMITS },
  // With less than some megabytes every client would be cut.
  'maxmemory-clients': { ...memory(0, 2 ** 20), mayBeNone: true },
  'client-query-buffer-limit': memory(2 ** 30, 2 ** 20),
  'proto-max-bulk-len': memory(512 * 2 ** 20, 2 ** 20),
  'slowlog-log-slower-than': number(10_000, -1, LARGEST),
  'slowlog-max-len': number(128, 0, 100_000),
  'latency-monitor-threshold': number(0, 0, LARGEST),
  'latency-tracking': flag('yes'),
  // Those that tell what is so: whoever makes the server gives the values.
  port: fixed('0'),
  bind: fixed('127.0.0.1'),
  dir: fixed(''),
  maxmemory: { kind: 'memory', initial: '0', fixed: true },
  appendonly: flag('no', true),
  save: fixed(''),
  databases: fixed('1'),
  'cluster-enabled': flag('no', true),
  'maxmemory-policy': fixed('noeviction'),
  appendfsync: fixed('everysec'),
  'io-threads': fixed('1'),
  supervised: fixed('systemd'),
  // Kept only.
  'tcp-keepalive': number(300),
  hz: number(10, 1, 500),
  loglevel: { kind: 'text', initial: 'notice', words: ['debug', 'verbose', 'notice', 'warning'] },
  'notify-keyspace-events': fixed(''),
  'lazyfree-lazy-eviction': flag('no'),
  'lazyfree-lazy-expire': flag('no'),
  'lazyfree-lazy-server-del': flag('no'),
  'lazyfree-lazy-user-del': flag('no'),
  'lazyfree-lazy-user-flush': flag('no'),
  activedefrag: flag('no', true),
  'list-max-listpack-size': number(-2, -INT_MAX),
  'list-max-ziplist-size': number(-2, -INT_MAX),
  'list-compress-depth': number(0),
  'hash-max-listpack-entries': number(512, 0, LARGEST),
  'hash-max-ziplist-entries': number(512, 0, LARGEST),
  'hash-max-listpack-value': memory(64),
  'hash-max-ziplist-value': memory(64),
  'set-max-intset-entries': number(512, 0, LARGEST),
  'zset-max-listpack-entries': number(128, 0, LARGEST),
  'zset-max-ziplist-entries': number(128, 0, LARGEST),
  'zset-max-listpack-value': memory(64),
  'zset-max-ziplist-value': memory(64),
  'stream-node-max-bytes': memory(4096),
  'stream-node-max-entries': number(100, 0, LARGEST),
  'hll-sparse-max-bytes': memory(3000),
  'active-expire-effort': number(1, 1, 10),
  'busy-reply-threshold': number(5000, 0, LARGEST),
  'lua-time-limit': number(5000, 0, LARGEST),
  'repl-diskless-sync-delay': number(5),
  'min-replicas-to-write': fixed('0'),
};

/** Two names of one parameter, either way. */
const ALIASES = new Map<string, string>(
  Object.keys(PARAMETERS)
    .filter((name) => name.includes('ziplist'))
    .map((name) => [name, name.replace('ziplist', 'listpack')] as const)
    .concat([['lua-time-limit', 'busy-reply-threshold']])
    .flatMap(([old, name]) => [
      [old, name],
      [name, old],
    ]),
);

export interface OutputLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softMs: number;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1e6,
  mb: 2 ** 20,
  g: 1e9,
  gb: 2 ** 30,
};

/** Bytes of `10mb` and the like, or null; without a number 0, as in Redis. */
export function memoryBytes(value: string): number | null {
  const found = /^(\d{0,127})([a-z]{0,2})$/i.exec(value);
  const unit = UNITS[(found?.[2] ?? 'x').toLowerCase()];
  return found === null || unit === undefined ? null : Number(found[1]) * unit;
}

/** Values by name, with the few that are looked at often as fields. */
export class Settings {
  readonly #values = new Map<string, string>();
  /** Told of every change. */
  changed: (name: string) => void = () => {};
  timeoutMs = 0;
  maxClients = 0;
  password = '';
  queryBufferBytes = 0;
  /** All that clients may hold together; 0: no bound. */
  clientsBytes = 0;
  slowerThanUsec = 0;
  latencyThresholdMs = 0;
  normalLimit = NO_LIMIT;
  pubsubLimit = NO_LIMIT;

  constructor(given: Readonly<Record<string, string>> = {}) {
    for (const [name, { initial }] of Object.entries(PARAMETERS))
      this.#values.set(name, given[name] ?? initial);
    this.#refresh();
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  get(name: string): string {
    return this.#values.get(name) ?? '';
  }

  number(name: string): number {
    return Number(this.get(name));
  }

  /** Sets all of these or none. The fault's text, or null. */
  set(pairs: readonly (readonly [name: string, value: string])[]): string | null {
    const failed = (name: string, why: string) =>
      `CONFIG SET failed (possibly related to argument '${name}') - ${why}`;
    const names = new Set<string>();
    for (const [given, value] of pairs) {
      const name = given.toLowerCase();
      const parameter = PARAMETERS[name];
      if (parameter === undefined || !this.#values.has(name))
        return `Unknown option or number of arguments for CONFIG SET - '${given.split('\0', 1)[0]}'`;
      // Test suites set what is so already.
      if (parameter.fixed === true && value !== this.get(name))
        return failed(given, "can't set immutable config");
      if (names.has(name)) return failed(given, 'duplicate parameter');
      names.add(name);
    }
    const seen = new Map<string, string>();
    for (const [given, value] of pairs) {
      const name = given.toLowerCase();
      const { why, kept } = this.#checked(name, value);
      if (why !== null) return failed(name, why);
      seen.set(name, kept);
    }
    for (const [name, value] of seen) {
      this.#values.set(name, value);
      this.#values.set(ALIASES.get(name) ?? name, value);
    }
    this.#refresh();
    for (const name of seen.keys()) this.changed(name);
    return null;
  }

  #checked(name: string, value: string): { why: string | null; kept: string } {
    const no = (why: string) => ({ why, kept: '' });
    const parameter = PARAMETERS[name];
    if (parameter === undefined || parameter.fixed === true) return { why: null, kept: value };
    switch (parameter.kind) {
      case 'flag':
        return /^(yes|no)$/i.test(value)
          ? { why: null, kept: value.toLowerCase() }
          : no("argument must be 'yes' or 'no'");
      case 'number':
      case 'memory':
        return checkedNumber(parameter, value);
      case 'limits': {
        const limits = withLimits(this.get(name), value);
        return typeof limits === 'string' ? { why: null, kept: limits } : no(limits.why);
      }
      default: {
        const { words } = parameter;
        if (words === undefined) return { why: null, kept: value };
        const word = value.toLowerCase();
        return words.includes(word)
          ? { why: null, kept: word }
          : no(`argument(s) must be one of the following: ${words.join(', ')}`);
      }
    }
  }

  #refresh(): void {
    this.timeoutMs = this.number('timeout') * 1000;
    this.maxClients = this.number('maxclients');
    this.password = this.get('requirepass');
    this.queryBufferBytes = this.number('client-query-buffer-limit');
    this.clientsBytes = this.number('maxmemory-clients');
    this.slowerThanUsec = this.number('slowlog-log-slower-than');
    this.latencyThresholdMs = this.number('latency-monitor-threshold');
    const limits = this.get('client-output-buffer-limit').split(' ');
    this.normalLimit = limitAt(limits, 'normal');
    this.pubsubLimit = limitAt(limits, 'pubsub');
  }
}

const NO_LIMIT: OutputLimit = { hardBytes: 0, softBytes: 0, softMs: 0 };

function limitAt(words: readonly string[], kind: string): OutputLimit {
  const at = words.indexOf(kind);
  return {
    hardBytes: Number(words[at + 1]),
    softBytes: Number(words[at + 2]),
    softMs: Number(words[at + 3]) * 1000,
  };
}

function checkedNumber(parameter: Parameter, value: string): { why: string | null; kept: string } {
  const bytes = parameter.kind === 'memory';
  const parsed = bytes ? memoryBytes(value) : wholeNumber(value);
  if (parsed === null) {
    const why = bytes ? 'argument must be a memory value' : "argument couldn't be parsed into an integer";
    return { why, kept: '' };
  }
  const least = parameter.least ?? 0;
  const most = parameter.most ?? LARGEST;
  const isNone = parsed === 0 && parameter.mayBeNone === true;
  if ((parsed < least && !isNone) || parsed > most) {
    const shown = most === LARGEST ? '9223372036854775807' : String(most);
    return {
      why: `argument must be ${parameter.mayBeNone === true ? '0 or ' : ''}between ${least} and ${shown} inclusive`,
      kept: '',
    };
  }
  return { why: null, kept: String(parsed) };
}

/** Any that Redis could hold, beyond 2^53 not to the last digit. */
function wholeNumber(text: string): number | null {
  const number = int64(Buffer.from(text, 'latin1'), 0, text.length);
  return number === null ? null : Number(number);
}

/** `now` with what `class hard soft seconds ...` changes. */
function withLimits(now: string, value: string): string | { why: string } {
  if (value.trim() === '') return now;
  const words = value.trim().split(/\s+/);
  if (words.length % 4 !== 0) return { why: 'Wrong number of arguments in buffer limit configuration.' };
  const limits = now.split(' ');
  for (let i = 0; i < words.length; i += 4) {
    const kind = (words[i] as string).toLowerCase();
    const at = limits.indexOf(kind === 'replica' ? 'slave' : kind);
    if (at < 0) return { why: 'Invalid client class specified in buffer limit configuration.' };
    const hard = memoryBytes(words[i + 1] as string);
    const soft = memoryBytes(words[i + 2] as string);
    if (
      hard === null ||
      soft === null ||
      Math.max(hard, soft) > LARGEST ||
      !/^\d{1,9}$/.test(words[i + 3] as string)
    )
      return { why: 'Error in hard, soft or soft_seconds setting in buffer limit configuration.' };
    limits.splice(at + 1, 3, String(hard), String(soft), words[i + 3] as string);
  }
  return limits.join(' ');
}
