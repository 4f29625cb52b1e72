/** For the page's test: a node that answers from a model that the test changes, behind the real HTTP edge. */
import type { Address, NodeId } from '../../src/base/index.ts';
import { createHttpServer, type HttpServer } from '../../src/http/index.ts';
import { pageFiles } from '../../src/http/page/index.ts';
import type {
  EventType,
  EventView,
  MemberView,
  MetricFamily,
  NodeApi,
  OwnerView,
  RangeView,
  SegmentView,
  StatusView,
  StoreApi,
} from '../../src/node/contract.ts';

const LAST = 0xffffffff;

export function nodeId(n: number): NodeId {
  return (n * 0x9e3779b9).toString(16).padStart(16, 'a').slice(-16) as NodeId;
}

export function member(n: number, name: string, overrides: Partial<MemberView> = {}): MemberView {
  return {
    id: nodeId(n),
    name,
    address: `192.168.7.${10 + n}:29999` as Address,
    status: 'alive',
    incarnation: 3,
    tags: {},
    resp: null,
    capacity: {},
    lastSeenMs: n === 1 ? 0 : 180 * n,
    rttMs: n === 1 ? null : 0.21 * n,
    self: n === 1,
    version: '0.1.0',
    digest: '9f2c61d04be8a375',
    multicastSet: nodeId(1),
    ...overrides,
  };
}

/** Implements what the page asks; the edge calls nothing else here. */
export class PageNode {
  memberList: MemberView[] = [];
  rangeList: RangeView[] = [];
  /** Given outright when there are too many to derive. */
  table: SegmentView[] | null = null;
  warnings: string[] = [];
  keys: { id: string; primary: boolean; holders: number }[] = [];
  families: MetricFamily[] = [];
  /** Where its store answers; null: it has none. */
  resp: Address | null = null;
  health = { score: 0, eventLoopLagMs: 1.4 };
  propagation: number[] = [];
  isReady = true;
  readonly history: EventView[] = [];
  readonly #listeners = new Set<(event: EventView) => void>();

  register(n: number, start: number, end: number, priority = 1): void {
    const node = nodeId(n);
    const name = this.memberList.find((m) => m.id === node)?.name ?? node;
    this.rangeList.push({ node, name, start, end, priority });
  }

  emit(type: EventType, n: number, more: Partial<EventView> = {}): void {
    const id = this.history.length + 1;
    const subject = nodeId(n);
    const name = this.memberList.find((m) => m.id === subject)?.name ?? subject;
    const event = { id, type, time: new Date().toISOString(), subject, name, origin: null, ...more };
    this.history.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  status(): StatusView {
    const segments = this.segments();
    const count = (status: string) => this.memberList.filter((m) => m.status === status).length;
    const others = this.memberList.filter((m) => !m.self && m.status === 'alive').map((m) => m.id);
    const size = (s: SegmentView) => (s.owners.length === 0 ? s.end - s.start + 1 : 0);
    return {
      node: {
        id: nodeId(1),
        name: this.memberList.find((m) => m.self)?.name ?? 'nobody',
        incarnation: 3,
        version: '0.1.0',
        startedAt: '2026-01-01T00:00:00.000Z',
        uptimeSeconds: 187_432,
        addresses: {
          gossip: '192.168.7.11:29999' as Address,
          http: '127.0.0.1:29980' as Address,
          resp: this.resp,
        },
      },
      cluster: 'boards',
      digest: '9f2c61d04be8a375',
      members: {
        alive: count('alive'),
        suspect: count('suspect'),
        down: count('down'),
        left: count('left'),
      },
      ranges: {
        registrations: this.rangeList.length,
        segments: segments.length,
        unownedPositions: segments.reduce((sum, s) => sum + size(s), 0),
      },
      health: this.health,
      multicast: { enabled: true, hears: others, heardBy: others.slice(0, -1) },
      encrypted: this.keys.length > 0,
      keys: this.keys,
      warnings: this.warnings,
    };
  }

  members = () => this.memberList;
  ranges = () => this.rangeList;
  propagationMs = () => this.propagation;
  metrics = () => this.families;
  eventsAfter = (afterId: number) => this.history.filter((event) => event.id > afterId);

  ready() {
    return { ready: this.isReady, reason: this.isReady ? 'in sync' : 'not joined yet' };
  }

  onEvent(listener: (event: EventView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The elementary segments, the slow and plain way. */
  segments(): SegmentView[] {
    if (this.table !== null) return this.table;
    const live = this.rangeList.filter((r) =>
      this.memberList.some((m) => m.id === r.node && (m.status === 'alive' || m.status === 'suspect')),
    );
    const starts = [...new Set([0, ...live.flatMap((r) => [r.start, r.end + 1])])]
      .filter((at) => at <= LAST)
      .sort((a, b) => a - b);
    return starts.map((start, i) => {
      const owners: OwnerView[] = live
        .filter((r) => r.start <= start && start <= r.end)
        .map(({ node, name, priority }) => ({ node, name, priority }))
        .sort((a, b) => b.priority - a.priority || (a.node < b.node ? -1 : 1));
      return { start, end: (starts[i + 1] ?? LAST + 1) - 1, owners };
    });
  }
}

/** The real HTTP edge with the real page. `port` 0 picks one. */
export async function servePage(
  node: PageNode,
  port = 0,
  store: StoreApi | null = null,
): Promise<{ server: HttpServer; port: number }> {
  const quiet = { warn() {}, error: console.error };
  const server = createHttpServer({
    api: node as unknown as NodeApi,
    store,
    pageFiles,
    tcp: { host: '127.0.0.1', port },
    socketPath: null,
    token: null,
    log: quiet,
    version: '0.1.0',
  });
  const { http } = await server.start();
  return { server, port: Number(http?.split(':').at(-1)) };
}
