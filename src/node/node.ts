import { type Address, LIMITS, type NodeId, type Rng, ShoalError } from '../base/index.ts';
import type { Delta } from '../crdt/index.ts';
import { Broadcaster, type BroadcastSettings, Reach } from '../gossip/index.ts';
import { DETECTION, type DetectionSettings, type MemberRecord, STATE, type Views } from '../members/index.ts';
import {
  type AckMessage,
  Codec,
  type Decoded,
  DROP_REASONS,
  type DropReason,
  isGreeting,
  KIND,
  type Message,
} from '../wire/index.ts';
import { Comparison } from './comparison.ts';
import { Counters } from './counters.ts';
import { Detection } from './detection.ts';
import { Disk } from './disk.ts';
import { Forgetting } from './forgetting.ts';
import { Outbox } from './group.ts';
import { Identity } from './identity.ts';
import { Intake } from './intake.ts';
import { snapshotOf } from './journal.ts';
import { Leaving } from './leaving.ts';
import { Link } from './link.ts';
import type { Boot, Command, Described, Inputs, NodeOptions, Outputs } from './machine.ts';
import { Mutations } from './mutations.ts';
import type { Presence } from './presence.ts';
import { notReady } from './readiness.ts';
import {
  broadcastOutputs,
  detectionOutputs,
  identityOutputs,
  presenceOf,
  reconcilerOf,
  sessionOutputs,
  taskOutputs,
} from './relay.ts';
import { ownRecord, Roster } from './roster.ts';
import { Sessions } from './sessions.ts';
import { GroupState } from './state.ts';
import { introduction, Strangers } from './strangers.ts';
import { Tasks } from './tasks.ts';
import { Voids } from './voids.ts';

/** What one send costs on a small board, milliseconds: weighed against the round trip to choose the tree's width. */
const SETTINGS: BroadcastSettings = { width: null, sendMs: 0.05 };

export interface NodeSettings {
  readonly broadcast?: Partial<BroadcastSettings>;
  readonly detection?: Partial<DetectionSettings>;
  /** A group at rest, of which this node is one already: the simulator's way to thousands, which share what is equal. */
  readonly formed?: { readonly records: readonly MemberRecord[]; readonly views: Views };
}

/** The composed machine; see the room's header (index.ts). */
export class NodeCore implements Inputs {
  readonly options: NodeOptions;
  readonly boot: Boot;
  readonly state: GroupState;
  readonly link: Link;
  readonly disk: Disk;
  readonly roster: Roster;
  readonly identity: Identity;
  readonly strangers: Strangers;
  readonly intake: Intake;
  readonly multicast: Reach;
  readonly detection: Detection;
  readonly forgetting: Forgetting;
  readonly presence: Presence;
  readonly broadcaster: Broadcaster;
  readonly comparison: Comparison;
  readonly sessions: Sessions;
  readonly dots: Counters;
  readonly mutations: Mutations;
  readonly tasks: Tasks;
  readonly outbox: Outbox;
  readonly drops: Record<DropReason, number>;
  readonly receivedMessages: number[] = [];
  protected readonly outputs: Outputs;
  readonly #returning: boolean;
  #startMs = 0;
  /** Time of the last input, for views that take none. */
  #nowMs = 0;
  readonly #voids: Voids;
  readonly #leaving: Leaving;

