/**
 * The groups that `spread` and `detect` measure: shoal with multicast, shoal by the tree alone, serf; all asked the same
 * questions. Nodes can be killed, told to leave, and started again with their state; the first one stays, for it is the
 * others' contact.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createConnection } from 'node:net';
import { type Agent, Agents, agree } from './agents.ts';
import { BenchError } from './args.ts';
import { onEnd } from './cleanup.ts';
import { Namespace } from './netns.ts';
import { Pipe } from './pipe.ts';
import { until } from './proc.ts';
import { SerfRpc } from './serf-rpc.ts';
import { Tap } from './tap.ts';

export interface Group {
  readonly pids: readonly number[];
  /** Null: without rights for a namespace traffic is not counted. */
  readonly namespace: Namespace | null;
  /** One per node, each on a connection of its own. */
  readonly taps: readonly Tap[];
  /** What the streams will show of the change `serial`. */
  textOf(serial: number): string;
  /** What every stream shows of each event about a node's membership (a group that watches members). */
  subjectOf(node: number): string;
  /** True when no node finds itself in trouble, as all do when 64 processes start on one machine. */
  atRest(): Promise<boolean>;
  /** As kill -9. */
  kill(node: number): void;
  /** Tells a node to leave, connected before; resolves when that is accepted. */
  prepareLeave(node: number): Promise<() => Promise<void>>;
  /** Starts a node that ended, with its state and a stream of its own. */
  restart(node: number): Promise<void>;
  /** Connects for the next change, untimed: serf keeps its connection, shoal's is closed when it idles. */
  prepare(node: number): Promise<void>;
  /** Makes a change on the node prepared; resolves when it is accepted. */
  change(node: number, serial: number): Promise<void>;
  stop(): Promise<void>;
}

export const SYSTEMS = ['serf', 'shoal-multicast', 'shoal-tree'] as const;
export type System = (typeof SYSTEMS)[number];

const FORM_MS = 90_000;

/** What the streams carry: changes of the map (user events), or members that come and go. */
export type Watch = 'changes' | 'members';
const STREAM_TYPES = {
  changes: { shoal: 'type=range-registered', serf: 'user' },
  members: {
    shoal: 'type=member-join&type=member-down&type=member-leave',
    serf: 'member-join,member-failed,member-leave',
  },
} as const;

export function startGroup(system: System, size: number, watch: Watch = 'changes'): Promise<Group> {
  return system === 'serf' ? startSerf(size, watch) : startShoal(size, system === 'shoal-multicast', watch);
}

async function startShoal(size: number, multicast: boolean, watch: Watch): Promise<Group> {
  const namespace = Namespace.make();
  const agents = new Agents();
  const address = multicast ? agents.multicast() : null;
  const first = agents.spawn({ name: 'n0', multicast: address, namespace });
  const { gossip } = await first.ready;
  const all: Agent[] = [first];
  const join = multicast ? [] : ['--join', gossip];
  for (let i = 1; i < size; i++) {
    all.push(agents.spawn({ name: `n${i}`, multicast: address, namespace, flags: join }));
    // Not all at once: this machine would be measured, not the group.
    if (i % 4 === 0) await Promise.all(all.map(({ ready }) => ready));
  }
  await Promise.all(all.map(({ ready }) => ready));
  await until(`${size} shoal agents agree`, () => agree(all), FORM_MS, 250);
  let pipe: Pipe | null = null;
  const ids = (await Promise.all(all.map(({ ready }) => ready))).map(({ id }) => id);
  const types = STREAM_TYPES[watch].shoal;
  const taps = await Promise.all(all.map(({ socket }) => eventTap(socket, types)));
  return {
    get pids() {
      return all.map(({ pid }) => pid);
    },
    namespace,
    taps,
    textOf: (serial) => `"start":${serial * 1000},`,
    subjectOf: (node) => `"subject":"${ids[node]}"`,
    atRest: async () => {
      const ask = (agent: Agent) => agent.ask<{ health: { score: number } }>('/v1/status');
      return (await Promise.all(all.map(ask))).every(({ health }) => health.score === 0);
    },
    kill: (node) => (all[node] as Agent).kill('SIGKILL'),
    prepareLeave: async (node) => {
      const leaver = new Pipe((all[node] as Agent).socket);
      await leaver.connected;
      return async () => {
        const { status } = await leaver.call('POST', '/v1/leave', {});
        if (status !== 200) throw new Error(`POST /v1/leave: ${status}`);
      };
    },
    restart: async (node) => {
      await (all[node] as Agent).ended;
      const agent = agents.spawn({ name: `n${node}`, multicast: address, namespace, flags: join });
      all[node] = agent;
      await agent.ready;
      taps[node] = await eventTap(agent.socket, types);
    },
    prepare: async (node) => {
      pipe?.close();
      pipe = new Pipe((all[node] as Agent).socket);
      await pipe.connected;
    },
    change: async (_node, serial) => {
      const start = serial * 1000;
      const { status, json } = await (pipe as Pipe).call('PUT', '/v1/ranges', {
        start,
        end: start + 999,
        priority: 1,
      });
      if (status !== 200) throw new Error(`PUT /v1/ranges: ${status} ${JSON.stringify(json)}`);
    },
    stop: async () => {
      pipe?.close();
      await agents.stopAll();
      agents.remove();
      namespace?.remove();
    },
  };
}

