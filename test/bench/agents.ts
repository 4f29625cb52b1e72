import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BenchError } from './args.ts';
import { onEnd } from './cleanup.ts';
import type { Namespace } from './netns.ts';
import { Pipe } from './pipe.ts';

export interface AgentSpec {
  readonly name: string;
  /** Null: no multicast. */
  readonly multicast: string | null;
  readonly flags?: readonly string[];
  readonly namespace?: Namespace | null;
  /** It ends with this program, however that ends; costs it some memory, so not where memory is measured. */
  readonly tied?: boolean;
  /** What runs it in place of this Node.js: a command that takes node's flags and the program. */
  readonly launcher?: readonly string[];
}

export interface Ready {
  readonly id: string;
  readonly gossip: string;
  readonly socket: string;
}

/** Agents of one bench: a directory, a copy of the program (nobody rebuilds it under us), and all processes. */
export class Agents {
  readonly dir: string;
  readonly cluster: string;
  readonly #running = new Set<Agent>();
  readonly remove: () => void;
  readonly program: string;
  readonly nodeFlags: readonly string[];
  /** What the service unit sets in the environment. */
  readonly environment: Readonly<Record<string, string>>;

  /** `dropIn`: a file that changes the unit. */
  constructor(dropIn?: string) {
    const bundle = 'dist/shoal.cjs';
    if (!existsSync(bundle)) {
      throw new BenchError(
        `${bundle} is not here: run it as 'npm run bench' in the repository, after 'npm ci'`,
      );
    }
    this.dir = mkdtempSync(join(tmpdir(), 'shoal-bench-'));
    this.cluster = this.dir.slice(-6);
    this.program = join(this.dir, 'shoal.cjs');
    const unit = readUnit(dropIn);
    this.nodeFlags = unit.flags;
    this.environment = unit.environment;
    copyFileSync(bundle, this.program);
    // What store = "leveldb" loads.
    symlinkSync(resolve('node_modules'), join(this.dir, 'node_modules'));
    this.remove = onEnd(() => {
      for (const agent of this.#running) agent.kill('SIGKILL');
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  /** A multicast group of this bench's own. */
  multicast(): string {
    const [a, b, c] = [1, 2, 3].map(() => 1 + Math.floor(Math.random() * 250));
    return `239.${a}.${b}.${c}:${20_000 + Math.floor(Math.random() * 10_000)}`;
  }

  spawn(spec: AgentSpec, nodeFlags: readonly string[] = []): Agent {
    const dataDir = join(this.dir, spec.name);
    mkdirSync(dataDir, { recursive: true });
    const multicast =
      spec.multicast === null
        ? ['--no-multicast']
        : ['--multicast', spec.multicast, '--interface', '127.0.0.1', '--multicast-ttl', '0'];
    const command = [
      ...(spec.namespace?.prefix ?? []),
      ...(spec.launcher ?? [process.execPath]),
      ...this.nodeFlags,
      ...nodeFlags,
      this.program,
      ...['agent', '--config', '/dev/null', '--name', spec.name, '--cluster', this.cluster],
      ...['--data-dir', dataDir, '--bind', '127.0.0.1:0', '--http', '127.0.0.1:0', ...multicast],
      ...['--resp', '127.0.0.1:0', '--proxy', '127.0.0.1:0'],
      ...(spec.flags ?? []),
    ];
    const agent = new Agent(spec.name, dataDir, command, this.environment, spec.tied ?? false);
    this.#running.add(agent);
    void agent.ended.then(() => this.#running.delete(agent));
    return agent;
  }

  async stopAll(): Promise<void> {
    const agents = [...this.#running];
    for (const agent of agents) agent.kill('SIGKILL');
    await Promise.all(agents.map(({ ended }) => ended));
  }
}

/** One agent process. */
export class Agent {
  readonly name: string;
  readonly dataDir: string;
  readonly startedMs = performance.now();
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  /** Resolves with its ready line. */
  readonly ready: Promise<Ready>;
  readyMs = Number.NaN;
  dead = false;
  log = '';

  constructor(
    name: string,
    dataDir: string,
    command: readonly string[],
    env: Agents['environment'],
    tied: boolean,
  ) {
    this.name = name;
    this.dataDir = dataDir;
    const [program, ...args] = command as [string, ...string[]];
    this.process = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...(tied ? (['ipc'] as const) : [])],
      env: { ...process.env, ...env },
    });
    this.ended = new Promise((resolve) => {
      this.process.once('exit', () => {
        this.dead = true;
        resolve();
      });
    });
    this.ready = new Promise((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        this.log = (this.log + chunk.toString()).slice(-20_000);
        if (!Number.isNaN(this.readyMs)) return;
        const line = this.log.split('\n').find((one) => one.includes('"msg":"ready"') && one.endsWith('}'));
        if (line === undefined) return;
        this.readyMs = performance.now() - this.startedMs;
        resolve(JSON.parse(line) as Ready);
      };
      this.process.stdout?.on('data', read);
      this.process.stderr?.on('data', read);
      this.process.once('error', reject);
      void this.ended.then(() => reject(new Error(`${name} ended before it was ready: ${this.log.trim()}`)));
    });
    // Who wants to know asks; a process killed while it starts is no mistake.
    this.ready.catch(() => {});
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get socket(): string {
    return join(this.dataDir, 'shoal.sock');
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.dead) this.process.kill(signal);
  }

  /** One question on a connection of its own. */
  async ask<T>(path: string): Promise<T> {
    const pipe = new Pipe(this.socket);
    try {
      return await pipe.get<T>(path);
    } finally {
      pipe.close();
    }
  }
}

interface Status {
  readonly digest: string;
  readonly members: { readonly alive: number };
}

/** True when each lists as many alive as there are, and all show one digest. */
export async function agree(agents: readonly Agent[], members = agents.length): Promise<boolean> {
  const all = await Promise.all(agents.map((agent) => agent.ask<Status>('/v1/status')));
  return all.every((one) => one.members.alive === members && one.digest === all[0]?.digest);
}

/** What the service unit gives node, and a drop-in changes: agents here run as they do on a board. */
export function readUnit(dropIn?: string): { flags: string[]; environment: Record<string, string> } {
  const unit = readFileSync('deploy/shoal.service', 'utf8');
  const text = dropIn === undefined ? unit : `${unit}\n${readFileSync(dropIn, 'utf8')}`;
  const all = (name: string): string[][] =>
    [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value.split(' '));
  const environment: Record<string, string> = {};
  for (const word of all('Environment').flat()) {
    const at = word.indexOf('=');
    if (at > 0) environment[word.slice(0, at)] = word.slice(at + 1);
  }
  return { flags: (all('ExecStart').at(-1) ?? []).filter((word) => word.startsWith('--')), environment };
}
