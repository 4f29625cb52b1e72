import { type Address, type NodeId, SeededRng } from '../../src/base/index.ts';
import { type MemberRecord, STATE } from '../../src/members/index.ts';
import { membersEntry } from '../../src/node/journal.ts';
import type { NodeFactory } from '../../src/node/machine.ts';
import {
  ANSWER_WITHIN_MS,
  agree,
  checkAgreement,
  checkAnswered,
  disagreement,
  MemberWatch,
} from './checkers.ts';
import { DotWatch } from './dots.ts';
import type { FaultListener } from './faults.ts';
import type { SimHost } from './host.ts';
import { MapModel } from './model.ts';
import type { LinkProfile } from './network.ts';
import { checkOwners, checkQueues, checkRest } from './rest.ts';
import { Sightings } from './sightings.ts';
import { Workload, type WorkloadShape } from './workload.ts';
import { World } from './world.ts';

export interface SessionOptions {
  readonly seed: number;
  readonly factory: NodeFactory;
  readonly link?: Partial<LinkProfile>;
  readonly shape?: WorkloadShape;
  readonly trace?: boolean;
  readonly sealed?: boolean;
  readonly log?: (line: string) => void;
}

/** Agreement that a last answer disturbed is there again within this. */
const AGAIN_MS = 10_000;
const DEFAULT_SHAPE: WorkloadShape = { ranges: 3, foreignP: 0.3, weights: [2, 3, 2, 2] };

/** One run: a world with all its checkers and a workload, and the steps that scenarios are made of. */
export class Session implements FaultListener {
  readonly world: World;
  readonly model: MapModel;
  readonly sightings: Sightings;
  readonly members: MemberWatch;
  readonly dots: DotWatch;
  readonly workload: Workload;
  /** For the scenario's own draws. */
  readonly rng: SeededRng;

  constructor(options: SessionOptions) {
    this.world = new World(options);
    this.rng = new SeededRng(options.seed ^ 0x5ce4a);
    this.model = new MapModel(this.world);
    this.sightings = new Sightings(this.world, this.model);
    this.members = new MemberWatch(this.world);
    this.dots = new DotWatch(this.world);
    this.workload = new Workload(this.world, this.model, this.rng.fork(), options.shape ?? DEFAULT_SHAPE);
    this.world.watchers.push(this.sightings, this.members, this.dots);
  }

  get failed(): boolean {
    return this.world.violations.length > 0;
  }

  beforeCrash(host: SimHost): void {
    this.model.beforeCrash(host);
  }

  beforeWipe(host: SimHost): void {
    this.model.beforeWipe(host);
  }

  beforeLeave(host: SimHost): void {
    this.members.leaving(host.id);
  }

  /** `count` hosts that know the first one; `domain` says which multicast domain each is in (-1: none). */
  addHosts(count: number, domain: (index: number) => number): void {
    for (let i = 0; i < count; i++) {
      const contact = this.world.hosts[0]?.address;
      const join: Address[] = contact === undefined ? [] : [contact];
      this.world.addHost({ domain: domain(this.world.hosts.length), join });
    }
  }

  /** A group that was off as a whole: every host has all the others on its disk. Much cheaper than as many joins. */
  presetMembership(): void {
    const records = this.world.hosts.map((host) => this.#recordOf(host, host.disk.identity()));
    const journal = [membersEntry(records)];
    for (const host of this.world.hosts) host.disk.preset(journal);
  }

  /** The records of a group whose hosts are about to start for the first time, for machines that begin as one. */
  formedRecords(): MemberRecord[] {
    return this.world.hosts.map((host) => {
      const { id, incarnation, bootNonce } = host.disk.nextBoot();
      return { ...this.#recordOf(host, id), incarnation, bootNonce };
    });
  }

  #recordOf(host: SimHost, id: NodeId): MemberRecord {
    return {
      id,
      incarnation: 1,
      state: STATE.alive,
      reachVersion: 0,
      reach: id,
      name: host.name,
      addresses: [host.address],
      resp: null,
      tags: {},
      capacity: {},
      version: 'sim',
      bootNonce: host.index,
    };
  }

  /** Starts those that do not run, evenly over a span of time. */
  startAll(spanMs: number): void {
    const hosts = this.world.hosts.filter((host) => !host.running);
    hosts.forEach((host, i) => {
      this.world.events.after((spanMs * i) / hosts.length, () => host.start());
    });
    this.world.runUntil(this.world.nowMs + spanMs);
  }

  /** Runs until all agree; a violation when they do not within the time. Gives back how long it took. */
  converge(withinMs: number, rule = 'convergence', stepMs = 100): number {
    const from = this.world.nowMs;
    const reached = this.world.runUntilTrue(() => agree(this.world), from + withinMs, stepMs);
    if (!reached && !this.failed) {
      this.world.violate(rule, `no agreement within ${withinMs} ms: ${disagreement(this.world)}`);
    }
    return this.world.nowMs - from;
  }

  /** Lets commands that still wait be answered. */
  finishCommands(): void {
    const idle = () => this.world.running().every((host) => host.waiting.size === 0);
    this.world.runUntilTrue(idle, this.world.nowMs + ANSWER_WITHIN_MS + 1000, 100);
  }

  /** What must hold when all has come to rest. */
  checkEnd(left: ReadonlySet<SimHost> = new Set()): void {
    this.finishCommands();
    if (!this.failed) this.converge(AGAIN_MS);
    if (this.failed) return;
    checkAgreement(this.world, left);
    checkAnswered(this.world);
    checkQueues(this.world);
    for (const each of this.world.running()) this.sightings.checkFinal(each);
    const host = this.world.running()[0];
    if (host === undefined) return;
    this.model.checkFinal(host);
    checkOwners(this.world, host);
    if (!this.failed) checkRest(this.world);
    if (!this.failed) this.world.sealing?.checkEnd(AGAIN_MS);
  }
}
