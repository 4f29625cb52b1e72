import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import { systemReason } from '../base/index.ts';
import { EXIT, VerbError } from './errors.ts';
import { describeTarget, type Target } from './target.ts';

export type Method = 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST';

/** The whole segment table of a large group fits well; anything beyond is not a daemon of ours. */
const MAX_ANSWER_CHARS = 512 * 1024 * 1024;

/** One daemon, asked over its Unix socket or TCP; a connection per call. */
export class HttpClient {
  readonly target: Target;
  readonly #timeoutMs: number;
  /** Somebody took a call. */
  #isThere = false;

  constructor(target: Target, timeoutMs: number) {
    this.target = target;
    this.#timeoutMs = timeoutMs;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /**
   * The answer's JSON. `extraMs` is time the daemon was asked to take.
   * @throws VerbError: `no` with the daemon's own words, or when it took the call and did not answer in time; or `noDaemon`.
   */
  async call(method: Method, path: string, body?: object, extraMs = 0): Promise<unknown> {
    const limitMs = this.#timeoutMs + extraMs;
    const deadline = AbortSignal.timeout(limitMs);
    try {
      const { req, answer } = this.#send(method, path, {}, body, deadline);
      const response = await answer;
      const text = await readAll(response, req);
      return this.#judge(response.statusCode ?? 0, text);
    } catch (error) {
      throw this.#explain(error, deadline.aborted ? limitMs : null);
    }
  }

  /** Opens the stream of events. The caller reads it, and `signal` ends it. */
  async openEvents(path: string, lastEventId: string | null, signal: AbortSignal): Promise<IncomingMessage> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastEventId !== null) headers['Last-Event-ID'] = lastEventId;
    // Only the opening has a deadline; the stream may be silent for long.
    const opening = new AbortController();
    const timer = setTimeout(() => opening.abort(), this.#timeoutMs);
    try {
      const { req, answer } = this.#send(
        'GET',
        path,
        headers,
        undefined,
        AbortSignal.any([signal, opening.signal]),
      );
      const response = await answer;
      if (response.statusCode === 200) return response;
      this.#judge(response.statusCode ?? 0, await readAll(response, req));
      throw this.#notShoal();
    } catch (error) {
      throw this.#explain(error, opening.signal.aborted ? this.#timeoutMs : null);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether anything still takes connections there. */
  isThere(): Promise<boolean> {
    const { target } = this;
    return new Promise((resolve) => {
      const socket =
        target.kind === 'socket'
          ? connect({ path: target.path })
          : connect({ host: target.host, port: target.port });
      const done = (there: boolean): void => {
        socket.destroy();
        resolve(there);
      };
      socket.once('connect', () => done(true));
      socket.once('error', () => done(false));
      socket.setTimeout(this.#timeoutMs, () => done(false));
    });
  }

  #send(
    method: Method,
    path: string,
    headers: Record<string, string>,
    body: object | undefined,
    signal: AbortSignal,
  ): { req: ClientRequest; answer: Promise<IncomingMessage> } {
    const { target } = this;
    const payload = body === undefined ? null : JSON.stringify(body);
    const where: RequestOptions =
      target.kind === 'socket' ? { socketPath: target.path } : { host: target.host, port: target.port };
    const req = request({ ...where, method, path, agent: false, headers: { ...headers }, signal });
    if (target.kind === 'url' && target.token !== null)
      req.setHeader('Authorization', `Bearer ${target.token}`);
    if (payload !== null) {
      req.setHeader('Content-Type', 'application/json');
      req.setHeader('Content-Length', Buffer.byteLength(payload));
    }
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      req.once('response', resolve);
      req.on('error', reject);
    });
    req.once('socket', (socket) =>
      socket.once('connect', () => {
        this.#isThere = true;
      }),
    );
    req.end(payload);
    return { req, answer };
  }

  #judge(status: number, text: string): unknown {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#notShoal();
    }
    if (status >= 200 && status < 300) return value;
    const message = (value as { error?: { message?: unknown } } | null)?.error?.message;
    if (typeof message !== 'string') throw this.#notShoal();
    throw new VerbError(EXIT.no, inWordsOfVerbs(message));
  }

  #notShoal(): VerbError {
    return new VerbError(
      EXIT.noDaemon,
      `what answers at ${describeTarget(this.target)} is not a shoal daemon: check --socket or --url`,
    );
  }

  /** `waitedMs` when time ran out. */
  #explain(error: unknown, waitedMs: number | null): VerbError {
    if (error instanceof VerbError) return error;
    const where = describeTarget(this.target);
    if (waitedMs !== null) {
      return new VerbError(
        this.#isThere ? EXIT.no : EXIT.noDaemon,
        `no answer from ${where} within ${waitedMs / 1000} s: try again, or give a longer --timeout`,
      );
    }
    const code = (error as { code?: unknown }).code;
    if (code === 'EACCES' || code === 'EPERM') {
      return new VerbError(EXIT.noDaemon, noPermission(where));
    }
    if (this.target.kind === 'url' && this.target.locked !== undefined) {
      return new VerbError(
        EXIT.noDaemon,
        `${noPermission(this.target.locked)}; and nobody answers at ${where}`,
      );
    }
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') {
      return new VerbError(
        EXIT.noDaemon,
        `no daemon at ${where}: start one with 'shoal agent', or say where it is with --socket or --url`,
      );
    }
    if (typeof code === 'string' && code.startsWith('HPE_')) return this.#notShoal();
    return new VerbError(
      EXIT.noDaemon,
      `cannot talk to ${where} (${systemReason(error)}): check --socket or --url`,
    );
  }
}

function noPermission(path: string): string {
  return `permission denied: this user may not open ${path}: run as root (sudo) or the user of the daemon, or read by --url`;
}

/** A verb does not send headers; it is given options. */
function inWordsOfVerbs(message: string): string {
  return message.replace(
    'send Authorization: Bearer TOKEN',
    "give --token-file FILE with the daemon's token",
  );
}

async function readAll(response: IncomingMessage, req: ClientRequest): Promise<string> {
  response.setEncoding('utf8');
  const pieces: string[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<string>) {
    pieces.push(piece);
    length += piece.length;
    if (length > MAX_ANSWER_CHARS) {
      req.destroy();
      throw new Error('the answer has no end');
    }
  }
  return pieces.join('');
}
