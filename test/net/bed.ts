/**
 * Test bed: LANs, a router and faults of one Linux machine's network namespaces (testbed/netns.sh), with a real
 * `bin/shoal agent` in each node's namespace. Needs root, iproute2, iptables, nftables and python3.
 *
 * A bed owns what it makes. `await using` takes it down: processes, namespaces, directories. If the test process dies
 * first, agents end with their IPC channel, an exit handler takes the network down, and what a SIGKILL leaves is removed by
 * the next bed: names begin with `sn-<pid>-`, or with SHOAL_BED_PREFIX. The admin sockets are files, so that verbs
 * and calls reach every node from outside its namespace, whatever is done to its network.
 */
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Ended,
  eventually,
  logRecords,
  PROGRAM,
  type Ready,
  Running,
  TestAgent,
} from '../e2e/harness.ts';
import {
  addressOf,
  checkTools,
  GOSSIP_PORT,
  gossipOf,
  Lans,
  nodeNames,
  PATH,
  removeOldLans,
} from './lans.ts';

const READY_MS = 60_000;
export const CLUSTER = 'net';
export { addressOf, GOSSIP_PORT, gossipOf, nodeNames };

/**
 * False when the tests cannot run and may be left out: not root, on somebody's own machine. In CI that is an error, and
 * so are missing tools everywhere: root asked for these tests.
 */
export function canRun(): boolean {
  if (process.getuid?.() !== 0) {
    const message = 'test/net needs root (network namespaces): sudo npm run test:net';
    if (process.env.CI === 'true') throw new Error(message);
    console.warn(`skipped: ${message}`);
    return false;
  }
  checkTools();
  return true;
}

function agentEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) =>
      !name.startsWith('SHOAL_') && !['NOTIFY_SOCKET', 'STATE_DIRECTORY', 'RUNTIME_DIRECTORY'].includes(name),
  );
  return { ...Object.fromEntries(own), PATH };
}

