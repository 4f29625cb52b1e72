import type { NodeId } from '../../base/index.ts';
import { SLOT_COUNT, slotRange } from '../../ranges/index.ts';
import { Walk } from '../../store/index.ts';
import type { Call } from '../call.ts';
import type { Command } from '../command.ts';
import type { Peer } from '../peers.ts';
import { ROLE } from '../role.ts';
import { GroupRouter } from '../routing.ts';
import { entries } from './entry.ts';
import { NOT_INTEGER } from './errors.ts';
import { container } from './help.ts';
import { keysOfSlot } from './scan-disk.ts';

const DISABLED = 'ERR This instance has cluster support disabled';
const NOT_BY_HAND =
  'ERR slots follow the registrations of ranges, which nodes make and `shoal register` and `shoal release` change';
const INVALID_SLOT = 'ERR Invalid slot';
/** Keys that one GETKEYSINSLOT gives at most. */
const MAX_KEYS = 1_000_000;

/** A node's id as Redis shows one: 40 hex digits. */
export function shownId(id: NodeId): string {
  return id.padEnd(40, '0');
}

/** A shard as clients know it: a node with the slots it is the first owner of, as pairs. One copy: there are no replicas. */
interface Shard {
  readonly peer: Peer;
  readonly slots: number[];
}

/** Runs of slots with who is shown for them; not those of nodes that cannot be reached from here, wherever they are. */
function shownRuns(router: GroupRouter): { start: number; end: number; peer: Peer }[] {
  return router.slots.runs().flatMap(({ start, end, server }) => {
    const peer = router.peers.get(server);
    return peer === undefined || peer.address === null ? [] : [{ start, end, peer }];
  });
}

/** Nodes with a store that can be reached from here, by id: the live ones, without slots as well, and the absent with slots. */
function shardsOf(router: GroupRouter): Shard[] {
  const shards = new Map<NodeId, Shard>();
  for (const peer of router.peers.serving())
    if (peer.address !== null) shards.set(peer.id, { peer, slots: [] });
  for (const { start, end, peer } of shownRuns(router)) {
    const shard = shards.get(peer.id);
    if (shard === undefined) shards.set(peer.id, { peer, slots: [start, end] });
    else shard.slots.push(start, end);
  }
  return [...shards.values()].sort((a, b) => (a.peer.id < b.peer.id ? -1 : 1));
}

/** Runs what is for the cluster's port only. */
function inCluster(run: (call: Call, router: GroupRouter) => void): (call: Call) => void {
  return (call) => {
    const { router } = call.server;
    if (call.client.role !== ROLE.cluster || !(router instanceof GroupRouter)) call.reply.error(DISABLED);
    else run(call, router);
  };
}

function slots(call: Call, router: GroupRouter): void {
  const { reply } = call;
  const runs = shownRuns(router);
  reply.array(runs.length);
  for (const { start, end, peer } of runs) {
    reply.array(3);
    reply.integer(start);
    reply.integer(end);
    reply.array(4);
    reply.bulkText(peer.host);
    reply.integer(peer.port);
    reply.bulkText(shownId(peer.id));
    reply.map(0);
  }
}

function shards(call: Call, router: GroupRouter): void {
  const { reply } = call;
  const all = shardsOf(router);
  reply.array(all.length);
  for (const { peer, slots: pairs } of all) {
    reply.map(2);
    reply.bulkText('slots');
    reply.array(pairs.length);
    for (const slot of pairs) reply.integer(slot);
    reply.bulkText('nodes');
    reply.array(1);
    reply.map(7);
    reply.bulkText('id');
    reply.bulkText(shownId(peer.id));
    reply.bulkText('port');
    reply.integer(peer.port);
    reply.bulkText('ip');
    reply.bulkText(peer.host);
    reply.bulkText('endpoint');
    reply.bulkText(peer.host);
    reply.bulkText('role');
    reply.bulkText('master');
    reply.bulkText('replication-offset');
    reply.integer(0);
    reply.bulkText('health');
    reply.bulkText(peer.live ? 'online' : 'fail');
  }
}

