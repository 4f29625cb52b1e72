import { mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ShoalError, systemReason } from '../base/index.ts';
import { makeDirectory } from '../io/index.ts';
import type { EventView } from '../node/contract.ts';
import type { DevChild } from './dev-child.ts';
import {
  askAgreement,
  type DevNode,
  groupTable,
  hex,
  joinByAddress,
  memberNames,
  startChildren,
} from './dev-group.ts';
import { followEvents } from './socket-client.ts';

export interface DevOptions {
  /** How many nodes; 1 to 64. Default 5. */
  readonly nodes?: number;
  /** Keeps the state here, and takes it up again; else a temporary directory, removed at the end. */
  readonly keep?: string | null;
  /** The program that runs an agent when its first argument is `agent`; default the one that runs now. */
  readonly program?: string;
  readonly out?: (line: string) => void;
  readonly err?: (line: string) => void;
}

const MAX_NODES = 64;
const POLL_MS = 50;
/** Multicast on loopback takes a fraction of a second; where it does not get through, addresses do. */
const JOIN_AFTER_MS = 5_000;
const AGREE_TIMEOUT_MS = 60_000;
const SAME_SIGNAL_MS = 500;
/** An agent ends within 2 s of SIGTERM; on a loaded machine a little more. */
const STOP_TIMEOUT_MS = 5_000;

/**
 * Runs a local group until SIGINT, SIGTERM or SIGHUP, and leaves no process and, without `keep`, no file behind.
 * Resolves with the exit code.
 * @throws ShoalError `bad-nodes`, `directory-unusable`, `child-failed`.
 */
export async function runDev(options: DevOptions = {}): Promise<number> {
  const count = options.nodes ?? 5;
  if (!Number.isInteger(count) || count < 1 || count > MAX_NODES) {
    throw new ShoalError('bad-nodes', `nodes: write a whole number from 1 to ${MAX_NODES}`, 'nodes');
  }
  const run = new DevRun(options, await openDirectory(options.keep ?? null));
  return await run.run(count);
}

async function openDirectory(keep: string | null): Promise<string> {
  if (keep === null) return openTemporary();
  try {
    await makeDirectory(keep);
    const directory = realpathSync(keep);
    if (statSync(directory).isDirectory()) return directory;
  } catch (error) {
    throw unusable(`${keep} cannot be made or used (${systemReason(error)}): give --keep another directory`);
  }
  throw unusable(`${keep} is a file: give --keep a directory`);
}

function openTemporary(): string {
  try {
    return realpathSync(mkdtempSync(join(tmpdir(), 'shoal-dev-')));
  } catch (error) {
    const why = systemReason(error);
    throw unusable(`nothing can be written in ${tmpdir()} (${why}): set TMPDIR, or give --keep DIR`);
  }
}

function unusable(message: string): ShoalError {
  return new ShoalError('directory-unusable', message, 'keep');
}

class DevRun {
  readonly #options: DevOptions;
  readonly #directory: string;
  readonly #out: (line: string) => void;
  readonly #err: (line: string) => void;
  #children: DevChild[] = [];
  #names = new Map<string, string>();
  /** Set by the first signal. */
  #stopping = false;
  #stop: () => void = () => {};
  #unfollow: () => void = () => {};

  constructor(options: DevOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    this.#out = options.out ?? ((line) => void process.stdout.write(`${line}\n`));
    this.#err = options.err ?? ((line) => void process.stderr.write(`${line}\n`));
  }