export class Bed {
  readonly nodes: readonly string[];
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), `shoal-net-${process.pid}-`)));
  readonly prefix: string;
  readonly #lans: Lans;
  readonly #running = new Set<Running>();
  readonly #onExit = (): void => this.#downNow();

  private constructor(prefix: string, nodes: readonly string[]) {
    this.prefix = prefix;
    this.#lans = new Lans(prefix);
    this.nodes = nodes;
  }

  /** `a` nodes on LAN A; with `b` nodes on LAN B there is a router between. */
  static async up(a: number, b = 0): Promise<Bed> {
    const prefix = process.env.SHOAL_BED_PREFIX ?? `sn-${process.pid}-`;
    await removeLeftovers(prefix);
    const bed = new Bed(prefix, nodeNames(a, b));
    process.once('exit', bed.#onExit);
    try {
      await bed.net('up', a, b);
    } catch (error) {
      await bed[Symbol.asyncDispose]();
      throw new Error(`the test bed could not be built: ${(error as { stderr?: string }).stderr ?? error}`);
    }
    return bed;
  }

  /** A command of netns.sh: `loss a1 20`, `split 'a1 a2' 'a3'`, `heal`, ... */
  async net(...args: readonly (string | number)[]): Promise<void> {
    await this.#lans.net(...args);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Runs a program in a node's namespace to its end. */
  async inside(node: string, ...args: readonly string[]): Promise<Ended> {
    return await this.#spawn(node, args, false).ended;
  }

  /** Starts an agent on the node, with its state of before when there is any, and waits for its ready line. */
  async start(node: string, ...flags: readonly string[]): Promise<TestAgent> {
    const dataDir = this.path(node);
    const running = this.#spawn(
      node,
      [
        ...[
          process.execPath,
          PROGRAM,
          'agent',
          '--config',
          '/dev/null',
          '--name',
          node,
          '--cluster',
          CLUSTER,
        ],
        ...(flags.includes('--key-file') ? [] : ['--insecure']),
        ...['--data-dir', dataDir, '--bind', gossipOf(node), ...flags],
      ],
      true,
    );
    const ready = await Promise.race([
      eventually(
        `${node} is ready`,
        () => logRecords(running.lines).find(({ msg }) => msg === 'ready') as unknown as Ready | undefined,
        READY_MS,
      ),
      running.ended.then(({ code, stderr, stdout }) => {
        throw new Error(`${node} ended with code ${code} before it was ready: ${stderr}${stdout}`);
      }),
    ]);
    return new TestAgent(node, running, dataDir, ready);
  }

  /** Starts agents on all nodes; the first of LAN B is told of a1, the others find theirs by multicast. */
  async startAll(): Promise<TestAgent[]> {
    return await Promise.all(
      this.nodes.map((node) => this.start(node, ...(node === 'b1' ? ['--join', gossipOf('a1')] : []))),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener('exit', this.#onExit);
    for (const running of this.#running) if (running.alive) running.kill('SIGKILL');
    await Promise.all([...this.#running].map(({ ended }) => ended.catch(() => {})));
    await this.net('down');
    rmSync(this.dir, { recursive: true, force: true });
  }

  #spawn(node: string, args: readonly string[], ipc: boolean): Running {
    // `ip netns exec` becomes the program, so the pid and the channel are the program's.
    const command = ['ip', 'netns', 'exec', `${this.prefix}${node}`, ...args];
    const running = new Running(command, agentEnvironment(), ipc);
    this.#running.add(running);
    return running;
  }

  #downNow(): void {
    for (const running of this.#running) if (running.alive) running.kill('SIGKILL');
    this.#lans.downNow();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Namespaces of this prefix, and namespaces and directories of test processes that are no more. */
async function removeLeftovers(prefix: string): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^shoal-net-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
  await removeOldLans(prefix, 'sn');
}

/** One agent's `/metrics`, by `name` or `name{label="value"}`, over the Unix socket. */
export function metrics(agent: TestAgent): Promise<ReadonlyMap<string, number>> {
  return new Promise((done, fail) => {
    const call = request({ socketPath: agent.ready.socket, path: '/metrics', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', fail);
      response.on('end', () => {
        const samples = new Map<string, number>();
        for (const line of text.split('\n')) {
          const [, name, value] = /^(\S+) (\S+)$/.exec(line) ?? [];
          if (name !== undefined) samples.set(name, Number(value));
        }
        done(samples);
      });
    });
    call.on('error', fail);
    call.setTimeout(10_000, () => call.destroy(new Error(`${agent.name}: /metrics: no answer`)));
    call.end();
  });
}

/** Short names of the figures the tests look at, as Prometheus has them. */
export const METRIC = {
  multicasts: 'shoal_messages_sent_total{kind="multicast"}',
  trees: 'shoal_messages_sent_total{kind="tree"}',
  lists: 'shoal_messages_sent_total{kind="list"}',
  retries: 'shoal_broadcast_total{what="retries"}',
  takeovers: 'shoal_broadcast_total{what="takeovers"}',
  originated: 'shoal_broadcast_total{what="originated"}',
  pushes: 'shoal_node_total{what="pushes"}',
  repairs: 'shoal_messages_sent_total{kind="repair"}',
  sessions: 'shoal_sessions_total{what="called"}',
  datagrams: 'shoal_sent_datagrams_total{via="unicast"}',
  sendErrors: 'shoal_socket_dropped_total{reason="send-error"}',
} as const;
export type Figures = Record<keyof typeof METRIC, number>;

/** The figures summed over agents. */
export async function figures(agents: readonly TestAgent[]): Promise<Figures> {
  const all = await Promise.all(agents.map(metrics));
  const sum = (name: string): number => {
    for (const one of all) if (!one.has(name)) throw new Error(`no metric ${name}`);
    return all.reduce((total, one) => total + (one.get(name) ?? 0), 0);
  };
  return Object.fromEntries(Object.entries(METRIC).map(([key, name]) => [key, sum(name)])) as Figures;
}

export function since(before: Figures, after: Figures): Figures {
  return Object.fromEntries(
    Object.entries(after).map(([key, value]) => [key, value - before[key as keyof Figures]]),
  ) as Figures;
}
