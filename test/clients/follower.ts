import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { source } from './program.ts';

/** Keys of one client; nobody else writes them. */
export const KEYS = 60;
export const keyOf = (client: string, i: number): string => `${client}:key:${i}`;

/**
 * What a client may be told meanwhile, to try again or to look elsewhere; everything else is a fault. redis-py says the error's
 * class in place of its first word.
 */
const PASSING = [
  /^(TRYAGAIN|CLUSTERDOWN|MOVED|ClusterDownError:) /,
  /^(ERR|ResponseError:) no answer from the owner, .* may have been done$/,
  /^Too many Cluster redirections(\. Last error: |$)|^ClusterError: TTL exhausted\.$/,
  /^Failed to refresh slots cache\.$/,
  // Of a node that is down.
  /\b(ECONNREFUSED|ECONNRESET|EPIPE|refused|reset|closed|broken pipe)\b/i,
  // redis-py asks all nodes for their slots, of which one ends, or has not heard of a change that another knows.
  /^RedisClusterException: (ERROR sending "cluster slots"|startup_nodes could not agree)/,
  // node-redis lets go of a node, or of a command or a connection that took 5 s; some of its errors have no text, but a class.
  /^(Disconnects client|AggregateError|TimeoutError|Connection timeout)$/,
];

export interface Store {
  get(key: string): Promise<string | null>;
  /** OK. */
  set(key: string, value: string): Promise<unknown>;
  /** How many there were. */
  del(key: string): Promise<unknown>;
}

/** Every so many changes of a key is a removal; number 0 as well, for it is not there at first. */
const REMOVED_EVERY = 5;

/**
 * A client that reads, writes and removes its keys over and over. The changes of a key are numbered, and a value is the number of
 * its change; which was acknowledged last, and which was tried last, is known. A read must give something from the one to the other:
 * what is older, a value that was removed, or none where one was written is a wrong answer, whatever happens to owners
 * meanwhile. A refusal is none; it is counted.
 */
export class Follower {
  readonly name: string;
  readonly #store: Store;
  readonly #acked = new Array<number>(KEYS).fill(0);
  readonly #tried = new Array<number>(KEYS).fill(0);
  readonly wrong: string[] = [];
  readonly refusals = new Map<string, number>();
  done = 0;
  #stopped = false;

  constructor(name: string, store: Store) {
    this.name = name;
    this.#store = store;
  }

  /** Goes through its keys with so many at a time, until `stop`. */
  async work(width: number): Promise<void> {
    const lanes = Array.from({ length: width }, async (_, lane) => {
      for (let i = lane; !this.#stopped; i = i + width < KEYS ? i + width : lane) await this.#visit(i);
    });
    await Promise.all(lanes);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Whether a value read of key `i` may be; notes that it may not. */
  check(i: number, value: string | null, by: string): void {
    const acked = this.#acked[i] as number;
    const tried = this.#tried[i] as number;
    const number = value === null ? Math.ceil(acked / REMOVED_EVERY) * REMOVED_EVERY : Number(value);
    if (!(number >= acked && number <= tried))
      this.wrong.push(
        `${keyOf(this.name, i)}, read by ${by}: ${value}, which is not of ${acked} to ${tried}`,
      );
  }

  async #visit(i: number): Promise<void> {
    const key = keyOf(this.name, i);
    try {
      this.check(i, await this.#store.get(key), this.name);
      const next = (this.#tried[i] as number) + 1;
      this.#tried[i] = next;
      if (next % REMOVED_EVERY === 0) await this.#store.del(key);
      else await this.#store.set(key, String(next));
      this.#acked[i] = next;
      this.done++;
    } catch (error) {
      const told = error as Error;
      this.#refused(told.message || told.constructor.name);
    }
  }

  #refused(message: string): void {
    if (!PASSING.some((pattern) => pattern.test(message))) this.wrong.push(message);
    const word = message.split(/[ :]/, 1)[0] as string;
    this.refusals.set(word, (this.refusals.get(word) ?? 0) + 1);
  }
}

/** `redis-cli -c` as a store: a process for each command, which starts at the port and follows redirections. */
export function redisCli(port: number): Store {
  const ask = (...words: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile('redis-cli', ['-e', '-c', '-p', String(port), ...words], (error, stdout, stderr) => {
        if (error === null) resolve(stdout.slice(0, -1));
        else reject(new Error(`${stdout}${stderr}`.trim()));
      });
    });
  return {
    get: async (key) => (await ask('GET', key)) || null,
    // It has no name at connect: the level is said with each write.
    set: (key, value) => ask('SET', key, value, 'ACKS', '1', '1'),
    del: (key) => ask('GETDEL', key, 'ACKS', '1', '1'),
  };
}

/** python3-redis' cluster client as a store, a process that takes one command after the other. */
export function redisPy(port: number): Store & { close(): void } {
  const child = spawn('/usr/bin/python3', [source('follower.py'), String(port)]);
  const waiting: { resolve(value: string | null): void; reject(error: Error): void }[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const one = waiting.shift();
    if (line.startsWith('error ')) one?.reject(new Error(line.slice(6)));
    else one?.resolve(line === 'nil' ? null : line.slice(6));
  });
  child.on('close', () => {
    for (const one of waiting) one.reject(new Error(`python3 ended: ${errors}`));
  });
  const ask = (line: string): Promise<string | null> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      child.stdin.write(`${line}\n`);
    });
  return {
    get: (key) => ask(`get ${key}`),
    set: (key, value) => ask(`set ${key} ${value}`),
    del: (key) => ask(`del ${key}`),
    close: () => child.kill('SIGKILL'),
  };
}
