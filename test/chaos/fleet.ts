/**
 * The boards: one `shoal agent` process each, sealed, in a namespace of its own, with a state directory on a small file
 * system of its own (so that it can be full) and clocks that can be moved (shim.cjs). Runs the bundle with the
 * service unit's flags. A board whose process ended comes up again as under a service manager, which is the fleet's doing:
 * it tells who listens when a process has ended, and what it thinks of it.
 *
 * Everything ends with this process, however that ends: agents by the kernel (setpriv --pdeathsig), the network and the
 * mounts by an exit handler, and what a SIGKILL leaves by the next fleet.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readUnit } from '../bench/agents.ts';
import { onEnd } from '../bench/cleanup.ts';
import { sleep, until } from '../bench/proc.ts';
import { checkTools, gossipOf, Lans, nodeNames, PATH, removeOldLans } from '../net/lans.ts';

const STATE_MB = 24;
export const READY_MS = 60_000;
const RESTART_MS = 1_000;
const FILLER = 'filler';

export interface Ready {
  readonly id: string;
  readonly socket: string;
}

export interface FleetEvents {
  /** A process has ended, wanted or not; its state directory is at rest until this returns. */
  ended(board: Board): void;
  ready(board: Board): void;
  /** Something that must not be. */
  violation(text: string): void;
  say(text: string): void;
}

export class Board {
  readonly name: string;
  readonly index: number;
  readonly dataDir: string;
  /** Null while no process runs that can serve. */
  ready: Ready | null = null;
  /** Its node id, once it was up. */
  id = '';
  process: ChildProcess | null = null;
  /** Processes started so far. */
  boots = 0;
  startedMs = 0;
  stopped = false;
  /** Its disk is full: it may then fail to start. */
  full = false;
  /** Meant to run: started again when it is not. */
  wanted = false;
  /** Something that was done to it by which others may take it for dead, last. */
  disturbedMs = 0;
  clock = { wallMs: 0, monotonicMs: 0 };

  constructor(name: string, index: number, dataDir: string) {
    this.name = name;
    this.index = index;
    this.dataDir = dataDir;
  }

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Serves, as far as this program knows. */
  get up(): boolean {
    return this.ready !== null;
  }
}

export class Fleet {
  readonly boards: readonly Board[];
  readonly lans: Lans;
  readonly dir: string;
  readonly #events: FleetEvents;
  readonly #unit: ReturnType<typeof readUnit>;
  readonly #removeNow: () => void;
  #closing = false;