  async run(count: number): Promise<number> {
    const stopped = new Promise<'stopped'>((resolve) => {
      this.#stop = () => resolve('stopped');
    });
    const restoreSignals = this.#onSignals();
    try {
      const started = this.#start(count);
      // When a signal comes first, what is left of the start fails as the children end; nobody waits for it.
      started.catch(() => {});
      const nodes = await Promise.race([started, stopped]);
      if (nodes === 'stopped') return 0;
      this.#follow(nodes, 0);
      return (await Promise.race([stopped, this.#allEnded()])) === 'stopped' ? 0 : 1;
    } finally {
      this.#stopping = true;
      this.#unfollow();
      await this.#stopChildren();
      if ((this.#options.keep ?? null) === null) rmSync(this.#directory, { recursive: true, force: true });
      restoreSignals();
    }
  }

  /** The first signal stops the group; the second kills it. */
  #onSignals(): () => void {
    let firstMs = Infinity;
    const onSignal = (): void => {
      const nowMs = performance.now();
      firstMs = Math.min(firstMs, nowMs);
      // A runner like npm may hand on the Ctrl-C that the terminal has delivered already.
      if (nowMs - firstMs > SAME_SIGNAL_MS) for (const child of this.#children) child.kill('SIGKILL');
      this.#stopping = true;
      this.#stop();
    };
    // A reader that went away (`shoal dev | head`) ends the group like Ctrl-C.
    const onPipe = (error: NodeJS.ErrnoException): void => {
      if (error.code !== 'EPIPE') throw error;
      if (!this.#stopping) onSignal();
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
    process.stdout.on('error', onPipe);
    return () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      process.stdout.off('error', onPipe);
    };
  }

  async #start(count: number): Promise<DevNode[]> {
    const program = this.#options.program ?? process.argv[1] ?? '';
    this.#children = startChildren({ count, directory: this.#directory, program }, (name, line) => {
      if (!this.#stopping) this.#err(`${name}: ${line}`);
    });
    const nodes = await Promise.all(
      this.#children.map(async (child) => ({ child, ready: await child.ready })),
    );
    for (const child of this.#children) {
      void child.exit.then((how) => {
        if (!this.#stopping) this.#err(`${child.name} (pid ${child.pid}) ended: ${how}`);
      });
    }
    await this.#agree(nodes);
    if (this.#stopping) return nodes;
    for (const line of await groupTable(nodes)) this.#out(line);
    const page = nodes[0]?.ready.http ?? null;
    this.#out('');
    if (page !== null) this.#out(`status page: http://${page}/`);
    this.#out(`state: ${this.#directory}${this.#options.keep ? '' : ' (removed at the end)'}`);
    const socket = nodes[0]?.ready.socket;
    if (socket !== undefined) {
      this.#out('to use the verbs, in another terminal:');
      this.#out(`  export SHOAL_SOCKET=${shellWord(socket)}`);
    }
    this.#out('events follow; Ctrl-C ends the group');
    return nodes;
  }

  /** Waits until every node lists every node and all digests are the same, and says how far that is. */
  async #agree(nodes: readonly DevNode[]): Promise<void> {
    const sinceMs = performance.now();
    let joined = false;
    let told = '';
    while (!this.#stopping) {
      const { complete, digests, digest, agreed } = await askAgreement(nodes);
      const tookMs = performance.now() - sinceMs;
      if (agreed) {
        this.#out(`${nodes.length} nodes list ${nodes.length} and agree on digest ${digest}`);
        return;
      }
      const progress = `${complete} of ${nodes.length} nodes list all ${nodes.length}, digests: ${digests}`;
      if (progress !== told) this.#out(progress);
      told = progress;
      if (!joined && tookMs > JOIN_AFTER_MS) {
        joined = true;
        this.#err('multicast on loopback does not get through on this machine; joining by address');
        await joinByAddress(nodes);
      }
      if (tookMs > AGREE_TIMEOUT_MS) {
        this.#err(`no agreement after ${AGREE_TIMEOUT_MS / 1000} s; going on, see the status page`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Streams the events of the first node that lives, from `index` on; of the next one when that ends. */
  #follow(nodes: readonly DevNode[], index: number): void {
    const node = nodes[index];
    if (node === undefined || this.#stopping) return;
    const { socket } = node.ready;
    const next = (): void => this.#follow(nodes, index + 1);
    if (node.child.ended !== null) {
      next();
      return;
    }
    memberNames(socket).then(
      (names) => {
        this.#names = names;
      },
      () => {},
    );
    this.#unfollow = followEvents(socket, (event) => this.#print(event as EventView), next);
  }

  #print(event: EventView): void {
    if (event.type === 'member-join') this.#names.set(event.subject, event.name);
    this.#out(eventLine(event, (id) => this.#names.get(id) ?? id));
  }

  async #allEnded(): Promise<'all-ended'> {
    await Promise.all(this.#children.map((child) => child.exit));
    if (!this.#stopping) this.#err('every node has ended');
    return 'all-ended';
  }

  async #stopChildren(): Promise<void> {
    for (const child of this.#children) child.kill('SIGTERM');
    const timer = setTimeout(() => {
      for (const child of this.#children) {
        if (child.ended === null) this.#err(`${child.name} does not end: killed`);
        child.kill('SIGKILL');
      }
    }, STOP_TIMEOUT_MS);
    await Promise.all(this.#children.map((child) => child.exit));
    clearTimeout(timer);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** As a shell takes it for one word. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** `03:24:45.123  range-priority    node-2  0x00000000-0x3fffffff:4  by node-1` */
export function eventLine(event: EventView, nameOf: (id: string) => string): string {
  const parts = [event.time.slice(11, 23), event.type.padEnd(16), event.name];
  const { range, member } = event;
  if (range !== undefined) {
    const priority = range.priority === null ? '' : `:${range.priority}`;
    parts.push(`${hex(range.start)}-${hex(range.end)}${priority}`);
  }
  if (member !== undefined) parts.push(`${member.address} incarnation ${member.incarnation}`);
  if (event.origin !== null && event.origin !== event.subject) parts.push(`by ${nameOf(event.origin)}`);
  return parts.join('  ');
}
