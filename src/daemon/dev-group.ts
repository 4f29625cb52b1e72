import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { MemberView, RangeView, StatusView } from '../node/contract.ts';
import { childEnvironment, DevChild, type ReadyLine } from './dev-child.ts';
import { callSocket } from './socket-client.ts';

/** A child that answered `ready`. */
export interface DevNode {
  readonly child: DevChild;
  readonly ready: ReadyLine;
}

export interface DevGroupPlan {
  readonly count: number;
  /** Each node's state directory is made below it. */
  readonly directory: string;
  readonly program: string;
}

const KEY_SPACE = 2 ** 32;

/** Node `index`'s share when the key space is cut into `count` equal ones. */
export function equalShare(index: number, count: number): { start: number; end: number } {
  return {
    start: Math.floor((index * KEY_SPACE) / count),
    end: Math.floor(((index + 1) * KEY_SPACE) / count) - 1,
  };
}

/**
 * Cluster name and multicast group of the group in a directory: the same whenever it is started again, and others than
 * those of any other directory, so that two groups on one machine do not meet. Ports stay below the range from which
 * the kernel picks for others.
 */
export function devNetwork(directory: string): { cluster: string; multicast: string } {
  const hash = createHash('sha256').update(directory).digest();
  const group = `239.77.${hash.readUInt8(0)}.${1 + (hash.readUInt8(1) % 254)}`;
  return {
    cluster: `dev-${hash.toString('hex', 8, 14)}`,
    multicast: `${group}:${20_000 + (hash.readUInt16BE(2) % 10_000)}`,
  };
}

/** Starts every process of the group; none is waited for. */
export function startChildren(
  plan: DevGroupPlan,
  onComplaint: (name: string, line: string) => void,
): DevChild[] {
  const { cluster, multicast } = devNetwork(plan.directory);
  const env = childEnvironment(process.env);
  return Array.from({ length: plan.count }, (_, index) => {
    const name = `node-${index + 1}`;
    const { start, end } = equalShare(index, plan.count);
    // Not the file of an agent installed on this machine.
    const settings = { config: '/dev/null', name, cluster, 'data-dir': join(plan.directory, name) };
    const network = { bind: '127.0.0.1:0', interface: '127.0.0.1', multicast, 'multicast-ttl': '0' };
    const ports = { http: '127.0.0.1:0', resp: '127.0.0.1:0', proxy: '127.0.0.1:0' };
    const flags = Object.entries({ ...settings, ...network, ...ports, range: `${start}-${end}` });
    return new DevChild({
      name,
      program: plan.program,
      flags: flags.map(([flag, value]) => `--${flag}=${value}`),
      env,
      onComplaint: (line) => onComplaint(name, line),
    });
  });
}

/** How far the group agrees. */
export interface Agreement {
  /** Nodes that list every node alive. */
  readonly complete: number;
  readonly digests: number;
  readonly digest: string;
  readonly agreed: boolean;
}

/** Asks every node whom it lists and what its digest is. A node that does not answer lists nobody. */
export async function askAgreement(nodes: readonly DevNode[]): Promise<Agreement> {
  const statuses = await Promise.all(
    nodes.map(({ ready }) => callSocket<StatusView>(ready.socket, 'GET', '/v1/status').catch(() => null)),
  );
  const digests = new Set(statuses.map((status) => status?.digest ?? 'none'));
  const complete = statuses.filter(
    (status) =>
      status !== null && status.members.alive >= nodes.length && status.ranges.registrations >= nodes.length,
  ).length;
  return {
    complete,
    digests: digests.size,
    digest: statuses[0]?.digest ?? '',
    agreed: complete === nodes.length && digests.size === 1,
  };
}

/** Joins every node to the first by address. */
export async function joinByAddress(nodes: readonly DevNode[]): Promise<void> {
  const [first, ...others] = nodes;
  if (first === undefined) return;
  const body = { addresses: [first.ready.gossip] };
  await Promise.all(
    others.map(({ ready }) => callSocket(ready.socket, 'POST', '/v1/join', body).catch(() => null)),
  );
}

/** The group as people see it: one row a node. */
export async function groupTable(nodes: readonly DevNode[]): Promise<string[]> {
  const rows = await Promise.all(
    nodes.map(async ({ child, ready }) => {
      const own = `/v1/ranges?node=${ready.id}`;
      const { ranges } = await callSocket<{ ranges: RangeView[] }>(ready.socket, 'GET', own);
      const http = ready.http === null ? '-' : `http://${ready.http}`;
      return [child.name, String(child.pid), http, ready.resp ?? '-', ranges.map(rangeText).join(' ')];
    }),
  );
  return alignColumns([['NAME', 'PID', 'HTTP', 'RESP', 'RANGES'], ...rows]);
}

function rangeText({ start, end, priority }: RangeView): string {
  return `${hex(start)}-${hex(end)}:${priority}`;
}

export function hex(position: number): string {
  return `0x${position.toString(16).padStart(8, '0')}`;
}

export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Names by id, for the event lines. */
export async function memberNames(socket: string): Promise<Map<string, string>> {
  const { members } = await callSocket<{ members: MemberView[] }>(socket, 'GET', '/v1/members');
  return new Map(members.map(({ id, name }) => [id, name]));
}
