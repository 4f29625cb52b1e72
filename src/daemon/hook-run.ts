import { type ChildProcess, spawn } from 'node:child_process';
import { LIMITS } from '../base/index.ts';

/** How one run of a script ended. */
export interface HookEnd {
  readonly outcome: 'ok' | 'failed' | 'timeout' | 'not-started';
  /** In words: the exit code, the signal, or why it could not be started. */
  readonly how: string;
  readonly ms: number;
  /** What it wrote, the first LIMITS.hookOutputBytes of it. */
  readonly output: string;
}

export interface HookRunOptions {
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
  readonly timeoutMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

/**
 * One run of a script, in a process group of its own. It is over when the script has ended and nobody holds its output
 * any more, so that what it left in the background counts too; at the time limit the whole group is ended.
 */
export class HookRun {
  readonly ended: Promise<HookEnd>;
  #child: ChildProcess | null = null;
  #timedOut = false;
  #over = false;

  constructor(options: HookRunOptions) {
    this.ended = new Promise((resolve) => this.#start(options, resolve));
  }

  #start({ script, env, input, timeoutMs, graceMs }: HookRunOptions, resolve: (end: HookEnd) => void): void {
    const startMs = performance.now();
    const output = new Output();
    let killer: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      this.#timedOut = true;
      this.signal('SIGTERM');
      killer = setTimeout(() => this.kill(), graceMs);
    }, timeoutMs);
    const done = (outcome: HookEnd['outcome'], how: string): void => {
      this.#over = true;
      clearTimeout(timer);
      clearTimeout(killer);
      resolve({ outcome, how, ms: Math.round(performance.now() - startMs), output: output.text() });
    };
    let child: ChildProcess;
    try {
      child = spawn(script, [], { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    } catch (error) {
      // Some errors of the system come so, others as an event.
      done('not-started', startError(error as NodeJS.ErrnoException));
      return;
    }
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => output.add('out', chunk));
    child.stderr?.on('data', (chunk: Buffer) => output.add('err', chunk));
    // A script that does not read its input is no mistake.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) done('not-started', startError(error));
    });
    child.once('close', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `ended by ${signal}`;
      if (this.#timedOut) done('timeout', `not done within ${timeoutMs / 1000} s (${how})`);
      else done(code === 0 ? 'ok' : 'failed', how);
    });
  }

  /** To the script and all it started that did not make a group of its own. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#over) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Gone already.
    }
  }

  /** Ends it at once; what left the group may go on, but is not waited for. */
  kill(): void {
    this.signal('SIGKILL');
    this.#child?.stdout?.destroy();
    this.#child?.stderr?.destroy();
  }
}

/** The beginning of what was written, of output and errors half each, and how much more there was. */
class Output {
  readonly #chunks: Buffer[] = [];
  readonly #kept = { out: 0, err: 0 };
  #bytes = 0;

  add(where: 'out' | 'err', chunk: Buffer): void {
    this.#bytes += chunk.length;
    const part = chunk.subarray(0, LIMITS.hookOutputBytes / 2 - this.#kept[where]);
    if (part.length === 0) return;
    this.#kept[where] += part.length;
    this.#chunks.push(part);
  }

  text(): string {
    const text = Buffer.concat(this.#chunks).toString('utf8').trimEnd();
    const more = this.#bytes - this.#kept.out - this.#kept.err;
    return more === 0 ? text : `${text} [and ${more} bytes more]`;
  }
}

function startError({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'not found: is the script there, and the program its first line (#!) names?';
  if (code === 'EACCES')
    return 'not allowed: chmod +x it, and see whether the directory forbids programs (noexec)';
  if (code === 'ENOEXEC') return 'not a program: its first line must name what runs it, like #!/bin/sh';
  return message;
}
