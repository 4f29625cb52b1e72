import { writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';

/** How long a server's event loop and its memory management held everything else up, as it saw that itself. */
export interface Pauses {
  readonly longestMs: number;
  /** The longest but for the time when the thread could have run and another had the processor. */
  readonly longestOwnMs: number;
  readonly p999Ms: number;
  readonly longestGcMs: number;
}

/**
 * Loaded into the process before its own program, which need not know: a timer of one millisecond, and how late it comes.
 * What the kernel counts of the thread, in /proc, tells how much of a pause it was kept from the processor (not: how long the
 * hypervisor kept the processor). Answers on a Unix socket.
 */
const PRELOADED = (path: string): string => `
const { monitorEventLoopDelay, PerformanceObserver } = require('node:perf_hooks');
const { createServer } = require('node:net');
const { openSync, readSync } = require('node:fs');
const delay = monitorEventLoopDelay({ resolution: 1 });
let gcMs = 0;
const counts = openSync('/proc/' + process.pid + '/task/' + process.pid + '/schedstat', 'r');
const text = Buffer.alloc(100);
const keptMs = () => Number(text.latin1Slice(0, readSync(counts, text, 0, 100, 0)).split(' ')[1]) / 1e6;
let ownMs = 0;
let beforeMs = performance.now();
let keptBeforeMs = keptMs();
setInterval(() => {
  const nowMs = performance.now();
  const keptNowMs = keptMs();
  ownMs = Math.max(ownMs, nowMs - beforeMs - 1 - (keptNowMs - keptBeforeMs));
  beforeMs = nowMs;
  keptBeforeMs = keptNowMs;
}, 1).unref();
delay.enable();
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcMs = Math.max(gcMs, duration);
}).observe({ entryTypes: ['gc'] });
const late = (ns) => Math.max(0, ns / 1e6 - 1);
const answer = (socket) => {
  socket.on('error', () => {});
  socket.end(JSON.stringify({ longestMs: late(delay.max), longestOwnMs: ownMs, p999Ms: late(delay.percentile(99.9)), longestGcMs: gcMs }));
  delay.reset();
  gcMs = 0;
  ownMs = 0;
};
createServer(answer).listen(${JSON.stringify(path)}).unref();
`;

export class PauseMonitor {
  readonly #socket: string;
  /** For node, to have it in a process. */
  readonly nodeFlags: readonly string[];

  constructor(directory: string, name: string) {
    this.#socket = join(directory, `${name}.pauses`);
    const script = join(directory, `${name}-pauses.cjs`);
    writeFileSync(script, PRELOADED(this.#socket));
    this.nodeFlags = ['--require', script];
  }

  /** Since the last call. */
  read(): Promise<Pauses> {
    return new Promise((resolve, reject) => {
      let text = '';
      const socket = createConnection(this.#socket).setEncoding('utf8');
      socket.on('data', (piece) => {
        text += piece;
      });
      socket.once('error', reject);
      socket.once('end', () => resolve(JSON.parse(text) as Pauses));
    });
  }
}
