import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Address, ShoalError, systemReason } from '../base/index.ts';

/** The agent's `ready` line, as far as it is used here. */
export interface ReadyLine {
  readonly node: string;
  readonly id: string;
  readonly gossip: Address;
  readonly http: Address | null;
  readonly resp: Address | null;
  readonly socket: string;
}

export interface DevChildOptions {
  readonly name: string;
  /** The program whose first argument is `agent`: the bundle this process runs. */
  readonly program: string;
  readonly flags: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** A warning or an error of the child, one line. */
  readonly onComplaint: (line: string) => void;
}

/** pino's number for a warning. */
const WARN_LEVEL = 40;
const READY_TIMEOUT_MS = 30_000;

/**
 * One agent process of a dev group. It is in a session of its own, so that Ctrl-C at the terminal reaches only the
 * parent, who then stops each child once; and it has an IPC channel, whose end tells it that the parent is gone,
 * however that died.
 */
export class DevChild {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #onComplaint: (line: string) => void;
  #lastWords = '';
  #ended: string | null = null;
  readonly #exit: Promise<string>;
  readonly #ready: Promise<ReadyLine>;

  constructor(options: DevChildOptions) {
    this.name = options.name;
    this.#onComplaint = options.onComplaint;
    this.#process = spawn(
      process.execPath,
      [...process.execArgv, options.program, 'agent', ...options.flags],
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: options.env,
      },
    );
    this.#exit = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#ended = how;
        resolve(how);
      };
      this.#process.once('error', (error) => end(`could not be started: ${systemReason(error)}`));
      this.#process.once('exit', (code, signal) =>
        end(signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
    });
    this.#ready = this.#readOutput();
    // Whoever waits for it sees the failure; a group that is being stopped does not wait.
    this.#ready.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** How it ended, or null while it lives. */
  get ended(): string | null {
    return this.#ended;
  }

  /** Resolves, with how, when the process is gone. */
  get exit(): Promise<string> {
    return this.#exit;
  }

  /** @throws ShoalError `child-failed` with the child's own words when it ends or hangs before it is ready. */
  get ready(): Promise<ReadyLine> {
    return this.#ready;
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#ended === null) this.#process.kill(signal);
  }

  #readOutput(): Promise<ReadyLine> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new ShoalError(
            'child-failed',
            `${this.name} was not ready within ${READY_TIMEOUT_MS / 1000} s: is this machine very busy? Try again, or with fewer: --nodes N`,
          ),
        );
      }, READY_TIMEOUT_MS);
      const { stdout, stderr } = this.#process;
      if (stdout !== null) {
        createInterface({ input: stdout }).on('line', (line) => {
          const ready = this.#readLogLine(line);
          if (ready !== null) resolve(ready);
        });
      }
      if (stderr !== null) {
        createInterface({ input: stderr }).on('line', (line) => {
          this.#lastWords = line;
          this.#onComplaint(line);
        });
      }
      void this.#exit.then((how) => {
        clearTimeout(timer);
        const words = this.#lastWords === '' ? '' : `: ${this.#lastWords}`;
        reject(new ShoalError('child-failed', `${this.name} ended before it was ready (${how})${words}`));
      });
      this.#process.once(
        'spawn',
        () =>
          void this.#ready.then(
            () => clearTimeout(timer),
            () => {},
          ),
      );
    });
  }

  #readLogLine(line: string): ReadyLine | null {
    let record: { level?: unknown; msg?: unknown };
    try {
      record = JSON.parse(line);
    } catch {
      return null;
    }
    if (record === null || typeof record !== 'object') return null;
    if (record.msg === 'ready') return record as unknown as ReadyLine;
    if (Number(record.level) >= WARN_LEVEL) this.#onComplaint(String(record.msg));
    return null;
  }
}

/** This process's environment without what is meant for itself alone: settings, and the service manager's variables. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('SHOAL_') && !OWN_VARIABLES.has(name));
  return Object.fromEntries(kept);
}

const OWN_VARIABLES = new Set([
  'STATE_DIRECTORY',
  'RUNTIME_DIRECTORY',
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
]);