/** `<id> <ip:port@cport> <flags> <master> <ping> <pong> <epoch> <link> <slot> ...`, a line for each node. */
function nodes(call: Call, router: GroupRouter): void {
  const lines = shardsOf(router).map(({ peer, slots: pairs }, i) => {
    const state = peer.live ? (peer.suspected ? ',fail?' : '') : ',fail';
    const flags = `${peer.self ? 'myself,' : ''}master${state}`;
    const ranges: string[] = [];
    for (let k = 0; k < pairs.length; k += 2)
      ranges.push(pairs[k] === pairs[k + 1] ? ` ${pairs[k]}` : ` ${pairs[k]}-${pairs[k + 1]}`);
    const pong = peer.self || !peer.live ? 0 : Math.floor(call.nowMs);
    const link = peer.live ? 'connected' : 'disconnected';
    const place = `${peer.host}:${peer.port}@${peer.port}`;
    return `${shownId(peer.id)} ${place} ${flags} - 0 ${pong} ${i + 1} ${link}${ranges.join('')}\n`;
  });
  call.reply.verbatim(lines.join(''));
}

function info(call: Call, router: GroupRouter): void {
  const all = shardsOf(router);
  const size = all.filter((shard) => shard.slots.length > 0).length;
  const slotsOf = (is: (peer: Peer) => boolean): number =>
    shownRuns(router).reduce((sum, { start, end, peer }) => sum + (is(peer) ? end - start + 1 : 0), 0);
  const failed = slotsOf((peer) => !peer.live);
  const assigned = slotsOf(() => true);
  const suspected = slotsOf((peer) => peer.live && peer.suspected);
  const lines = {
    // As Redis with cluster-require-full-coverage no: what has an owner that lives is served.
    cluster_state: assigned > failed ? 'ok' : 'fail',
    cluster_slots_assigned: assigned,
    cluster_slots_ok: assigned - suspected - failed,
    cluster_slots_pfail: suspected,
    cluster_slots_fail: failed,
    cluster_known_nodes: all.length,
    cluster_size: size,
    cluster_current_epoch: all.length,
    cluster_my_epoch: all.findIndex(({ peer }) => peer.self) + 1,
    cluster_stats_messages_sent: 0,
    cluster_stats_messages_received: 0,
    total_cluster_links_buffer_limit_exceeded: 0,
  };
  const text = Object.entries(lines).map(([name, value]) => `${name}:${value}\r\n`);
  call.reply.verbatim(text.join(''));
}

function myId(call: Call, router: GroupRouter): void {
  call.reply.bulkText(shownId(router.peers.self?.id ?? ('' as NodeId)));
}

function keySlot(call: Call): void {
  call.reply.integer(call.store.table.name(call.span, call.startOf(2), call.lengthOf(2)));
}

function slotArgument(call: Call): number | null {
  const slot = call.integer(2);
  return slot === null || slot < 0 || slot >= SLOT_COUNT ? null : slot;
}

function countKeys(call: Call): void {
  const slot = slotArgument(call);
  if (call.integer(2) === null) call.reply.error(NOT_INTEGER);
  else if (slot === null) call.reply.error(INVALID_SLOT);
  else call.reply.integer(call.store.table.countInSlot(slot));
}

function getKeys(call: Call): void {
  const { reply } = call;
  const { table } = call.store;
  const slot = slotArgument(call);
  const count = call.integer(3);
  if (slot === null || count === null || count < 0) {
    reply.error('ERR Invalid slot or number of keys');
    return;
  }
  const most = Math.min(count, MAX_KEYS, table.countInSlot(slot));
  const disk = call.store.backend.readThrough;
  if (disk !== null) {
    keysOfSlot(call, disk, slot, most);
    return;
  }
  const walk = new Walk(table, slotRange(slot));
  const refs: number[] = [];
  while (!walk.done && refs.length < most) walk.step(refs, most - refs.length, 4096);
  refs.length = Math.min(refs.length, most);
  reply.array(refs.length);
  for (const ref of refs) {
    table.show(ref);
    reply.bulk(table.key, table.keyAt, table.keyLength);
  }
}

