/**
 * End-to-end harness: real `bin/shoal` processes in temporary directories. A sandbox owns everything it starts and
 * makes; closing it leaves no process and no file. Agents have an IPC channel, so they end with the test process
 * however that dies. Nothing sleeps: conditions are polled with a deadline. Ports are 0 and read from the ready line.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export const ROOT = resolve(import.meta.dirname, '../..');
/** SHOAL_TEST_PROGRAM: another build to test, taken as it is. */
export const PROGRAM = process.env.SHOAL_TEST_PROGRAM ?? join(ROOT, 'bin/shoal');
const READY_MS = 60_000;
/** For what takes a second or two when the machine has nothing else to do. */
const SOON_MS = 60_000;

export interface Ready {
  readonly node: string;
  readonly id: string;
  readonly gossip: string;
  readonly http: string | null;
  readonly resp: string | null;
  readonly proxy: string | null;
  readonly socket: string;
}

export interface LogRecord {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface AgentSpec {
  readonly name: string;
  /** Default: a directory of the sandbox named after the node, so that a second start is a restart. */
  readonly dataDir?: string;
  readonly flags?: readonly string[];
  readonly multicast?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** What runs the program, in place of this Node.js: another one, perhaps of another architecture. */
  readonly launcher?: readonly string[];
  readonly readyMs?: number;
}

/** Polls until the condition gives something that is not undefined, null or false. */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  withinMs = SOON_MS,
): Promise<NonNullable<T>> {
  const endMs = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<T>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endMs) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`not within ${withinMs} ms: ${what} (last seen: ${seen})`);
    }
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** A program of a sandbox or a test bed: its output, and how it ended. */
export class Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  readonly lines: string[] = [];
  alive = true;

  constructor([command = '', ...args]: readonly string[], env: NodeJS.ProcessEnv, ipc: boolean) {
    this.process = spawn(command, args, {
      stdio: ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
      env,
    });
    const { stdout, stderr } = this.process;
    stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.lines.push(line));
    stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.ended = new Promise((done, fail) => {
      this.process.once('error', fail);
      this.process.once('close', (code, signal) => {
        this.alive = false;
        done({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
}

export class TestAgent {
  readonly name: string;
  readonly running: Running;
  readonly dataDir: string;
  ready: Ready;

  constructor(name: string, running: Running, dataDir: string, ready: Ready) {
    this.name = name;
    this.running = running;
    this.dataDir = dataDir;
    this.ready = ready;
  }

  get log(): LogRecord[] {
    return logRecords(this.running.lines);
  }

  /** The JSON of a 200 on the admin socket. */
  async get<T>(path: string): Promise<T> {
    const { status, json } = await this.call('GET', path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(json)}`);
    return json as T;
  }

  call(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
    return callSocket(this.ready.socket, method, path, body);
  }

  /** A verb on this agent. */
  verb(...args: readonly string[]): Promise<Ended> {
    return shoal([...args, '--socket', this.ready.socket]);
  }

  /** As {@link verb}, and it must have succeeded; gives standard output. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.verb(...args);
    if (code !== 0) throw new Error(`shoal ${args.join(' ')}: exit code ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async digest(): Promise<string> {
    return (await this.get<{ digest: string }>('/v1/status')).digest;
  }

  /** Sorted `name=status`. */
  async memberStates(): Promise<string[]> {
    const { members } = await this.get<{ members: { name: string; status: string }[] }>('/v1/members');
    return members.map(({ name, status }) => `${name}=${status}`).sort();
  }

  /** `start-end:priority` of a node's entries, or of all as `name start-end:priority`. */
  async rangesOf(node?: string): Promise<string[]> {
    const query = node === undefined ? '' : `?node=${node}`;
    const { ranges } = await this.get<{
      ranges: { name: string; start: number; end: number; priority: number }[];
    }>(`/v1/ranges${query}`);
    return ranges.map(
      ({ name, start, end, priority }) =>
        `${node === undefined ? `${name} ` : ''}${start}-${end}:${priority}`,
    );
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.running.kill(signal);
    return await this.running.ended;
  }
}

export function logRecords(lines: readonly string[]): LogRecord[] {
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as LogRecord];
    } catch {
      return [];
    }
  });
}

/** Owns directories and processes of one test; `await using` closes it. */
export class Sandbox {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-e2e-')));
  readonly cluster = `e2e-${randomInt(2 ** 32).toString(16)}`;
  readonly multicast = `239.78.${randomInt(256)}.${1 + randomInt(254)}:${20_000 + randomInt(10_000)}`;
  readonly #running = new Set<Running>();

  path(name: string): string {
    return join(this.dir, name);
  }

  /** The flags that keep an agent to this sandbox. */
  flags(spec: AgentSpec): string[] {
    const multicast =
      spec.multicast === false
        ? ['--no-multicast']
        : ['--multicast', this.multicast, '--interface', '127.0.0.1', '--multicast-ttl', '0'];
    const flags = spec.flags ?? [];
    const unless = (flag: string, value: string): string[] =>
      flags.includes(flag) || flags.includes(`--no-${flag.slice(2)}`) ? [] : [flag, value];
    return [
      ...['--config', '/dev/null', '--name', spec.name, '--data-dir', spec.dataDir ?? this.path(spec.name)],
      ...['--cluster', this.cluster, ...multicast],
      ...unless('--bind', '127.0.0.1:0'),
      ...unless('--http', '127.0.0.1:0'),
      ...unless('--resp', '127.0.0.1:0'),
      ...(flags.includes('--no-resp') ? [] : unless('--proxy', '127.0.0.1:0')),
      ...flags,
    ];
  }

  /** Starts an agent and does not wait. */
  spawn(spec: AgentSpec): Running {
    return this.run(['agent', ...this.flags(spec)], spec.env, true, spec.launcher);
  }

  run(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    ipc = false,
    launcher: readonly string[] = [process.execPath],
  ): Running {
    const running = new Running([...launcher, PROGRAM, ...args], cleanEnvironment(env), ipc);
    this.#running.add(running);
    return running;
  }

  /** Starts an agent and waits for its ready line. */
  async start(spec: AgentSpec): Promise<TestAgent> {
    const running = this.spawn(spec);
    const ready = await Promise.race([
      eventually(
        `${spec.name} is ready`,
        () => logRecords(running.lines).find(({ msg }) => msg === 'ready') as unknown as Ready | undefined,
        spec.readyMs ?? READY_MS,
      ),
      running.ended.then(({ code, stderr, stdout }) => {
        throw new Error(`${spec.name} ended with code ${code} before it was ready: ${stderr}${stdout}`);
      }),
    ]);
    return new TestAgent(spec.name, running, spec.dataDir ?? this.path(spec.name), ready);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) if (running.alive) running.kill('SIGKILL');
    await Promise.all([...this.#running].map(({ ended }) => ended.catch(() => {})));
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Runs a verb to its end. */
export async function shoal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return await new Running([process.execPath, PROGRAM, ...args], cleanEnvironment(env), false).ended;
}

/** Every agent lists exactly these alive and all digests are equal. */
export async function agreement(agents: readonly TestAgent[], withinMs = SOON_MS): Promise<void> {
  const alive = agents.map(({ name }) => `${name}=alive`).sort();
  await eventually(
    `${agents.length} nodes list each other and agree`,
    async () => {
      const states = await Promise.all(agents.map((agent) => agent.memberStates()));
      for (const [i, state] of states.entries()) {
        const listed = state.filter((line) => line.endsWith('=alive'));
        if (listed.join() !== alive.join()) throw new Error(`${agents[i]?.name} lists ${state.join(' ')}`);
      }
      const digests = await Promise.all(agents.map((agent) => agent.digest()));
      if (new Set(digests).size !== 1) throw new Error(`digests ${digests.join(' ')}`);
      return true;
    },
    withinMs,
  );
}

export function callSocket(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: unknown }> {
  return new Promise((done, fail) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    // Without the length, Node sends a DELETE's body unframed.
    const headers =
      body === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    const call = request({ socketPath, method, path, headers, agent: false }, (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        answer += chunk;
      });
      response.on('end', () => {
        let json: unknown = answer;
        try {
          json = JSON.parse(answer);
        } catch {}
        done({ status: response.statusCode ?? 0, json });
      });
      response.on('error', fail);
    });
    call.on('error', fail);
    call.setTimeout(SOON_MS, () => call.destroy(new Error(`${path}: no answer`)));
    call.end(text);
  });
}

/** Pids of processes whose command line contains the text; Linux only, like shoal. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => commandLine(name).includes(text))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function cleanEnvironment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) =>
      !name.startsWith('SHOAL_') && !['NOTIFY_SOCKET', 'STATE_DIRECTORY', 'RUNTIME_DIRECTORY'].includes(name),
  );
  return { ...Object.fromEntries(own), ...env };
}
