import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LIMITS, ShoalError } from '../base/index.ts';
import type { NodeApi, StoreApi } from '../node/contract.ts';
import * as check from './check.ts';
import { type Counters, processFamilies } from './counters.ts';
import { dropsIn } from './drops.ts';
import type { EventHub } from './events.ts';
import type { Lane } from './lane.ts';
import { METRICS_TYPE, renderMetrics } from './metrics.ts';
import * as q from './query.ts';
import type { Reply } from './reply.ts';

/** One request, checked as far as its row says. */
export interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly lane: Lane;
  readonly query: q.Query;
  /** Empty when the call takes no body, or an optional one is absent. */
  readonly fields: check.Fields;
}

export interface Route {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST';
  readonly path: string;
  /** Query parameters; a `*` behind the name: may be repeated. Null: whatever there is, is ignored. */
  readonly query: readonly string[] | null;
  /** Fields of the body; null: the call has none. */
  readonly fields: readonly string[] | null;
  readonly bodyOptional?: true;
  /** Not over TCP, whatever token comes with it. */
  readonly socketOnly?: true;
  readonly run: (call: Call) => Reply | Promise<Reply>;
}

export interface RouteParts {
  readonly api: NodeApi;
  readonly store: StoreApi | null;
  readonly hub: EventHub;
  readonly counters: Counters;
  readonly version: string;
  readonly pageFiles: ReadonlyMap<string, { readonly contentType: string; readonly body: string }>;
}

/** Every call there is. */
export function createRoutes(parts: RouteParts): readonly Route[] {
  const { api } = parts;
  return [
    ...readRoutes(api),
    ...writeRoutes(api),
    ...keyRoutes(api),
    ...storeRoutes(parts.store),
    ...watchRoutes(parts),
    ...pageRoutes(parts),
  ];
}

function readRoutes(api: NodeApi): Route[] {
  const waiters = { local: 0, remote: 0 };
  const converged = async (call: Call): Promise<Reply> => {
    const waitMs = q.waitMs(q.param(call.query, 'wait'));
    const where = call.lane.guard.isLocal ? 'local' : 'remote';
    const most = LIMITS.httpWaiters - (where === 'local' ? 0 : LIMITS.httpSocketWaiters);
    if (waiters[where] >= most || waiters.local + waiters.remote >= LIMITS.httpWaiters) {
      const message = `${most} requests wait for convergence already: try again later`;
      throw new ShoalError('overloaded', message);
    }
    waiters[where]++;
    // The wait is silent and may be longer than the server's idle timeout.
    call.req.socket.setTimeout(0);
    try {
      await call.lane.askings.turn();
      return json(await api.converged(waitMs));
    } finally {
      waiters[where]--;
    }
  };
  return [
    get('/v1/status', [], () => json(api.status())),
    get('/v1/members', [], () => list('members', () => api.members())),
    get('/v1/ranges', ['node'], ({ query }) => {
      const given = q.param(query, 'node');
      const node = given === undefined ? undefined : check.nodeRef(given);
      return list('ranges', () => api.ranges(node));
    }),
    get('/v1/owners', ['key', 'position'], ({ query }) => {
      const key = q.param(query, 'key');
      const position = q.param(query, 'position');
      if (key !== undefined && position !== undefined)
        throw new ShoalError('bad-query', 'both key and position are given: give one', 'position');
      if (key !== undefined) return json(api.ownersOfKey(key));
      if (position !== undefined) return json(api.ownersAt(q.position(position)));
      return list('segments', () => api.segments());
    }),
    get('/v1/coverage', ['copies'], async ({ query, lane }) => {
      const copies = q.copies(q.param(query, 'copies'));
      return json(await lane.turns.make(() => api.coverage(copies)));
    }),
    get('/v1/converged', ['wait'], converged),
    get('/v1/propagation', [], () => json({ ms: api.propagationMs() })),
  ];
}

function writeRoutes(api: NodeApi): Route[] {
  return [
    write('PUT', '/v1/ranges', ['start', 'end', 'priority', 'node'], async ({ fields }) =>
      json(await api.register({ ...check.rangeInput(fields), priority: check.priority(fields) })),
    ),
    write('PATCH', '/v1/ranges', ['start', 'end', 'by', 'node'], async ({ fields }) =>
      json(await api.adjust({ ...check.rangeInput(fields), by: check.amount(fields) })),
    ),
    write('DELETE', '/v1/ranges', ['start', 'end', 'node'], async ({ fields }) =>
      json(await api.release(check.rangeInput(fields))),
    ),
    write('POST', '/v1/join', ['addresses'], async ({ fields }) =>
      json(await api.join(check.addresses(fields))),
    ),
    {
      ...write('POST', '/v1/leave', ['release'], async ({ fields }) => {
        await api.leave({ release: check.flag(fields, 'release') });
        return json({ left: true });
      }),
      bodyOptional: true,
    },
    write('POST', '/v1/force-leave', ['node'], async ({ fields }) => {
      await api.forceLeave(check.nodeRef(fields.node));
      return json({ left: true });
    }),
  ];
}

