/** For this room's tests: a node that answers from constants and remembers what it was asked, and a plain client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, parseNodeId, splitAddress } from '../base/index.ts';
import type {
  ConvergedView,
  EventType,
  EventView,
  MetricFamily,
  NodeApi,
  RangeView,
} from '../node/contract.ts';
import { createHttpServer, type HttpServer, type HttpServerOptions } from './index.ts';

export const ID = parseNodeId('00112233445566ff');
const OWNER = { node: ID, name: 'ant', priority: 3 };

export class FakeNode implements NodeApi {
  readonly calls: unknown[][] = [];
  readonly history: EventView[] = [];
  readonly listeners = new Set<(event: EventView) => void>();
  /** Thrown by the next call of any method that goes through `#note`. */
  failure: Error | null = null;
  isReady = true;
  families: MetricFamily[] = [];
  rangeCount = 1;
  #ranges: RangeView[] = [];
  convergence: Promise<ConvergedView> = Promise.resolve({ converged: true, digest: 'd', members: [] });

  status() {
    this.#note('status');
    return { node: { id: ID }, cluster: 'test' } as unknown as ReturnType<NodeApi['status']>;
  }
  members() {
    return [{ id: ID, name: 'ant' }] as unknown as ReturnType<NodeApi['members']>;
  }
  ranges(node?: string) {
    this.#note('ranges', node);
    if (this.#ranges.length !== this.rangeCount)
      this.#ranges = Array.from({ length: this.rangeCount }, (_, i) => ({ ...OWNER, start: i, end: i }));
    return this.#ranges;
  }
  segments() {
    return [{ start: 0, end: 0xffffffff, owners: [OWNER] }];
  }
  ownersAt(position: number) {
    this.#note('ownersAt', position);
    return { position, slot: position >>> 18, owners: [OWNER] };
  }
  ownersOfKey(key: string) {
    this.#note('ownersOfKey', key);
    return { position: 5, slot: 0, owners: [] };
  }
  coverage(copies: number) {
    this.#note('coverage', copies);
    return { covered: true, copies, missingPositions: 0, gaps: [] };
  }
  converged(waitMs: number) {
    this.#note('converged', waitMs);
    return this.convergence;
  }
  async register(input: { start: number; end: number; priority: number }) {
    this.#note('register', input);
    return { ...OWNER, start: input.start, end: input.end, priority: input.priority };
  }
  async adjust(input: { start: number; end: number; by: number }) {
    this.#note('adjust', input);
    return { released: true as const };
  }
  async release(input: { start: number; end: number }) {
    this.#note('release', input);
    return { released: true as const };
  }
  async join(addresses: readonly string[]) {
    this.#note('join', addresses);
    return { reached: addresses.length, failed: [] };
  }
  async leave(options: { release: boolean }) {
    this.#note('leave', options);
  }
  async forceLeave(node: string) {
    this.#note('forceLeave', node);
  }
  keys() {
    this.#note('keys');
    return [
      {
        id: '0a1b2c3d',
        primary: true,
        holders: 1,
        sealedMessages: 1,
        openedMessages: 2,
        lastSealedMs: 3,
        lastOpenedMs: null,
      },
    ];
  }
  async changeKeys(operation: string, key: string) {
    this.#note('changeKeys', operation, key);
    return this.keys();
  }
  ready() {
    return { ready: this.isReady, reason: this.isReady ? 'in sync' : 'not joined yet' };
  }
  metrics() {
    return this.families;
  }
  onEvent(listener: (event: EventView) => void) {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
  eventsAfter(afterId: number) {
    return this.history.filter((event) => event.id > afterId);
  }
  propagationMs() {
    return [1.5, 2];
  }

  emit(type: EventType, name = 'ant'): EventView {
    const id = (this.history.at(-1)?.id ?? 0) + 1;
    const event: EventView = { id, type, time: '2026-01-01T00:00:00.000Z', subject: ID, name, origin: null };
    this.history.push(event);
    for (const listener of this.listeners) listener(event);
    return event;
  }

  #note(...call: unknown[]): void {
    this.calls.push(call);
    if (this.failure !== null) throw this.failure;
  }
}

export interface Running {
  readonly node: FakeNode;
  readonly server: HttpServer;
  readonly port: number;
  readonly address: Address;
  readonly socketPath: string;
  readonly logged: unknown[];
  stop(): Promise<void>;
}

export async function run(overrides: Partial<HttpServerOptions> = {}): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-http-'));
  const node = new FakeNode();
  const logged: unknown[] = [];
  const log = {
    warn: (fields: object) => logged.push(fields),
    error: (fields: object) => logged.push(fields),
  };
  const server = createHttpServer({
    api: node,
    pageFiles: new Map([['/', { contentType: 'text/html; charset=utf-8', body: '<h1>shoal</h1>' }]]),
    tcp: { host: '127.0.0.1', port: 0 },
    socketPath: join(directory, 'shoal.sock'),
    token: 'secret',
    log,
    version: '0.1.0-test',
    ...overrides,
  });
  const started = await server.start();
  const address = started.http as Address;
  return {
    node,
    server,
    port: splitAddress(address)?.port ?? 0,
    address,
    socketPath: started.socket as string,
    logged,
    async stop() {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON, loosely typed: tests compare it whole. */
  readonly json: { error: { code: string; message: string; field?: string }; [name: string]: unknown };
}

export type Target = number | string;

/** One request on a connection of its own; a number is a TCP port, a string a Unix socket. */
export function ask(
  target: Target,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const where = typeof target === 'number' ? { host: '127.0.0.1', port: target } : { socketPath: target };
    const req = request({ ...where, method, path, headers, agent: false }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk;
      });
      res.on('error', reject);
      res.on('end', () => {
        const isJson = res.headers['content-type']?.startsWith('application/json') && text !== '';
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          text,
          json: isJson ? JSON.parse(text) : {},
        });
      });
    });
    req.on('error', reject);
    if (body === undefined) {
      req.end();
      return;
    }
    const bytes = Buffer.isBuffer(body)
      ? body
      : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    // Node's client sends the body of a DELETE without any length unless told.
    if (headers['transfer-encoding'] === undefined) req.setHeader('Content-Length', bytes.length);
    req.end(bytes);
  });
}

/** A raw connection that collects what arrives. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  closed = false;

  constructor(target: Target) {
    this.socket =
      typeof target === 'number' ? createConnection(target, '127.0.0.1') : createConnection(target);
    this.socket.setEncoding('utf8');
    this.socket.on('data', (chunk: string) => {
      this.text += chunk;
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }
}

/** Polls until true, or fails. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 10_000,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`still not so after ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
