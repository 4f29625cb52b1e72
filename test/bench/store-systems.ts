import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RespSocket } from '../../src/cli/bench/socket.ts';
import type { Value } from '../../src/cli/bench/values.ts';
import { type Agent, Agents } from './agents.ts';
import { BenchError } from './args.ts';
import { onEnd } from './cleanup.ts';
import { until } from './proc.ts';

/**
 * What the benches of the store measure, each a process of its own on loopback. `shoal` is an agent that owns the whole key space,
 * as deploy/shoal.service starts it but with V8's optimizing compiler; `shoal-memory` the same without its log; `shoal-bare` the
 * Redis port on a table in memory and nothing else (store-server.ts).
 */
export const SYSTEMS = [
  'redis',
  'redis-everysec',
  'redis-always',
  'shoal',
  'shoal-memory',
  'shoal-bare',
] as const;
export type System = (typeof SYSTEMS)[number];

/** Debian 12's. */
const REDIS_VERSION = '7.0.15';
const START_MS = 30_000;
/** What is measured when memory is given freely: more than any bench needs. */
const STORE_MEMORY_MB = 16_384;
const NO_MULTICAST = null;
/** Behind what the service unit gives node; there V8 goes without its optimizing compiler, to save 6 MB. */
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
  /** Node's own flags, for shoal. */
  readonly nodeFlags?: readonly string[];
  /** Appended to the command line of the agent, or of redis-server. */
  readonly shoalFlags?: readonly string[];
  readonly redisFlags?: readonly string[];
}

/** A running server of the lab. */
export class StoreServer {
  readonly system: System;
  readonly directory: string;
  readonly port: number;
  readonly pid: number;
  /** From the start of the process to the first command it answered. */
  readonly servingMs: number;
  readonly ended: Promise<void>;
  readonly log: () => string;
  readonly #signal: (signal: NodeJS.Signals) => void;

  constructor(
    of: Pick<StoreServer, 'system' | 'directory' | 'port' | 'pid' | 'servingMs' | 'ended' | 'log'>,
    signal: (signal: NodeJS.Signals) => void,
  ) {
    this.system = of.system;
    this.directory = of.directory;
    this.port = of.port;
    this.pid = of.pid;
    this.servingMs = of.servingMs;
    this.ended = of.ended;
    this.log = of.log;
    this.#signal = signal;
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

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#signal(signal);
    await this.ended;
  }
}

/** A directory, and all servers started in it; both are gone at the end. */
export class StoreLab {
  readonly directory: string;
  readonly agents = new Agents();
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

  /** Starts it on the data that an earlier one of that name left. */
  async start(system: System, name: string, options: StartOptions = {}): Promise<StoreServer> {
    const directory = join(this.directory, name);
    mkdirSync(directory, { recursive: true });
    const { shoalFlags = [], redisFlags = [] } = options;
    const nodeFlags = [WITH_COMPILER, ...(options.nodeFlags ?? [])];
    if (system.startsWith('redis')) return this.#redis(system, directory, redisFlags);
    if (system === 'shoal-bare') return this.#bare(directory, nodeFlags);
    const kept = system === 'shoal' ? ['--store', 'log'] : ['--store', 'memory'];
    const agent = this.agents.spawn(
      {
        name,
        multicast: NO_MULTICAST,
        flags: [
          ...kept,
          ...['--store-dir', directory, '--store-memory', String(STORE_MEMORY_MB)],
          ...['--range', '0-0xffffffff'],
          ...shoalFlags,
        ],
      },
      nodeFlags,
    );
    return this.#serving(system, directory, agent);
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

  async #serving(system: System, directory: string, agent: Agent): Promise<StoreServer> {
    const { resp } = (await agent.ready) as { resp?: string | null };
    if (typeof resp !== 'string')
      throw new BenchError('the agent does not serve the store: leave it out by --systems redis,shoal-bare');
    const port = Number(resp.slice(resp.lastIndexOf(':') + 1));
    await serves(port, () => agent.dead);
    const servingMs = performance.now() - agent.startedMs;
    const { pid, ended } = agent;
    return new StoreServer(
      { system, directory, port, pid, servingMs, ended, log: () => agent.log },
      (signal) => agent.kill(signal),
    );
  }

  async #bare(directory: string, nodeFlags: readonly string[]): Promise<StoreServer> {
    const port = await freePort();
    const child = this.program(
      'store-server',
      [String(port), directory],
      [...this.agents.nodeFlags, ...nodeFlags],
    );
    return this.#child('shoal-bare', directory, child, port);
  }

  async #redis(system: System, directory: string, flags: readonly string[]): Promise<StoreServer> {
    const port = await freePort();
    const durable =
      system === 'redis'
        ? ['--appendonly', 'no']
        : ['--appendonly', 'yes', '--appendfsync', system.replace('redis-', '')];
    const child = this.#spawn('redis-server', [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', ''],
      ...durable,
      ...flags,
    ]);
    return this.#child(system, directory, child, port);
  }

  async #child(system: System, directory: string, child: ChildProcess, port: number): Promise<StoreServer> {
    const startedMs = performance.now();
    let log = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-20_000);
      });
    let dead = false;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => {
        dead = true;
        resolve();
      });
    });
    try {
      await serves(port, () => dead);
    } catch (error) {
      throw new BenchError(`${system} does not serve: ${(error as Error).message}\n${log}`);
    }
    const servingMs = performance.now() - startedMs;
    return new StoreServer(
      { system, directory, port, pid: child.pid ?? 0, servingMs, ended, log: () => log },
      (signal) => child.kill(signal),
    );
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
