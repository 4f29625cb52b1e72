import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode, RespSocket } from '../../src/cli/bench/socket.ts';
import { readValue, type Value } from '../../src/cli/bench/values.ts';
import { type Agent, Agents } from './agents.ts';
import { BenchError } from './args.ts';
import { onEnd } from './cleanup.ts';
import { until } from './proc.ts';

/**
 * What the benches of the store measure, each a process of its own on loopback. `shoal` is an agent that owns the whole key space,
 * with node's flags and the environment of deploy/shoal.service and deploy/debian/store.conf; `shoal-memory` the same without its log, `shoal-leveldb`
 * with LevelDB in its place; `shoal-bare` the table and its
 * log behind a Redis port, and nothing else (store-server.ts).
 */
export const SYSTEMS = [
  'redis',
  'redis-everysec',
  'redis-always',
  'shoal',
  'shoal-memory',
  'shoal-leveldb',
  'shoal-bare',
] as const;
export type System = (typeof SYSTEMS)[number];
/** Of the agents. */
const BACKENDS: Partial<Record<System, string>> = {
  shoal: 'log',
  'shoal-memory': 'memory',
  'shoal-leveldb': 'leveldb',
};

/** Debian 12's. */
const REDIS_VERSION = '7.0.15';
const START_MS = 30_000;
/** What is measured when memory is given freely: more than any bench needs. */
const STORE_MEMORY_MB = 16_384;
const NO_MULTICAST = null;
/** The agent sees to this by itself, once its store is in use. */
const WITH_COMPILER = '--opt';

export function parseSystems(names: readonly string[]): System[] {
  return names.map((name) => {
    const system = SYSTEMS.find((one) => one === name);
    if (system === undefined)
      throw new BenchError(`--systems: there is no '${name}': there are ${SYSTEMS.join(', ')}`);
    return system;
  });
}

export interface StartOptions {
  /** How long it may take until it serves. */
  readonly withinMs?: number;
  /** Node's own flags, for shoal. */
  readonly nodeFlags?: readonly string[];
  /** Appended to the command line of the agent, or of redis-server. */
  readonly shoalFlags?: readonly string[];
  readonly redisFlags?: readonly string[];
}

/** What the lab knows of a process, an agent or another. */
interface Process {
  readonly pid: number;
  readonly dead: boolean;
  readonly ended: Promise<void>;
  log(): string;
  kill(signal: NodeJS.Signals): void;
}

interface Launched {
  readonly process: Process;
  readonly directory: string;
  readonly port: Promise<number>;
}

/** A running server of the lab. */
export class StoreServer {
  readonly system: System;
  readonly directory: string;
  readonly port: number;
  /** From the start of the process to the first command it answered. */
  readonly servingMs: number;
  readonly #process: Process;

  constructor(system: System, directory: string, port: number, servingMs: number, process: Process) {
    this.system = system;
    this.directory = directory;
    this.port = port;
    this.servingMs = servingMs;
    this.#process = process;
  }

  get pid(): number {
    return this.#process.pid;
  }

  connect(): Promise<RespSocket> {
    return RespSocket.open({ host: '127.0.0.1', port: this.port, user: null, password: null });
  }

  /** The answer to one question, on a connection of its own. */
  async ask(...words: string[]): Promise<Value> {
    const socket = await this.connect();
    try {
      return await socket.ask(words, 600_000);
    } finally {
      socket.close();
    }
  }

  /** The answers to many questions at once, errors among them. */
  async askAll(questions: readonly (readonly string[])[]): Promise<Value[]> {
    const socket = await this.connect();
    const answers: Value[] = [];
    let pending: Buffer = Buffer.alloc(0);
    try {
      return await new Promise((resolve, reject) => {
        const came = (bytes: Buffer): void => {
          pending = Buffer.concat([pending, bytes]);
          let at = 0;
          for (let read = readValue(pending, at); read !== null; ) {
            at = read.next;
            answers.push(read.value);
            read = at < pending.length ? readValue(pending, at) : null;
          }
          pending = pending.subarray(at);
          if (answers.length === questions.length) resolve(answers);
        };
        socket.handOver(came, (why) => reject(new Error(`${this.system} was lost: ${why}`)));
        socket.write(Buffer.concat(questions.map(encode)));
      });
    } finally {
      socket.close();
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#process.kill(signal);
    await this.#process.ended;
  }
}

/** A directory, and all servers started in it; both are gone at the end. */
export class StoreLab {
  readonly directory: string;
  readonly agents = new Agents('deploy/debian/store.conf');
  readonly #bench: string;
  readonly #running = new Set<ChildProcess>();
  readonly remove: () => void;