/** Whether argument 2 is a node; else that is said. */
function isNode(call: Call, router: GroupRouter): boolean {
  const id = call.text(2);
  if (shardsOf(router).some(({ peer }) => shownId(peer.id) === id)) return true;
  call.reply.error(`ERR Unknown node ${call.shown(2)}`);
  return false;
}

function replicas(call: Call, router: GroupRouter): void {
  if (isNode(call, router)) call.reply.array(0);
}

function failureReports(call: Call, router: GroupRouter): void {
  if (isNode(call, router)) call.reply.integer(0);
}

const entry = entries('cluster');
const UNSTABLE = { tips: ['nondeterministic_output'] };
const OF_CONNECTION = { categories: ['connection'] };
const within = (
  name: string,
  arity: number,
  since: string,
  summary: string,
  run: (call: Call, router: GroupRouter) => void,
  flags = 'stale',
  more: Partial<Command> = UNSTABLE,
): Command => entry(name, arity, flags, null, since, summary, inCluster(run), more);
const byHand = (
  name: string,
  arity: number,
  since: string,
  flags = 'admin stale no_async_loading',
  more: Partial<Command> = {},
): Command =>
  within(
    name,
    arity,
    since,
    'Refused: slots follow registrations.',
    ({ reply }) => reply.error(NOT_BY_HAND),
    flags,
    more,
  );
const ok = ({ reply }: Call): void => reply.ok();

export const CLUSTER_COMMANDS: readonly Command[] = [
  container(
    entry('cluster', -2, '', null, '3.0.0', 'Slots and the nodes that serve them.', () => {}),
    [
      within('slots', 2, '3.0.0', 'The slots and the nodes that serve them.', slots),
      within('shards', 2, '7.0.0', 'The nodes and the slots they serve.', shards),
      within('nodes', 2, '3.0.0', 'The nodes, a line each.', nodes),
      within('info', 2, '3.0.0', 'State of the cluster.', info),
      within('myid', 2, '3.0.0', "This node's id.", myId, 'stale', {}),
      within('keyslot', 3, '3.0.0', 'The slot of a key.', keySlot, 'stale', {}),
      within('countkeysinslot', 3, '3.0.0', 'Keys of a slot on this node.', countKeys, 'stale', {}),
      within('getkeysinslot', 4, '3.0.0', 'Some keys of a slot on this node.', getKeys),
      within('links', 2, '7.0.0', 'None: nodes talk over links of their own.', ({ reply }) => reply.array(0)),
      within('replicas', 3, '5.0.0', 'None: there is one copy.', replicas, 'admin stale'),
      within('slaves', 3, '3.0.0', 'None: there is one copy.', replicas, 'admin stale'),
      within('count-failure-reports', 3, '3.0.0', 'None.', failureReports, 'admin stale'),
      byHand('addslots', -3, '3.0.0'),
      byHand('addslotsrange', -4, '7.0.0'),
      byHand('bumpepoch', 2, '3.0.0', 'admin stale no_async_loading', UNSTABLE),
      byHand('delslots', -3, '3.0.0'),
      byHand('delslotsrange', -4, '7.0.0'),
      byHand('failover', -2, '3.0.0'),
      byHand('flushslots', 2, '3.0.0'),
      byHand('forget', 3, '3.0.0'),
      byHand('meet', -4, '3.0.0'),
      byHand('replicate', 3, '3.0.0'),
      byHand('reset', -2, '3.0.0', 'admin stale noscript'),
      byHand('saveconfig', 2, '3.0.0'),
      byHand('set-config-epoch', 3, '3.0.0'),
      byHand('setslot', -4, '3.0.0'),
    ],
  ),
  within(
    'asking',
    1,
    '3.0.0',
    'Does nothing: no slot is on the way between nodes.',
    ok,
    'fast',
    OF_CONNECTION,
  ),
  within('readonly', 1, '3.0.0', 'Does nothing: there is one copy.', ok, 'fast loading stale', OF_CONNECTION),
  within(
    'readwrite',
    1,
    '3.0.0',
    'Does nothing: there is one copy.',
    ok,
    'fast loading stale',
    OF_CONNECTION,
  ),
];