function eventTap(path: string, types: string): Promise<Tap> {
  const socket = createConnection(path);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(new Tap(socket));
    });
    socket.write(`GET /v1/events?${types} HTTP/1.1\r\nHost: shoal\r\n\r\n`);
  });
}

async function startSerf(size: number, watch: Watch): Promise<Group> {
  needSerf();
  const namespace = Namespace.make();
  if (namespace?.link() === false) throw new Error('the interface to ask serf on could not be made');
  const host = namespace === null ? '127.0.0.1' : namespace.address;
  const processes: ChildProcess[] = [];
  const remove = onEnd(() => {
    for (const process of processes) process.kill('SIGKILL');
  });
  const rpcPort = (i: number): number => 31_000 + i;
  const start = (i: number): ChildProcess => {
    const join = i === 0 ? [] : ['-retry-join=127.0.0.1:30000', '-retry-interval=1s'];
    const args = [
      ...['agent', `-node=n${i}`, '-profile=lan', `-bind=127.0.0.1:${30_000 + i}`, '-log-level=err'],
      ...[`-rpc-addr=${host}:${rpcPort(i)}`, ...join],
    ];
    const [program, ...rest] = [...(namespace?.prefix ?? []), 'serf', ...args] as [string, ...string[]];
    return spawn(program, rest, { stdio: 'ignore' });
  };
  for (let i = 0; i < size; i++) processes.push(start(i));
  const rpcs: SerfRpc[] = [];
  const connect = (i: number): Promise<void> =>
    until(
      `serf agent ${i} answers`,
      async () => {
        rpcs[i] = await SerfRpc.open(host, rpcPort(i));
        return true;
      },
      FORM_MS,
      50,
    );
  for (let i = 0; i < size; i++) await connect(i);
  const formed = async (): Promise<boolean> =>
    (await Promise.all(rpcs.map((rpc) => rpc.aliveMembers()))).every((count) => count === size);
  await until(`${size} serf agents agree`, formed, FORM_MS, 500);
  const streams: SerfRpc[] = [];
  const listen = async (i: number): Promise<Tap> => {
    const stream = await SerfRpc.open(host, rpcPort(i));
    await stream.stream(STREAM_TYPES[watch].serf);
    streams[i] = stream;
    return new Tap(stream.socket);
  };
  const taps = await Promise.all(rpcs.map((_, i) => listen(i)));
  return {
    get pids() {
      return processes.map(({ pid }) => pid ?? 0);
    },
    namespace,
    taps,
    textOf: (serial) => `change-${serial}-`,
    // As msgpack has it, with the length of the name.
    subjectOf: (node) => `Name${String.fromCharCode(0xa0 + `n${node}`.length)}n${node}`,
    // serf has such a score too, and does not tell it.
    atRest: async () => true,
    kill: (node) => (processes[node] as ChildProcess).kill('SIGKILL'),
    prepareLeave: async (node) => () => (rpcs[node] as SerfRpc).leave(),
    restart: async (node) => {
      const before = processes[node] as ChildProcess;
      await until(
        `serf agent ${node} ended`,
        () => before.exitCode !== null || before.signalCode !== null,
        FORM_MS,
      );
      processes[node] = start(node);
      await connect(node);
      taps[node] = await listen(node);
    },
    prepare: async () => {},
    change: (node, serial) => (rpcs[node] as SerfRpc).event(`change-${serial}-`),
    stop: async () => {
      const running = processes.filter(
        ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
      );
      const ended = running.map((process) => new Promise((resolve) => process.once('exit', resolve)));
      for (const rpc of [...rpcs, ...streams]) rpc.socket.destroy();
      remove();
      await Promise.all(ended);
      namespace?.remove();
    },
  };
}

function needSerf(): void {
  if (spawnSync('serf', ['version']).status === 0) return;
  if (process.getuid?.() === 0) {
    console.log('serf is not installed: apt-get install serf');
    spawnSync('apt-get', ['install', '-y', '-q', 'serf'], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (spawnSync('serf', ['version']).status === 0) return;
  }
  throw new BenchError(
    "serf is not installed: 'apt-get install serf' as root, or leave it out by --systems shoal-multicast,shoal-tree",
  );
}
