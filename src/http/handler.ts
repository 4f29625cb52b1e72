import type { IncomingMessage, ServerResponse } from 'node:http';
import { ShoalError } from '../base/index.ts';
import { ClientGone, discardBody, readBody } from './body.ts';
import { type Fields, parseFields } from './check.ts';
import type { Lane } from './lane.ts';
import { parseQuery, type Query } from './query.ts';
import { internalError, type Replier, type Reply, setSafetyHeaders } from './reply.ts';
import type { Call, Route } from './routes.ts';

const NO_QUERY: Query = new Map();

/** Takes a request from its first line to its reply. One for all listeners; what differs is the lane. */
export class RequestHandler {
  readonly #routes = new Map<string, Map<string, Route>>();
  readonly #replier: Replier;
  readonly #onBug: (error: unknown, what: string) => void;
  /** Set when the server closes: what is still answered ends its connection. */
  closing = false;

  constructor(routes: readonly Route[], replier: Replier, onBug: (error: unknown, what: string) => void) {
    this.#replier = replier;
    this.#onBug = onBug;
    for (const route of routes) {
      const methods = this.#routes.get(route.path) ?? new Map<string, Route>();
      methods.set(route.method, route);
      this.#routes.set(route.path, methods);
    }
  }

  /** Never rejects. */
  async handle(req: IncomingMessage, res: ServerResponse, lane: Lane): Promise<void> {
    res.on('error', () => {}); // the reader went away; 'close' follows
    setSafetyHeaders(res);
    try {
      const reply = await this.#answer(req, res, lane);
      if (this.closing) res.shouldKeepAlive = false;
      await this.#replier.send(res, reply, lane);
    } catch (error) {
      this.#refuse(req, res, error);
    }
  }

  async #answer(req: IncomingMessage, res: ServerResponse, lane: Lane): Promise<Reply> {
    const { guard } = lane;
    const target = req.url ?? '';
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    guard.admit(req);
    const route = this.#find(req, res, path);
    if (route.socketOnly && !guard.isLocal) {
      throw new ShoalError('forbidden', `${path} is answered on the Unix socket only: use --socket PATH`);
    }
    if (route.method !== 'GET') guard.authorize(req);
    const query =
      mark < 0 || route.query === null ? NO_QUERY : parseQuery(target.slice(mark + 1), route.query);
    const call: Call = { req, res, lane, query, fields: await readFields(req, route) };
    return route.run(call);
  }

  #find(req: IncomingMessage, res: ServerResponse, path: string): Route {
    const methods = this.#routes.get(path);
    if (methods === undefined) {
      const message = `there is no ${JSON.stringify(path.slice(0, 100))} here: the calls are under /v1/, the page is /`;
      throw new ShoalError('not-found', message);
    }
    const route = methods.get(req.method === 'HEAD' ? 'GET' : (req.method ?? ''));
    if (route !== undefined) return route;
    const allowed = [...methods.keys()].flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    res.setHeader('Allow', allowed.join(', '));
    throw new ShoalError('method-not-allowed', `${path} takes ${allowed.join(', ')}, not ${req.method}`);
  }

  #refuse(req: IncomingMessage, res: ServerResponse, error: unknown): void {
    if (error instanceof ClientGone) return;
    const known = error instanceof ShoalError;
    if (!known) this.#onBug(error, `${req.method} ${(req.url ?? '').slice(0, 200)}`);
    if (res.headersSent) {
      res.destroy();
      return;
    }
    discardBody(req);
    if (this.closing) res.shouldKeepAlive = false;
    this.#replier.sendError(res, known ? error : internalError());
  }
}

async function readFields(req: IncomingMessage, route: Route): Promise<Fields> {
  if (route.fields === null) {
    discardBody(req);
    return {};
  }
  const text = await readBody(req);
  return text === '' && route.bodyOptional ? {} : parseFields(text, route.fields);
}