/** The keyring: ids, never keys. */
function keyRoutes(api: NodeApi): Route[] {
  return [
    { ...get('/v1/keys', [], () => json({ keys: api.keys() })), socketOnly: true },
    {
      ...write('POST', '/v1/keys', ['op', 'key'], async ({ fields }) =>
        json({ keys: await api.changeKeys(check.keyOperation(fields), check.keyText(fields)) }),
      ),
      socketOnly: true,
    },
  ];
}

/** Entries of the slow log that are told when nobody says how many. */
const SLOW_SHOWN = 50;

/** The store. What is in it is told on the socket only: its own ports may ask for a password. */
function storeRoutes(store: StoreApi | null): Route[] {
  const there = (): StoreApi => {
    if (store !== null) return store;
    throw new ShoalError('no-store', 'this node has no store: it runs with --no-resp');
  };
  return [
    get('/v1/store', [], () => json(there().info())),
    get('/v1/store/history', ['after'], ({ query }) =>
      json(there().history(q.whole(q.param(query, 'after') ?? '0', 'after', 0, 2 ** 48))),
    ),
    get('/v1/store/slowlog', ['count'], ({ query, lane }) => {
      const count = q.whole(q.param(query, 'count') ?? String(SLOW_SHOWN), 'count', 1, 1000);
      return json(there().slow(count, lane.guard.isLocal));
    }),
    get('/v1/store/count', ['start', 'end'], ({ query }) => {
      const { start, end } = rangeIn(query);
      return json(there().count(start, end));
    }),
    {
      ...get('/v1/store/messages', ['start', 'end', 'cursor', 'count'], async ({ query }) => {
        const { start, end } = rangeIn(query);
        const cursor = q.whole(q.param(query, 'cursor') ?? '0', 'cursor', 0, 2 ** 48);
        const count = q.whole(q.param(query, 'count') ?? '100', 'count', 1, 1000);
        return json(await there().scan(start, end, cursor, count));
      }),
      socketOnly: true,
    },
  ];
}

/** All positions, unless it says which. */
function rangeIn(query: q.Query): { readonly start: number; readonly end: number } {
  const start = q.position(q.param(query, 'start') ?? '0');
  const end = q.position(q.param(query, 'end') ?? '4294967295');
  if (start > end) throw new ShoalError('bad-range', 'start is above end', 'start');
  return { start, end };
}

function watchRoutes({ api, hub, counters, version }: RouteParts): Route[] {
  return [
    get('/v1/events', ['type*'], ({ req, res, lane, query }) => {
      const types = q.eventTypes(query.get('type'));
      const lastEventId = q.lastEventId(req.headers['last-event-id']);
      if (req.method === 'HEAD') return text(200, 'text/event-stream; charset=utf-8', '');
      hub.open(res, lane.guard.isLocal, types, lastEventId);
      return { kind: 'taken' };
    }),
    get('/v1/drops', [], () => json({ drops: dropsIn([...api.metrics(), ...counters.families()]) })),
    get('/metrics', [], () => {
      const families = [...api.metrics(), ...counters.families(), ...processFamilies(version)];
      return text(200, METRICS_TYPE, renderMetrics(families));
    }),
    get('/healthz', [], () => text(200, TEXT_TYPE, 'ok')),
    get('/readyz', [], () => {
      const { ready, reason } = api.ready();
      return text(ready ? 200 : 503, TEXT_TYPE, reason);
    }),
  ];
}

/** The files of the page. A browser keeps them and asks whether they changed; a query is whatever a bookmark added. */
function pageRoutes({ pageFiles }: RouteParts): Route[] {
  return [...pageFiles].map(([path, { contentType, body }]) => {
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    const headers = { ETag: etag, 'Cache-Control': 'no-cache' };
    return get(path, null, ({ req }) => {
      const unchanged = req.headers['if-none-match'] === etag;
      return { ...text(unchanged ? 304 : 200, contentType, unchanged ? '' : body), headers };
    });
  });
}

const TEXT_TYPE = 'text/plain; charset=utf-8';

function get(path: string, query: readonly string[] | null, run: Route['run']): Route {
  return { method: 'GET', path, query, fields: null, run };
}

function write(
  method: Exclude<Route['method'], 'GET'>,
  path: string,
  fields: readonly string[],
  run: Route['run'],
): Route {
  return { method, path, query: [], fields, run };
}

function json(value: unknown): Reply {
  return { kind: 'json', value };
}

function list(name: string, items: () => readonly unknown[]): Reply {
  return { kind: 'list', name, items };
}

function text(status: number, contentType: string, body: string): Reply & { kind: 'text' } {
  return { kind: 'text', status, contentType, body };
}