  private constructor(dir: string, lans: Lans, names: readonly string[], events: FleetEvents) {
    this.dir = dir;
    this.lans = lans;
    this.#events = events;
    this.#unit = readUnit();
    this.boards = names.map((name, index) => new Board(name, index, join(dir, name)));
    this.#removeNow = onEnd(() => {
      for (const { process } of this.boards) process?.kill('SIGKILL');
      this.lans.downNow();
      unmount(dir);
      rmSync(dir, { recursive: true, force: true });
    });
  }

  /** Networks and directories; no process yet. Five of eight nodes are on LAN A. */
  static async up(nodes: number, events: FleetEvents): Promise<Fleet> {
    checkTools();
    const prefix = `shc-${process.pid}-`;
    removeOldDirectories();
    await removeOldLans(prefix, 'shc');
    const b = Math.floor((nodes * 3) / 8);
    const dir = mkdtempSync(join(tmpdir(), `shoal-chaos-${process.pid}-`));
    const fleet = new Fleet(dir, new Lans(prefix), nodeNames(nodes - b, b), events);
    mkdirSync(join(dir, 'logs'));
    // Nobody rebuilds it under us.
    copyFileSync(resolve('dist/shoal.cjs'), join(dir, 'shoal.cjs'));
    copyFileSync(resolve('test/chaos/shim.cjs'), join(dir, 'shim.cjs'));
    const key = spawnSync(process.execPath, [join(dir, 'shoal.cjs'), 'keygen'], { encoding: 'utf8' });
    writeFileSync(join(dir, 'key'), key.stdout);
    chmodSync(join(dir, 'key'), 0o600);
    await fleet.lans.net('up', nodes - b, b);
    for (const board of fleet.boards) mountSmall(board.dataDir);
    return fleet;
  }

  board(name: string): Board {
    const found = this.boards.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no board ${name}`);
    return found;
  }

  logPath(board: Board): string {
    return join(this.dir, 'logs', `${board.name}.log`);
  }

  /** From now on it is kept running. */
  want(board: Board): void {
    board.wanted = true;
    this.#start(board);
  }

  /** Ends the process; resolves when it is gone. It stays down until `want`. */
  async end(board: Board, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    board.wanted = false;
    const { process: child } = board;
    if (child === null) return;
    board.disturbedMs = performance.now();
    this.resume(board);
    child.kill(signal);
    await until(`${board.name} ends`, () => board.process !== child, 10_000, 5);
  }

  pause(board: Board): void {
    board.disturbedMs = performance.now();
    board.stopped = true;
    board.process?.kill('SIGSTOP');
  }

  resume(board: Board): void {
    if (!board.stopped) return;
    board.disturbedMs = performance.now();
    board.stopped = false;
    board.process?.kill('SIGCONT');
  }

  moveClock(board: Board, wallMs: number, monotonicMs: number): void {
    board.clock = { wallMs, monotonicMs: board.clock.monotonicMs + monotonicMs };
    writeFileSync(this.#clockPath(board), JSON.stringify(board.clock));
    // Before it is ready it may not listen yet, and the signal would end it; it reads the file at its start anyway.
    if (board.up) board.process?.kill('SIGUSR2');
  }

  fill(board: Board): void {
    board.full = true;
    const file = openSync(join(board.dataDir, FILLER), 'a');
    try {
      for (let size = 1 << 20; size > 0; size >>= 4) writeUntilFull(file, Buffer.alloc(size));
    } finally {
      closeSync(file);
    }
  }

  empty(board: Board): void {
    board.full = false;
    const filler = join(board.dataDir, FILLER);
    if (existsSync(filler)) unlinkSync(filler);
  }

  /** Resolves when all are up. */
  async allUp(withinMs: number): Promise<void> {
    const missing = (): string[] => this.boards.filter(({ up }) => !up).map(({ name }) => name);
    await until('all boards are up', () => missing().length === 0, withinMs).catch((error: Error) => {
      throw new Error(`${error.message} (missing: ${missing().join(' ')})`);
    });
  }

  /** Stops everything. With `keep` logs and state directories stay, and where is returned. */
  async close(keep: boolean): Promise<string | null> {
    this.#closing = true;
    await Promise.all(this.boards.map((board) => this.end(board, 'SIGKILL')));
    let kept: string | null = null;
    if (keep) {
      kept = mkdtempSync(join(tmpdir(), 'shoal-chaos-kept-'));
      cpSync(this.dir, kept, { recursive: true, filter: (path) => !/shoal\.(cjs|sock)$|filler$/.test(path) });
    }
    this.#removeNow();
    return kept;
  }

  #start(board: Board): void {
    if (board.process !== null || !board.wanted || this.#closing) return;
    const log = openSync(this.logPath(board), 'a');
    const logFrom = fstatSync(log).size;
    const child = spawn('setpriv', this.#command(board), {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.#unit.environment, PATH, CHAOS_CLOCK: this.#clockPath(board) },
    });
    closeSync(log);
    board.process = child;
    board.boots++;
    board.startedMs = performance.now();
    board.disturbedMs = board.startedMs;
    child.once('exit', (code, signal) => this.#onExit(board, code, signal));
    void this.#awaitReady(board, child, logFrom);
  }

  #command(board: Board): string[] {
    const { name, dataDir } = board;
    return [
      ...['--pdeathsig', 'KILL', '--', 'ip', 'netns', 'exec', `${this.lans.prefix}${name}`],
      ...[process.execPath, ...this.#unit.flags, '--require', join(this.dir, 'shim.cjs')],
      ...[
        join(this.dir, 'shoal.cjs'),
        'agent',
        '--config',
        '/dev/null',
        '--name',
        name,
        '--cluster',
        'chaos',
      ],
      ...[
        '--data-dir',
        dataDir,
        '--key-file',
        join(this.dir, 'key'),
        '--bind',
        gossipOf(name),
        '--no-http',
        '--no-resp',
      ],
      ...(name === 'b1' ? ['--join', gossipOf('a1')] : []),
    ];
  }

  async #awaitReady(board: Board, child: ChildProcess, logFrom: number): Promise<void> {
    const isReady = (): boolean => {
      if (board.process !== child) return true;
      const log = readFileSync(this.logPath(board)).toString('utf8', logFrom);
      const line = log.split('\n').find((one) => one.includes('"msg":"ready"') && one.endsWith('}'));
      if (line === undefined) return false;
      board.ready = JSON.parse(line) as Ready;
      board.id = board.ready.id;
      this.#events.ready(board);
      return true;
    };
    for (;;) {
      try {
        await until(`${board.name} is ready`, isReady, READY_MS, 20);
        return;
      } catch (error) {
        // A stopped process cannot get ready.
        if (!board.stopped && board.process === child)
          this.#events.violation(`start: ${(error as Error).message}`);
      }
    }
  }

  #onExit(board: Board, code: number | null, signal: NodeJS.Signals | null): void {
    board.process = null;
    board.ready = null;
    board.stopped = false;
    const how = signal ?? `code ${code}`;
    this.#events.say(`${board.name} has ended: ${how}`);
    const expected = board.wanted ? board.full : signal === 'SIGKILL' || code === 0 || board.full;
    if (!expected) this.#events.violation(`ended: ${board.name} has ended by ${how}: see its log`);
    this.#events.ended(board);
    if (board.wanted) void sleep(RESTART_MS).then(() => this.#start(board));
  }

  #clockPath({ name }: Board): string {
    return join(this.dir, `${name}.clock`);
  }
}

function mountSmall(directory: string): void {
  mkdirSync(directory);
  const options = `size=${STATE_MB}m,mode=0700`;
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'shoal-chaos', directory]);
  if (status !== 0) throw new Error(`mount of ${directory}: ${stderr}`);
}

function unmount(dir: string): void {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const path = line.split(' ')[1] ?? '';
    if (path.startsWith(`${dir}/`)) spawnSync('umount', ['-l', path]);
  }
}

function removeOldDirectories(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^shoal-chaos-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    unmount(join(tmpdir(), name));
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function writeUntilFull(file: number, block: Buffer): void {
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
