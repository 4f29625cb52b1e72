/**
 * A Debian that never saw shoal: mmdebstrap's essential packages from Debian's mirror, on a tmpfs in namespaces of their
 * own (mounts, processes, network with loopback only). All of it ends when this process does, however that is: the
 * namespaces' first process reads a pipe from here. There is no systemd in it; `systemctl` is a stand-in that does what
 * the unit says (test/package/systemctl).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { eventually } from '../e2e/harness.ts';

const TOOLS = { mmdebstrap: 'mmdebstrap', unshare: 'util-linux', nsenter: 'util-linux', ip: 'iproute2' };
export const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
const MIRROR = process.env.SHOAL_TEST_DEBIAN_MIRROR ?? 'http://deb.debian.org/debian';
/** Where Debian has a Node.js that is too old, so that the message and the way round it are tried too. */
const SUITE = 'bookworm';

export function has(tool: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${tool}`], { env: { ...process.env, PATH } }).status === 0;
}

/** False when the tests may be left out: not root, or tools missing, on somebody's own machine. In CI that is an error. */
export function canRun(tools: Readonly<Record<string, string>> = TOOLS): boolean {
  const missing = Object.entries(tools).filter(([tool]) => !has(tool));
  const why =
    process.getuid?.() !== 0
      ? 'it needs root'
      : missing.length > 0
        ? `it needs ${missing.map(([, name]) => name).join(', ')}: apt-get install`
        : null;
  if (why === null) return true;
  if (process.env.CI === 'true') throw new Error(`test/package: ${why}`);
  console.warn(`skipped: test/package: ${why}`);
  return false;
}

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; an error when it says no. */
export function must(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: { ...process.env, PATH, ...env },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr + stdout}`);
  return stdout;
}

export class CleanRoot {
  /** Where the tmpfs is mounted, for the processes inside. */
  readonly #directory = mkdtempSync(join(tmpdir(), 'shoal-root-'));
  readonly #root = join(this.#directory, 'root');
  #holder: ChildProcess | null = null;
  /** The first process inside. */
  #pid = 0;
  readonly #onExit = (): void => this.#remove();

  private constructor() {}

  /** Makes it: half a minute, most of it downloading and unpacking. */
  static async make(): Promise<CleanRoot> {
    const root = new CleanRoot();
    process.once('exit', root.#onExit);
    try {
      await root.#enter();
      const what = ['--variant=essential', '--include=libstdc++6', '--quiet', SUITE, root.#root, MIRROR];
      must('nsenter', ['-t', String(root.#pid), '-m', 'mmdebstrap', ...what], { TMPDIR: root.#directory });
      for (const directory of ['run/systemd/system', 'var/lib/private'])
        mkdirSync(join(root.path, directory), { recursive: true, mode: 0o700 });
      copyFileSync(join(import.meta.dirname, 'systemctl'), join(root.path, 'usr/bin/systemctl'));
      must('nsenter', [
        '-t',
        String(root.#pid),
        '-m',
        '-p',
        'mount',
        '-t',
        'proc',
        'proc',
        `${root.#root}/proc`,
      ]);
    } catch (error) {
      await root[Symbol.asyncDispose]();
      throw error;
    }
    return root;
  }

  /** Where it is, seen from outside. */
  get path(): string {
    return `/proc/${this.#pid}/root${this.#root}`;
  }

  /** Runs a command line in it. */
  run(command: string): Result {
    const inside = [
      '-t',
      String(this.#pid),
      '-m',
      '-n',
      '-p',
      'chroot',
      this.#root,
      '/bin/sh',
      '-c',
      command,
    ];
    const { status, stdout, stderr } = spawnSync('nsenter', inside, {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { code: status, stdout, stderr };
  }

  /** As run, and it must have succeeded; gives standard output. */
  ok(command: string): string {
    const { code, stdout, stderr } = this.run(command);
    if (code !== 0) throw new Error(`${command}: code ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  read(path: string): string {
    return readFileSync(join(this.path, path), 'utf8');
  }

  /** Puts packages into /root and gives their paths there. */
  bring(...files: readonly string[]): string {
    for (const file of files) copyFileSync(file, join(this.path, 'root', basename(file)));
    return files.map((file) => `/root/${basename(file)}`).join(' ');
  }

  /** What is on its disk, but for what dpkg knows and logs. */
  files(): string[] {
    const aside = ['/proc', '/sys', '/run', '/root', '/tmp', '/var/lib/dpkg', '/var/log', '/var/cache'];
    const prune = aside.map((path) => `-path ${path}`).join(' -o ');
    return this.ok(`find / \\( ${prune} \\) -prune -o -print`).split('\n').sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener('exit', this.#onExit);
    const holder = this.#holder;
    if (holder !== null && holder.exitCode === null) {
      const ended = new Promise((done) => holder.once('close', done));
      holder.kill('SIGKILL');
      await ended;
    }
    this.#remove();
  }

  async #enter(): Promise<void> {
    const mount = `mount -t tmpfs -o mode=755,size=2g shoal-root '${this.#directory}'`;
    const setup = `${mount} && ip link set lo up && echo in && exec cat`;
    const holder = spawn(
      'unshare',
      ['--mount', '--net', '--pid', '--fork', '--kill-child', 'sh', '-c', setup],
      { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, PATH } },
    );
    this.#holder = holder;
    let said = '';
    holder.stdout?.on('data', (chunk) => {
      said += chunk;
    });
    await eventually('the namespaces are there', () => said === 'in\n');
    const children = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8');
    this.#pid = Number(children.trim());
  }

  #remove(): void {
    this.#holder?.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