  /** `parent`: which disk is measured. */
  constructor(parent = tmpdir()) {
    if (!existsSync(parent)) throw new BenchError(`--dir: there is no directory ${parent}`);
    this.directory = mkdtempSync(join(parent, 'shoal-store-'));
    this.#bench = join(this.directory, 'bench.cjs');
    // Nobody rebuilds it under us.
    copyFileSync(process.argv[1] as string, this.#bench);
    this.remove = onEnd(() => {
      for (const child of this.#running) child.kill('SIGKILL');
      this.agents.remove();
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  /** Starts it on the data that an earlier one of that name left, and waits until it serves. */
  async start(system: System, name: string, options: StartOptions = {}): Promise<StoreServer> {
    const { process, directory, port } = await this.#launch(system, name, options);
    const startedMs = performance.now();
    let at: number;
    try {
      at = await port;
      await serves(at, () => process.dead, options.withinMs ?? START_MS);
    } catch (error) {
      process.kill('SIGKILL');
      throw new BenchError(`${system} does not serve: ${(error as Error).message}\n${process.log()}`);
    }
    const servingMs = performance.now() - startedMs;
    return new StoreServer(system, directory, at, servingMs, process);
  }

  /** Only starts it; returns what kills it. */
  launch(system: System, name: string): () => Promise<void> {
    const launched = this.#launch(system, name, {});
    return async () => {
      const { process } = await launched;
      process.kill('SIGKILL');
      await process.ended;
    };
  }

  async #launch(system: System, name: string, options: StartOptions): Promise<Launched> {
    const directory = join(this.directory, name);
    mkdirSync(directory, { recursive: true });
    const { shoalFlags = [], redisFlags = [], nodeFlags = [] } = options;
    const backend = BACKENDS[system];
    if (backend !== undefined) {
      const kept = ['--store', backend, '--store-dir', directory];
      const given = ['--store-memory', String(STORE_MEMORY_MB), '--range', '0-0xffffffff'];
      const flags = [...kept, ...given, ...shoalFlags];
      const agent = this.agents.spawn({ name, multicast: NO_MULTICAST, flags }, nodeFlags);
      const port = portOf(agent);
      // Who waits for it learns it; one that is killed while it starts is waited for by nobody.
      port.catch(() => {});
      return { process: processOfAgent(agent), directory, port };
    }
    const port = await freePort();
    const child =
      system === 'shoal-bare'
        ? this.program(
            'store-server',
            [String(port), directory],
            [...this.agents.nodeFlags, WITH_COMPILER, ...nodeFlags],
          )
        : this.#spawn('redis-server', [
            ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', ''],
            ...redisDurability(system),
            ...redisFlags,
          ]);
    return { process: processOfChild(child), directory, port: Promise.resolve(port) };
  }

  /** A process of this program: `bench.cjs NAME ARGS`; `launcher` is a command that runs another. */
  program(
    name: string,
    args: readonly string[],
    nodeFlags: readonly string[] = [],
    launcher: readonly string[] = [],
  ): ChildProcess {
    const [program = '', ...rest] = [...launcher, process.execPath];
    return this.#spawn(program, [...rest, ...nodeFlags, this.#bench, name, ...args]);
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, {
      stdio: 'pipe',
      env: { ...process.env, ...this.agents.environment },
    });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    child.once('error', (error) => console.error(`bench: ${program}: ${error.message}`));
    return child;
  }
}

export function processOfAgent(agent: Agent): Process {
  return {
    pid: agent.pid,
    ended: agent.ended,
    get dead() {
      return agent.dead;
    },
    log: () => agent.log,
    kill: (signal) => agent.kill(signal),
  };
}

function processOfChild(child: ChildProcess): Process {
  let log = '';
  let dead = false;
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-20_000);
    });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      dead = true;
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    get dead() {
      return dead;
    },
    log: () => log,
    kill: (signal) => void child.kill(signal),
  };
}

export async function portOf(agent: Agent): Promise<number> {
  const { resp } = (await agent.ready) as { resp?: string | null };
  if (typeof resp !== 'string')
    throw new BenchError('this agent has no store: leave it out by --systems redis,shoal-bare');
  return Number(resp.slice(resp.lastIndexOf(':') + 1));
}

function redisDurability(system: System): string[] {
  if (system === 'redis') return ['--appendonly', 'no'];
  return ['--appendonly', 'yes', '--appendfsync', system.replace('redis-', '')];
}

/** Waits until a key can be read: a server that loads, or has no owner for the key yet, says no. */
export async function serves(port: number, dead: () => boolean, withinMs = START_MS): Promise<void> {
  await until(
    `port ${port} serves`,
    async () => {
      if (dead()) throw new Error('the process has ended');
      const socket = await RespSocket.open({ host: '127.0.0.1', port, user: null, password: null });
      try {
        await socket.ask(['GET', 'bench:is-it-there']);
        return true;
      } finally {
        socket.close();
      }
    },
    withinMs,
    5,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Says which Redis it is; as root it installs one that is missing. */
export function needRedis(): void {
  const version = (): string | null => {
    const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
    const there = status === 0 && spawnSync('redis-benchmark', ['--help']).error === undefined;
    return there ? (/v=(\S+)/.exec(stdout)?.[1] ?? 'unknown') : null;
  };
  if (version() === null && process.getuid?.() === 0) {
    console.log('redis-server is not installed: apt-get install redis-server redis-tools');
    const packages = ['redis-server', 'redis-tools'];
    spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const found = version();
  if (found === null)
    throw new BenchError(
      "redis-server is not installed: 'apt-get install redis-server redis-tools' as root, or leave it out by --systems shoal",
    );
  console.log(
    `redis-server ${found}${found === REDIS_VERSION ? '' : ` (the aims are for ${REDIS_VERSION})`}`,
  );
}

export function fileSystemOf(directory: string): string {
  return execFileSync('stat', ['-f', '-c', '%T', directory], { encoding: 'utf8' }).trim();
}
