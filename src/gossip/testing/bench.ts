import { type Address, type NodeId, SeededRng } from '../../base/index.ts';
import { MemberList, type MemberRecord, STATE } from '../../members/index.ts';
import { Broadcaster, type TreePart } from '../broadcast.ts';
import { Reach } from '../reach.ts';

/** The i-th id: like the others in its leading bytes, as no random id would be, so that a hash of parts shows. */
export const idOf = (i: number): NodeId => i.toString(16).padStart(16, '0') as NodeId;

export const recordOf = (id: NodeId, reach: NodeId = id): MemberRecord => ({
  id,
  incarnation: 1,
  state: STATE.alive,
  reachVersion: 0,
  reach,
  name: id,
  addresses: ['10.0.0.1:1' as Address],
  resp: null,
  tags: {},
  capacity: {},
  version: '1',
  bootNonce: 1,
});

/** A payload that begins with it is no change. */
export const PASSING = 255;

export interface SentTree {
  readonly to: NodeId;
  readonly part: TreePart;
}

export interface SentList {
  readonly to: NodeId;
  readonly id: number;
  readonly ids: readonly NodeId[];
}

/** One broadcaster among `labels.length` members (itself the first; a label names a multicast set), its outputs kept. */
export class Bench {
  readonly members: MemberList;
  readonly reach: Reach;
  readonly broadcaster: Broadcaster;
  readonly trees: SentTree[] = [];
  readonly lists: SentList[] = [];
  readonly acks: { to: NodeId; id: number; needList: boolean }[] = [];
  readonly multicasts: number[] = [];
  readonly delivered: Uint8Array[] = [];

  constructor(labels: readonly number[], width = 2) {
    const [own = 1, ...others] = labels;
    this.members = new MemberList(recordOf(idOf(1), idOf(own)));
    others.forEach((label, i) => {
      this.members.merge(recordOf(idOf(i + 2), idOf(label)));
    });
    this.reach = new Reach(idOf(1), new SeededRng(3), true);
    this.broadcaster = new Broadcaster(
      this.members,
      this.reach,
      {
        tree: (to, part) => this.trees.push({ to, part }),
        list: (to, id, ids) => this.lists.push({ to, id, ids }),
        ack: (to, id, needList) => this.acks.push({ to, id, needList }),
        multicast: (id) => this.multicasts.push(id),
        deliver: (payload) => {
          this.delivered.push(payload);
          return payload[0] !== PASSING;
        },
      },
      new SeededRng(5),
      { width, sendMs: 0.05 },
    );
  }

  /** Members that hear nobody's multicast: each a set of its own. */
  static apart(count: number, width = 2): Bench {
    return new Bench(
      Array.from({ length: count }, (_, i) => i + 1),
      width,
    );
  }

  /** Lets the earliest deadline pass; returns the time it was. */
  pass(): number {
    const nowMs = this.broadcaster.nextMs();
    this.broadcaster.wake(nowMs);
    return nowMs;
  }

  /** Lets every deadline pass until no hop is open. */
  exhaust(): void {
    for (let i = 0; i < 10_000 && this.broadcaster.pendingHops > 0; i++) this.pass();
  }
}
