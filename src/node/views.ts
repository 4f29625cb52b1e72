import { LIMITS, type NodeId, type Rng, ShoalError } from '../base/index.ts';
import type { Registration } from '../crdt/index.ts';
import { type Member, type MemberRecord, STATE, STATE_NAMES, WORST_HEALTH } from '../members/index.ts';
import { checkPosition, type Owner, positionOf, slotAt } from '../ranges/index.ts';
import type {
  CoverageView,
  MemberView,
  MetricFamily,
  OwnershipAt,
  OwnerView,
  PositionView,
  RangeView,
  SegmentView,
} from './contract.ts';
import { nameWarnings } from './identity.ts';
import type { Boot, Machine, NodeOptions, Outputs, Yielded } from './machine.ts';
import { gauge, metricsOf } from './metrics.ts';
import { resolveNode } from './mutations.ts';
import { NodeCore, type NodeSettings } from './node.ts';
import { publicDigest } from './state.ts';

/** A table that nobody asked for so long is dropped, for the sake of small boards. */
const TABLES_KEPT_MS = 10_000;
/** Ranges of one node up to these are looked up for themselves, more are picked from the table of all. */
const FEW_RANGES = 1000;

export function createNode(
  boot: Boot,
  options: NodeOptions,
  outputs: Outputs,
  rng: Rng,
  settings: NodeSettings = {},
): Machine {
  return new Node(boot, options, outputs, rng, settings);
}

/** The machine with its windows: what can be read from it at any moment. */
export class Node extends NodeCore implements Machine {
  /** The segment table with names, while neither owners nor names change. */
  #segments: { version: number; members: string; views: SegmentView[] } | null = null;
  /** All registrations in order with names, while neither they nor names change. One table, for however many readers. */
  #ranges: { version: number; names: number; views: readonly RangeView[] } | null = null;
  /** Whether a table was asked for since the last wake, and when that was noticed. */
  #tablesAsked = false;
  #tablesAskedMs = 0;

  get id(): NodeId {
    return this.boot.id;
  }

  get incarnation(): number {
    return this.state.members.me().record.incarnation;
  }

  digest(): string {
    return publicDigest(this.state.digests());
  }

  memberCounts(): { alive: number; suspect: number; down: number; left: number } {
    return this.state.members.counts();
  }

  rangeCounts(): { registrations: number; segments: number; unownedPositions: number } {
    const snapshot = this.state.ownership.snapshot();
    return {
      registrations: this.state.map.size,
      segments: snapshot.segmentCount,
      unownedPositions: snapshot.unownedPositions,
    };
  }

  healthScore(): number {
    return this.detection.prober.health.score;
  }

  reach(nowMs: number): { hears: NodeId[]; heardBy: NodeId[] } {
    return { hears: this.multicast.hears(nowMs), heardBy: this.multicast.heardBy(nowMs) };
  }

  warnings(keysFail = false): string[] {
    const out: string[] = [];
    if (this.options.insecure) {
      out.push(
        'traffic is not sealed (--insecure): anybody on the network can read and change the group; for test beds only',
      );
    }
    out.push(...nameWarnings(this.state));
    const disk = this.mutations.diskError;
    if (disk !== null) out.push(`the state directory cannot be written, changes are refused: ${disk}`);
    const parts = this.disk.counters.malformedParts;
    if (parts > 0)
      out.push(
        `${parts} parts of the saved state could not be read and were left out: peers have what had spread`,
      );
    const { membersRefused, joinsRefused } = this.state.counters;
    if (membersRefused > 0)
      out.push(`the list of members is full (${LIMITS.members}): ${membersRefused} records were refused`);
    if (joinsRefused > 0)
      out.push(`${joinsRefused} changes from elsewhere were refused for want of room: see shoal_state_total`);
    const health = this.healthScore();
    if (health > 0) {
      // Said in any case: a forged datagram is enough to make it look as if a key were missing.
      out.push(
        `answers come late or not at all (health ${health} of ${WORST_HEALTH}), so members that fail are called down later: ` +
          `${keysFail ? 'if that is not for want of a key, as said before, ' : ''}see whether this machine is overloaded or its network loses datagrams`,
      );
    }
    out.push(...this.peerWarnings());
    const contacts = this.tasks.contacting;
    if (contacts.length > 0) out.push(`no contact has answered yet: ${contacts.join(', ')}`);
    const { unownedPositions } = this.state.ownership.snapshot();
    if (unownedPositions > 0) {
      out.push(
        `${unownedPositions} of 4294967296 positions have no live owner: see 'shoal coverage', then register them`,
      );
    }
    return out;
  }