  constructor(boot: Boot, options: NodeOptions, outputs: Outputs, rng: Rng, settings: NodeSettings = {}) {
    this.boot = boot;
    this.options = options;
    this.outputs = outputs;
    this.drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
    for (const kind of Object.values(KIND)) this.receivedMessages[kind] = 0;
    const { formed } = settings;
    this.state = new GroupState(ownRecord(boot, options), (event) => outputs.event(event), formed?.views);
    this.disk = new Disk(outputs);
    this.link = new Link(new Codec(options.cluster, boot.id), this.state.members, outputs);
    this.outbox = new Outbox(boot.id, boot.bootNonce);
    this.dots = new Counters(boot, (upTo) => outputs.lease(upTo), rng);
    this.multicast = new Reach(boot.id, rng, options.multicast);
    this.strangers = new Strangers(this.state.members, options.unsealed === true);
    this.roster = new Roster(this.state, {
      believes: (id, incarnation, nowMs) => this.strangers.believes(id, incarnation, nowMs),
      admits: (record, nowMs) => this.strangers.admitsMember(record, nowMs),
      changed: (record, joined, nowMs) => this.#memberChanged(record, joined, nowMs),
      publish: (record, nowMs) => this.outbox.addRecord(record, nowMs),
      claimed: (record, nowMs) => this.identity.recordSeen(record, nowMs),
    });
    this.identity = new Identity(boot, options, this.state, rng, identityOutputs(this, outputs));
    this.intake = this.#makeIntake();
    this.#leaving = this.#makeLeaving();
    this.presence = presenceOf(this);
    const broadcast = { ...SETTINGS, ...settings.broadcast };
    this.broadcaster = new Broadcaster(
      this.state.members,
      this.multicast,
      broadcastOutputs(this, () => this.#nowMs),
      rng,
      broadcast,
    );
    const reconciler = reconcilerOf(this, rng, () => this.#nowMs);
    this.sessions = new Sessions(this.link, this.state, options.cluster, reconciler, sessionOutputs(this));
    const { state, link, multicast: reach, broadcaster, sessions } = this;
    this.comparison = new Comparison({ state, link, reach, broadcaster, sessions }, rng, {
      caughtUp: (id, nowMs) => this.#spreadVoids(this.#voids.caughtUp(id, nowMs), nowMs),
      introduce: (nowMs) => this.outbox.addRecord(this.roster.me(), nowMs),
      digestCame: (nowMs) => this.tasks.digestCame(nowMs),
    });
    const detection = { ...DETECTION, ...options.detection, ...settings.detection };
    this.detection = new Detection(this, rng, detection, detectionOutputs(this));
    this.forgetting = new Forgetting(this.state, this.roster, rng, options.forgetAfterMs ?? null);
    this.mutations = new Mutations(this.state, this.dots, {
      persist: (record, token) => this.disk.persist(record, token),
      note: (record) => this.disk.note(record),
      answer: (token, answer) => outputs.answer(token, answer),
      changed: (delta, nowMs) => this.#spread(delta, nowMs),
    });
    this.tasks = new Tasks(this.state, rng, taskOutputs(this, outputs, rng));
    const contacting = () => this.tasks.contacting.length > 0;
    this.#voids = new Voids(this.state, () => this.dots.next, contacting);
    this.disk.restore(boot, this.state);
    this.#returning = formed === undefined && this.state.members.size > 1;
    for (const record of formed?.records ?? []) this.state.restoreMember(record);
    this.dots.lift(this.state.map.seenOf(boot.id));
  }

  // --- Inputs. ---

  start(nowMs: number): void {
    this.#startMs = nowMs;
    this.#voids.start(nowMs);
    this.identity.start(nowMs);
    this.multicast.start(nowMs);
    this.presence.memberChanged(this.roster.me(), false, true, nowMs);
    this.comparison.antiEntropy.start(nowMs, this.#returning);
    this.detection.prober.start(nowMs);
    this.forgetting.start(nowMs);
    this.tasks.contact(this.options.join, nowMs);
    // Those who know us learn that we are back; those who do not are told when we meet them.
    if (this.#returning) this.outbox.addRecord(this.roster.me(), nowMs);
    for (const { start, end, priority } of this.options.ranges) {
      if (this.state.map.priority({ node: this.boot.id, start, end }) > 0) continue;
      this.mutations.run(null, { kind: 'register', start, end, priority }, nowMs);
    }
    this.state.announceOwners();
    this.#work(nowMs);
  }

  datagram(bytes: Uint8Array, from: Address, viaMulticast: boolean, nowMs: number): void {
    if (this.#leaving.gone) return;
    if (bytes.length > LIMITS.datagramBytes) {
      this.drops['too-long']++;
      return;
    }
    if (!this.strangers.admits(from, nowMs)) {
      this.drops['too-many']++;
      return;
    }
    const decoded = this.#decode(this.link.codec.decode(bytes));
    if (decoded === null) {
      this.strangers.garbage(from, nowMs);
      return;
    }
    const { sender, message } = decoded;
    if (sender === this.boot.id) {
      this.drops['own-echo']++;
      if (message.kind === KIND.twin) this.identity.twins.received(message, from, nowMs);
      else if (message.kind === KIND.beacon || message.kind === KIND.multicast)
        this.identity.echoSeen(message.bootNonce, from, nowMs);
      this.#work(nowMs);
      return;
    }
    this.link.answering(sender, from);
    this.strangers.speaks(from, sender, false);
    this.#dispatch(sender, message, from, viaMulticast, nowMs);
    this.strangers.silence();
    this.link.hangUp();
    this.#work(nowMs);
  }

  described(change: Described, nowMs: number): void {
    const me = this.roster.me();
    this.roster.raise({ ...me, ...change, incarnation: me.incarnation + 1 }, nowMs);
    this.#work(nowMs);
  }

  accepted(stream: number, from: Address, nowMs: number): void {
    this.sessions.accepted(stream, from, nowMs);
  }

  opened(_stream: number, _nowMs: number): void {}

  frame(stream: number, bytes: Uint8Array, nowMs: number): void {
    if (this.#leaving.gone) return;
    const decoded = this.#decode(this.link.codec.decode(bytes, isGreeting(bytes)));
    if (decoded === null) return;
    const { sender, message } = decoded;
    const other = this.sessions.otherEnd(stream);
    this.strangers.speaks(other?.address ?? null, sender, other?.asked === true, other?.caller === true);
    if (!this.sessions.received(stream, sender, message, nowMs)) {
      if (sender === this.boot.id) this.drops['own-echo']++;
      else this.#dispatch(sender, message, null, false, nowMs);
    }
    this.strangers.silence();
    this.#work(nowMs);
  }

  closed(stream: number, reason: string, nowMs: number): void {
    this.sessions.closed(stream, reason, nowMs);
    this.#work(nowMs);
  }

  persisted(token: number, error: { code: string; message: string } | null, nowMs: number): void {
    this.mutations.persisted(token, error, nowMs);
    this.#work(nowMs);
  }

  leased(upTo: number, error: { code: string; message: string } | null, nowMs: number): void {
    if (error === null) this.dots.leased(upTo);
    this.mutations.leased(error, nowMs);
    this.#work(nowMs);
  }

  command(token: number, command: Command, nowMs: number): void {
    try {
      this.#command(token, command, nowMs);
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      const field = error.field === undefined ? {} : { field: error.field };
      this.outputs.answer(token, { error: { code: error.code, message: error.message, ...field } });
    }
    this.#work(nowMs);
  }

  publish(channel: Uint8Array, message: Uint8Array, nowMs: number): boolean {
    if (this.#leaving.underWay || this.#leaving.gone) return false;
    if (this.state.members.liveCount < 2) return true;
    const taken = this.outbox.publish(channel, message, nowMs);
    // Many come in a row: what is not due now waits for the next of the outbox's windows.
    if (this.outbox.nextMs() <= nowMs) this.#work(nowMs);
    return taken;
  }

  wake(nowMs: number): void {
    this.#work(nowMs);
  }

  nextWakeMs(): number {
    if (this.#leaving.gone) return Infinity;
    const resting = this.#leaving.underWay;
    return Math.min(
      this.outbox.nextMs(),
      this.intake.arrivals.nextMs(),
      this.broadcaster.nextMs(),
      resting ? Infinity : this.presence.nextMs(),
      resting ? Infinity : this.comparison.antiEntropy.nextMs(),
      resting ? Infinity : this.detection.prober.nextMs(),
      resting ? Infinity : this.forgetting.nextMs(),
      this.sessions.nextMs(),
      resting ? Infinity : this.tasks.nextMs(),
      this.#voids.nextMs(),
      this.identity.nextMs(),
      this.#leaving.nextMs(),
    );
  }

  // --- What views are made of. ---

  get hasLeft(): boolean {
    return this.#leaving.gone;
  }

  /** Null when ready, else why not. */
  waitingFor(): string | null {
    if (this.#leaving.underWay || this.#leaving.gone) return 'leaving';
    const { synced } = this.comparison;
    const contacts = this.tasks.contacting;
    if (!synced && contacts.length > 0) return `no contact has answered yet: ${contacts.join(', ')}`;
    const at = { synced, startMs: this.#startMs, nowMs: this.#nowMs };
    return notReady(this.state.members, { ...at, probePeriodMs: this.detection.probePeriodMs });
  }

  protected peerWarnings(): string[] {
    const now = this.#nowMs;
    return [...this.identity.warnings(now), ...this.strangers.warnings(now), ...this.#voids.warnings(now)];
  }

  snapshotBytes(): Uint8Array {
    return snapshotOf(this.state, this.identity.yielding);
  }

  // --- Work that is due after any input. ---

  #work(nowMs: number): void {
    this.#nowMs = nowMs;
    this.broadcaster.wake(nowMs);
    this.#spreadVoids(this.#voids.wake(nowMs), nowMs);
    this.identity.wake(this.#silent(), nowMs);
    if (!this.#leaving.underWay) {
      this.presence.wake(nowMs);
      this.comparison.antiEntropy.wake(nowMs);
      this.detection.prober.wake(nowMs);
      this.forgetting.wake(nowMs);
      this.tasks.wake(nowMs);
    }
    this.sessions.wake(nowMs);
    this.intake.arrivals.wake(nowMs);
    this.outbox.flush(nowMs, this.broadcaster);
    this.#leaving.wake(nowMs);
    this.state.announceOwners();
    this.disk.snapshotIfDue(this.state, this.mutations.idle);
  }

  #decode(decoded: Decoded): { sender: NodeId; message: Message } | null {
    if ('drop' in decoded) {
      this.drops[decoded.drop]++;
      return null;
    }
    this.receivedMessages[decoded.message.kind] = (this.receivedMessages[decoded.message.kind] as number) + 1;
    return decoded;
  }

  /** `from` is null for what came on a stream. */
  #dispatch(sender: NodeId, m: Message, from: Address | null, viaMulticast: boolean, nowMs: number): void {
    if (viaMulticast !== (m.kind === KIND.beacon || m.kind === KIND.multicast)) {
      this.drops['wrong-place']++;
      return;
    }
    if (this.state.members.get(sender) === undefined) {
      const record = introduction(sender, m, this.options.cluster);
      if (record !== null) this.roster.merge(record, sender, nowMs);
    }
    if (this.state.members.get(sender) === undefined) {
      this.drops['unknown-sender']++;
      if (from !== null) this.sessions.callStranger(from, nowMs);
      return;
    }
    if (from !== null) this.strangers.heard(from, sender);
    this.heard(sender, nowMs);
    switch (m.kind) {
      case KIND.tree:
        this.broadcaster.treeReceived(sender, m, m.payload, nowMs);
        break;
      case KIND.list:
        this.broadcaster.listReceived(sender, m.id, m.ids, m.ageMs, m.payload, nowMs);
        break;
      case KIND.ack:
        this.presence.confirmed(sender, m.hears, nowMs);
        this.#acknowledged(sender, m, nowMs);
        break;
      case KIND.multicast:
        this.presence.payloadCame(sender, m, nowMs);
        this.broadcaster.multicastReceived(sender, m.id, m.ageMs, m.payload, nowMs);
        break;
      case KIND.beacon:
        this.presence.beaconCame(sender, m, nowMs);
        break;
      case KIND.askRepair:
        this.broadcaster.missed(nowMs);
        for (const part of this.multicast.history(m.seqs, nowMs))
          this.link.send(sender, { kind: KIND.repair, ...part });
        break;
      case KIND.repair:
        if (m.seq > 0) this.multicast.repaired(sender, m.seq);
        this.broadcaster.repairReceived(sender, m.id, m.ageMs, m.payload, nowMs);
        break;
      case KIND.digest:
        this.presence.confirmed(sender, m.hears, nowMs);
        this.comparison.asked(sender, m, nowMs);
        break;
      case KIND.digestReply:
        this.presence.confirmed(sender, m.hears, nowMs);
        this.comparison.replied(sender, m, nowMs);
        break;
      default:
        if (!this.detection.received(sender, m, nowMs)) this.drops['wrong-place']++;
    }
    this.detection.heard(sender, m.kind, nowMs);
  }

  heard(id: NodeId, nowMs: number): void {
    const member = this.state.members.get(id);
    if (member !== undefined) member.heardMs = nowMs;
  }

  #acknowledged(sender: NodeId, m: AckMessage, nowMs: number): void {
    const rttMs = this.broadcaster.ackReceived(sender, m.id, m.needList, nowMs);
    if (rttMs < 0) return;
    this.state.members.get(sender)?.rtt.sample(rttMs);
    this.strangers.answered(sender, nowMs);
  }

  // --- Commands. ---

  #command(token: number, command: Command, nowMs: number): void {
    if (this.#leaving.underWay || this.#leaving.gone)
      throw new ShoalError('leaving', 'this node is leaving: use another');
    if (this.identity.yielding)
      throw new ShoalError('leaving', 'this node gives up its id, which another process has: try again');
    switch (command.kind) {
      case 'register':
      case 'adjust':
      case 'release':
        this.mutations.run(token, command, nowMs);
        break;
      case 'join':
        this.tasks.join(token, command.addresses, nowMs);
        break;
      case 'converged':
        this.tasks.converged(token, command.waitMs, nowMs);
        break;
      case 'force-leave':
        this.roster.forceLeave(command.node, nowMs);
        this.outputs.answer(token, { ok: null });
        break;
      case 'leave':
        this.#leaving.begin(token, command.release, nowMs);
        this.tasks.abandon();
        this.detection.prober.stop();
        break;
    }
  }

  /** Nothing is left to be said or written. */
  #silent(): boolean {
    return this.outbox.idle && this.broadcaster.pendingHops === 0 && this.mutations.idle;
  }

  #memberChanged(record: MemberRecord, joined: boolean, nowMs: number): void {
    this.disk.noteMember(record);
    this.detection.prober.changed(record, nowMs);
    this.presence.memberChanged(record, joined, record.state <= STATE.suspect, nowMs);
    if (record.state >= STATE.down) this.broadcaster.memberGone(record.id, nowMs);
    this.comparison.antiEntropy.changed(nowMs);
  }

  #spreadVoids(delta: Delta | null, nowMs: number): void {
    if (delta === null) return;
    this.disk.noteDelta(delta);
    this.#spread(delta, nowMs);
  }

  #spread(delta: Delta, nowMs: number): void {
    this.outbox.addDelta(delta, nowMs);
    this.comparison.antiEntropy.changed(nowMs);
    this.#spreadVoids(this.#voids.due(nowMs), nowMs);
  }

  // --- Parts and their wiring. ---

  #makeLeaving(): Leaving {
    return new Leaving({
      waiting: () => this.outbox.waiting,
      releaseOwn: (nowMs) => this.mutations.releaseOwn(nowMs),
      sayLeft: (nowMs) => {
        this.roster.raise({ ...this.roster.me(), state: STATE.left }, nowMs);
        this.presence.farewell(nowMs);
      },
      // Whoever is being called hears of this node just now, and is told when it is known who that is.
      silent: () => this.#silent() && this.sessions.calling === 0,
      done: (token) => this.outputs.answer(token, { ok: null }),
    });
  }

  #makeIntake(): Intake {
    return new Intake(this.state, this.disk, this.dots, {
      mergeRecord: (record, from, nowMs) => this.roster.merge(record, from, nowMs),
      changed: (nowMs) => {
        this.comparison.antiEntropy.changed(nowMs);
        if (!this.#voids.declared) this.identity.mapGrown();
      },
      accused: (accusation) => this.detection.accused(accusation),
      published: ({ channel, message }) => this.outputs.published(channel, message),
      lifted: () => this.identity.restored(),
    });
  }
}
