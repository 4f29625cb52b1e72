import { execFile } from 'node:child_process';

/** What the notifier asks of its surroundings; tests pass their own. */
export interface ServiceSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** Runs `systemd-notify` with these arguments; calls back with an error or null. */
  readonly notify: (args: readonly string[], done: (error: Error | null) => void) => void;
  readonly onFailure: (error: Error) => void;
}

/** systemd-notify takes about 10 ms; one that takes this long is stuck. */
const NOTIFY_TIMEOUT_MS = 5_000;

/**
 * Tells the service manager how the agent is, through the `systemd-notify` program: the datagram itself needs a Unix
 * datagram socket, which Node.js does not have, and an add-on would need a compiler on the board. Does nothing when
 * NOTIFY_SOCKET is not set. The watchdog message is sent from the event loop, so a loop that hangs stops sending it
 * and the service manager restarts the agent.
 */
export class ServiceNotifier {
  readonly #around: ServiceSurroundings;
  readonly #enabled: boolean;
  #timer: NodeJS.Timeout | undefined;
  /** Set while a call is out, so that a slow service manager does not pile up processes. */
  #watchdogUnderWay = false;
  #failed = false;

  constructor(around: ServiceSurroundings) {
    this.#around = around;
    this.#enabled = (around.env.NOTIFY_SOCKET ?? '') !== '';
  }

  ready(): void {
    if (!this.#enabled) return;
    this.#send(['READY=1', `MAINPID=${this.#around.pid}`]);
    const period = watchdogPeriodMs(this.#around.env, this.#around.pid);
    if (period === null) return;
    this.#timer = setInterval(() => this.#watchdog(), period);
    this.#timer.unref();
  }

  reloading(): void {
    if (this.#enabled) this.#send(['READY=1', 'STATUS=settings reloaded']);
  }

  stopping(): void {
    if (!this.#enabled) return;
    clearInterval(this.#timer);
    this.#send(['STOPPING=1']);
  }

  #watchdog(): void {
    if (this.#watchdogUnderWay) return;
    this.#watchdogUnderWay = true;
    this.#send(['WATCHDOG=1'], () => {
      this.#watchdogUnderWay = false;
    });
  }

  #send(args: readonly string[], done: () => void = () => {}): void {
    this.#around.notify(args, (error) => {
      done();
      // Once: the cause (no such program, a closed socket) stays, and the watchdog would repeat it for ever.
      if (error !== null && !this.#failed) {
        this.#failed = true;
        this.#around.onFailure(error);
      }
    });
  }
}

/** A third of WATCHDOG_USEC, or null when the service manager does not watch this process. */
export function watchdogPeriodMs(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | null {
  const text = env.WATCHDOG_USEC ?? '';
  if (!/^[0-9]{1,15}$/.test(text) || Number(text) === 0) return null;
  if (env.WATCHDOG_PID !== undefined && env.WATCHDOG_PID !== '' && env.WATCHDOG_PID !== String(pid))
    return null;
  // setInterval takes at most 2^31 - 1 ms and treats more as 1.
  return Math.min(Math.max(Math.floor(Number(text) / 3000), 1), 0x7fffffff);
}

export function processServiceNotifier(onFailure: (error: Error) => void): ServiceNotifier {
  return new ServiceNotifier({
    env: process.env,
    pid: process.pid,
    notify: (args, done) => {
      execFile('systemd-notify', [...args], { timeout: NOTIFY_TIMEOUT_MS }, (error) => done(error));
    },
    onFailure,
  });
}