  members(nowMs: number): MemberView[] {
    const views: MemberView[] = [];
    for (const member of this.state.members.all()) views.push(this.#memberView(member, nowMs));
    return views.sort((a, b) => (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1));
  }

  ranges(node?: string): readonly RangeView[] {
    const { map } = this.state;
    const id = node === undefined ? null : resolveNode(this.state, node);
    if (id !== null) {
      const few = this.#rangeViews(map.entriesOf(id), FEW_RANGES);
      if (few !== null) return few;
    }
    this.#tablesAsked = true;
    const { version } = map;
    const names = this.state.members.namesVersion;
    if (this.#ranges?.version !== version || this.#ranges.names !== names) {
      this.#ranges = { version, names, views: this.#rangeViews(map.entries(), Infinity) ?? [] };
    }
    const { views } = this.#ranges;
    return id === null ? views : views.filter((view) => view.node === id);
  }

  override wake(nowMs: number): void {
    super.wake(nowMs);
    if (this.#tablesAsked) {
      this.#tablesAsked = false;
      this.#tablesAskedMs = nowMs;
    } else if (nowMs - this.#tablesAskedMs > TABLES_KEPT_MS) {
      this.#ranges = null;
      this.#segments = null;
    }
  }

  segments(): readonly SegmentView[] {
    this.#tablesAsked = true;
    const snapshot = this.state.ownership.snapshot();
    const named = this.#segments;
    if (named?.version === snapshot.version && named.members === this.state.members.digestText())
      return named.views;
    const views = snapshot
      .segments()
      .map(({ start, end, owners }) => ({ start, end, owners: this.#owners(owners) }));
    this.#segments = { version: snapshot.version, members: this.state.members.digestText(), views };
    return views;
  }

  ownership(): OwnershipAt {
    return this.state.ownership.snapshot();
  }

  ownersAt(position: number): PositionView {
    const at = checkPosition(position);
    const owners = this.#owners(this.state.ownership.snapshot().ownersAt(at));
    return { position: at, slot: slotAt(at), owners };
  }

  ownersOfKey(key: string): PositionView {
    return this.ownersAt(positionOf(key));
  }

  coverage(copies: number): CoverageView {
    if (!Number.isInteger(copies) || copies < 1 || copies > 8192) {
      throw new ShoalError(
        'bad-amount',
        `copies must be a whole number from 1 to 8192, not ${copies}`,
        'copies',
      );
    }
    const { missingPositions, gaps } = this.state.ownership.snapshot().coverage(copies);
    return { covered: missingPositions === 0, copies, missingPositions, gaps };
  }

  ready(): { ready: boolean; reason: string } {
    const reason = this.waitingFor();
    return { ready: reason === null, reason: reason ?? 'ready' };
  }

  metrics(nowMs: number): MetricFamily[] {
    const counts = this.memberCounts();
    const ranges = this.rangeCounts();
    const reach = this.reach(nowMs);
    return [
      gauge('shoal_members', 'Members known, by status.', 'status', counts),
      gauge('shoal_registrations', 'Registrations in the map.', null, { '': ranges.registrations }),
      gauge('shoal_segments', 'Segments of the ownership view.', null, { '': ranges.segments }),
      gauge('shoal_unowned_positions', 'Positions without a live owner.', null, {
        '': ranges.unownedPositions,
      }),
      gauge(
        'shoal_multicast_peers',
        'Members heard by multicast, and members that hear this node.',
        'direction',
        {
          hears: reach.hears.length,
          heard_by: reach.heardBy.length,
        },
      ),
      gauge('shoal_ready', '1 when joined and in sync.', null, { '': this.ready().ready ? 1 : 0 }),
      gauge('shoal_counter_next', 'The next dot counter of this node.', null, { '': this.dots.next }),
      ...metricsOf(this),
    ];
  }

  propagationMs(): readonly number[] {
    return this.intake.propagation.recent();
  }

  left(): boolean {
    return this.hasLeft;
  }

  yielded(): Yielded | null {
    return this.identity.yielded();
  }

  nextCounter(): number {
    return this.dots.next;
  }

  #memberView({ record, heardMs, srttMs, digest }: Member, nowMs: number): MemberView {
    const self = record.id === this.boot.id;
    return {
      id: record.id,
      name: record.name,
      address: record.addresses[0] as MemberView['address'],
      status: STATE_NAMES[record.state],
      incarnation: record.incarnation,
      tags: record.tags,
      resp: reached(record),
      capacity: record.capacity,
      lastSeenMs: self ? 0 : heardMs === -Infinity ? null : Math.round(nowMs - heardMs),
      rttMs: srttMs < 0 ? null : Math.round(srttMs * 1000) / 1000,
      self,
      version: record.version,
      digest: self ? this.digest() : digest,
      multicastSet: this.options.multicast && record.state <= STATE.suspect ? record.reach : null,
    };
  }

  /** Sorted; null when there are more than `most`. */
  #rangeViews(entries: Iterable<Registration>, most: number): RangeView[] | null {
    const views: RangeView[] = [];
    for (const { node, start, end, priority } of entries) {
      if (views.length === most) return null;
      views.push({ node, name: this.state.nameOf(node), start, end, priority });
    }
    return views.sort((a, b) => a.start - b.start || a.end - b.end || (a.node < b.node ? -1 : 1));
  }

  #owners(owners: readonly Owner[]): OwnerView[] {
    return owners.map(({ node, priority }) => ({ node, name: this.state.nameOf(node), priority }));
  }
}

/** Where its store is reached: bound to all interfaces it is where its gossip is. */
function reached({ resp, addresses }: MemberRecord): MemberRecord['resp'] {
  if (resp === null) return null;
  const at = resp.lastIndexOf(':');
  const host = resp.slice(0, at);
  if (host !== '0.0.0.0' && host !== '[::]') return resp;
  const [gossip = resp] = addresses;
  return `${gossip.slice(0, gossip.lastIndexOf(':'))}${resp.slice(at)}` as MemberRecord['resp'];
}
