import type { Address, NodeId } from '../../base/index.ts';
import type {
  EventView,
  MemberView,
  PositionView,
  RangeView,
  StatusView,
  StoreNode,
} from '../../node/contract.ts';
import { OwnershipView, slotAt } from '../../ranges/index.ts';

export function nodeId(n: number): NodeId {
  return n.toString(16).padStart(16, '0') as NodeId;
}

interface FakeMember {
  status: MemberView['status'];
  resp: Address | null;
}

/** One map and one list of members, seen by as many nodes as are asked for: views agree at once, or when told to. */
export class FakeGroup {
  readonly view = new OwnershipView();
  readonly members = new Map<NodeId, FakeMember>();
  readonly registered: RangeView[] = [];
  readonly #listeners: ((event: EventView) => void)[] = [];
  readonly #subscribed = new Map<NodeId, Parameters<StoreNode['onPublished']>[0]>();

  join(id: NodeId, resp: Address | null, status: MemberView['status'] = 'alive'): void {
    this.members.set(id, { status, resp });
    this.view.setLive(id, status === 'alive' || status === 'suspect');
    this.#tell('member-update', id);
  }

  register(node: NodeId, start: number, end: number, priority = 1): void {
    this.release(node, start, end);
    this.registered.push({ node, name: node, start, end, priority });
    this.view.setLive(node, this.#live(node));
    this.view.setRegistration(node, start, end, priority);
    this.#tell('range-registered', node);
  }

  release(node: NodeId, start: number, end: number): void {
    const at = this.registered.findIndex((r) => r.node === node && r.start === start && r.end === end);
    if (at < 0) return;
    this.registered.splice(at, 1);
    this.view.setRegistration(node, start, end, 0);
    this.#tell('range-released', node);
  }

  #live(id: NodeId): boolean {
    const status = this.members.get(id)?.status;
    return status === 'alive' || status === 'suspect';
  }

  #tell(type: EventView['type'], subject: NodeId): void {
    const base = { id: 0, time: '', subject, name: subject, origin: null };
    for (const listener of this.#listeners) listener({ ...base, type });
    const span = this.view.takeChanged();
    if (span === null) return;
    const range = { ...span, priority: null };
    for (const listener of this.#listeners) listener({ ...base, type: 'owners-changed', range });
  }

  node(self: NodeId): StoreNode {
    return {
      status: () => ({ node: { id: self } }) as unknown as StatusView,
      members: () => [...this.members].map(([id, member]) => memberView(id, member, id === self)),
      ranges: (node) => this.registered.filter((range) => node === undefined || range.node === node),
      ready: () => ({ ready: true, reason: 'ready' }),
      ownership: () => this.view.snapshot(),
      publish: (...publication) => {
        for (const [id, listener] of this.#subscribed) if (id !== self) listener(...publication);
        return true;
      },
      onPublished: (listener) => {
        this.#subscribed.set(self, listener);
        return () => this.#subscribed.delete(self);
      },
      ownersAt: (position) =>
        ({
          position,
          slot: slotAt(position),
          owners: this.view.snapshot().ownersAt(position),
        }) as unknown as PositionView,
      onEvent: (listener) => {
        this.#listeners.push(listener);
        return () => this.#listeners.splice(this.#listeners.indexOf(listener), 1);
      },
    };
  }
}

function memberView(id: NodeId, { status, resp }: FakeMember, self: boolean): MemberView {
  return {
    id,
    name: `n${Number.parseInt(id, 16)}`,
    address: '127.0.0.1:1' as Address,
    status,
    incarnation: 1,
    tags: {},
    resp,
    capacity: {},
    lastSeenMs: 0,
    rttMs: null,
    self,
    version: '',
    digest: null,
    multicastSet: null,
  };
}
