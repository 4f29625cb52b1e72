import { createServer, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type Address, LIMITS } from '../base/index.ts';
import type { NodeApi, StoreApi } from '../node/contract.ts';
import { Counters } from './counters.ts';
import { EventHub } from './events.ts';
import { type Guard, OPEN_GUARD, TcpGuard } from './guard.ts';
import { RequestHandler } from './handler.ts';
import { Lane } from './lane.ts';
import { listenSocket, listenTcp } from './listen.ts';
import { errorBody, Replier, statusOf } from './reply.ts';
import { createRoutes } from './routes.ts';

/** By URL path: `/`, `/page.js`, ... */
export type PageFiles = ReadonlyMap<string, { readonly contentType: string; readonly body: string }>;

/** What pino offers, as far as it is used here. */
export interface HttpLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface HttpServerOptions {
  readonly api: NodeApi;
  /** Null or absent: this node has no store. */
  readonly store?: StoreApi | null;
  readonly pageFiles: PageFiles;
  readonly tcp: { readonly host: string; readonly port: number } | null;
  readonly socketPath: string | null;
  /** Lets writes in over TCP; null: none. */
  readonly token: string | null;
  readonly log: HttpLog;
  readonly version: string;
  /** Called, after the log, for an error that is not a ShoalError: a mistake in the program. */
  readonly onBug?: (error: unknown) => void;
  /** For tests. */
  readonly times?: Partial<HttpTimes>;
}

export interface HttpTimes {
  /** A whole request must arrive within this; looked at every `checkPeriodMs`. */
  readonly requestTimeoutMs: number;
  readonly checkPeriodMs: number;
  /** A connection on which nothing moves while a reply is due is cut. */
  readonly stallTimeoutMs: number;
  /** A reader of a list that takes nothing for this long gives its place to one that asks for it. */
  readonly listPatienceMs: number;
  readonly keepAliveMs: number;
  readonly heartbeatMs: number;
  /** Replies under way when the server closes have this long. */
  readonly closeGraceMs: number;
}

const TIMES: HttpTimes = {
  requestTimeoutMs: 10_000,
  checkPeriodMs: 5_000,
  stallTimeoutMs: 30_000,
  listPatienceMs: 5_000,
  keepAliveMs: 5_000,
  heartbeatMs: 15_000,
  closeGraceMs: 250,
};

export interface HttpServer {
  /**
   * Opens what was asked for, or nothing.
   * @throws ShoalError `port-in-use cannot-listen socket-in-use socket-unusable bad-socket`
   */
  start(): Promise<{ readonly http: Address | null; readonly socket: string | null }>;
  /** Ends event streams and idle connections at once, gives replies under way a moment, removes the socket. */
  close(): Promise<void>;
}

export function createHttpServer(options: HttpServerOptions): HttpServer {
  return new Edge(options);
}

class Edge implements HttpServer {
  readonly #options: HttpServerOptions;
  readonly #times: HttpTimes;
  readonly #counters = new Counters();
  readonly #hub: EventHub;
  readonly #handler: RequestHandler;
  readonly #servers: Server[] = [];
  /** The newest response of a connection, to know whether an error may still be written on it. */
  readonly #responses = new WeakMap<object, ServerResponse>();

  constructor(options: HttpServerOptions) {
    const { api, pageFiles, version, log } = options;
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
    const counters = this.#counters;
    this.#hub = new EventHub(api, counters, {
      watchers: LIMITS.eventWatchers,
      localWatchers: LIMITS.socketWatchers,
      backlogBytes: LIMITS.eventBacklogBytes,
      heartbeatMs: this.#times.heartbeatMs,
    });
    const store = options.store ?? null;
    const routes = createRoutes({ api, store, hub: this.#hub, counters, version, pageFiles });
    this.#handler = new RequestHandler(routes, new Replier(counters), (error, request) => {
      log.error({ err: error, request }, 'a request ran into a mistake in the program');
      options.onBug?.(error);
    });
  }

  async start(): Promise<{ readonly http: Address | null; readonly socket: string | null }> {
    const { tcp, socketPath, token } = this.#options;
    try {
      if (socketPath !== null) await listenSocket(this.#createServer(OPEN_GUARD), socketPath);
      const http =
        tcp === null
          ? null
          : await listenTcp(this.#createServer(new TcpGuard(tcp.host, token)), tcp.host, tcp.port);
      return { http, socket: socketPath };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#handler.closing = true;
    this.#hub.close();
    const closed = this.#servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeIdleConnections();
        }),
    );
    const deadline = setTimeout(() => {
      for (const server of this.#servers) server.closeAllConnections();
    }, this.#times.closeGraceMs);
    await Promise.all(closed);
    clearTimeout(deadline);
    this.#servers.length = 0;
  }

  #createServer(guard: Guard): Server {
    const times = this.#times;
    const lane = new Lane(guard, times.listPatienceMs);
    const server = createServer({
      connectionsCheckingInterval: times.checkPeriodMs,
      headersTimeout: times.requestTimeoutMs,
      requestTimeout: times.requestTimeoutMs,
      keepAliveTimeout: times.keepAliveMs,
    });
    server.timeout = times.stallTimeoutMs;
    server.maxConnections = LIMITS.httpConnections;
    server.on('request', (req, res) => {
      this.#responses.set(req.socket, res);
      void this.#handler.handle(req, res, lane);
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.#refuse(error.code ?? '', socket as Socket),
    );
    server.on('drop', () => this.#counters.rejected('too-many-connections'));
    // After 'listening', an error of the listener itself (out of descriptors) must not end the process.
    server.on('error', (error) => {
      if (server.listening) this.#options.log.warn({ err: error }, 'http: the listener reports an error');
    });
    this.#servers.push(server);
    return server;
  }

  /** Bytes that are not HTTP, or too many, or too late: answered when nothing has been, and cut off. */
  #refuse(cause: string, socket: Socket): void {
    const lost = LOST.has(cause);
    const [code, message] = CLIENT_ERRORS.get(cause) ?? ['bad-http', 'this is not an HTTP request'];
    this.#counters.rejected(lost ? 'connection-lost' : code);
    const response = this.#responses.get(socket);
    const underWay = response?.headersSent && !response.writableFinished;
    if (!socket.writable || underWay || lost) {
      socket.destroy();
      return;
    }
    const status = statusOf(code);
    const body = errorBody(code, message);
    this.#counters.answered(status);
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  }
}

/** The client went away in the middle of something. */
const LOST: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE']);

const CLIENT_ERRORS = new Map<string, readonly [string, string]>([
  ['HPE_HEADER_OVERFLOW', ['headers-too-large', 'the address and headers are larger than 16 KB: send less']],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', ['too-large', 'the chunk extensions are too large: send none']],
  ['ERR_HTTP_REQUEST_TIMEOUT', ['request-timeout', 'the request did not arrive in time: send it faster']],
]);
