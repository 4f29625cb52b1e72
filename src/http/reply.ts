import type { ServerResponse } from 'node:http';
import { ShoalError } from '../base/index.ts';
import type { Counters } from './counters.ts';
import type { Lane } from './lane.ts';

/**
 * What a call answers with. `list` is `{"name":[items]}`, made when it has a place and written piece by piece, each in a
 * turn of its own, as the reader takes them.
 */
export type Reply =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'list'; readonly name: string; readonly items: () => readonly unknown[] }
  | {
      readonly kind: 'text';
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The call has taken the response over (an event stream). */
  | { readonly kind: 'taken' };

const JSON_TYPE = 'application/json; charset=utf-8';
const PIECE_CHARS = 64 * 1024;

const STATUS = new Map<string, number>([
  ['unauthorized', 401],
  ['forbidden', 403],
  ['foreign-host', 403],
  ['cross-site', 403],
  ['not-found', 404],
  ['not-registered', 404],
  ['no-store', 404],
  ['unknown-node', 404],
  ['unknown-key', 404],
  ['method-not-allowed', 405],
  ['request-timeout', 408],
  ['name-conflict', 409],
  ['not-down', 409],
  ['member-is-self', 409],
  ['too-many-increments', 409],
  ['too-many-registrations', 409],
  ['not-sealed', 409],
  ['key-in-use', 409],
  ['too-many-keys', 409],
  ['too-large', 413],
  ['headers-too-large', 431],
  ['unknown-field', 400],
  ['unknown-parameter', 400],
  ['leaving', 503],
  ['overloaded', 503],
  ['too-many-watchers', 503],
  ['disk-full', 503],
  ['disk-failed', 503],
  ['timeout', 503],
  ['unreachable', 503],
]);

/** The status for a ShoalError's code; 500 for one that nobody listed, which is a mistake of ours. */
export function statusOf(code: string): number {
  return STATUS.get(code) ?? (code.startsWith('bad-') ? 400 : 500);
}

export function errorBody(code: string, message: string, field?: string): string {
  return `${JSON.stringify({ error: field === undefined ? { code, message } : { code, message, field } })}\n`;
}

const CSP = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** For every answer: what a browser must not do with it. */
export function setSafetyHeaders(res: ServerResponse): void {
  res.setHeader('Content-Security-Policy', CSP);
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Referrer-Policy', 'no-referrer');
  res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  res.setHeader('Cache-Control', 'no-store');
}

/** Writes replies and errors, and counts them. */
export class Replier {
  readonly #counters: Counters;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  async send(res: ServerResponse, reply: Reply, lane: Lane): Promise<void> {
    if (reply.kind === 'taken') return this.#counters.answered(200);
    if (reply.kind === 'list') return this.#sendList(res, reply.name, reply.items, lane);
    if (reply.kind === 'json') return this.#sendText(res, 200, JSON_TYPE, `${JSON.stringify(reply.value)}\n`);
    for (const [name, value] of Object.entries(reply.headers ?? {})) res.setHeader(name, value);
    this.#sendText(res, reply.status, reply.contentType, reply.body);
  }

  sendError(res: ServerResponse, error: ShoalError): void {
    const status = statusOf(error.code);
    this.#counters.rejected(error.code);
    if (error.code === 'overloaded') res.setHeader('Retry-After', '1');
    if (status === 401) res.setHeader('WWW-Authenticate', 'Bearer realm="shoal"');
    this.#sendText(res, status, JSON_TYPE, errorBody(error.code, error.message, error.field));
  }

  #sendText(res: ServerResponse, status: number, contentType: string, body: string): void {
    if (res.destroyed) return;
    this.#counters.answered(status);
    res.statusCode = status;
    res.setHeader('Content-Type', contentType);
    res.end(body);
  }

  async #sendList(
    res: ServerResponse,
    name: string,
    make: () => readonly unknown[],
    { places, turns }: Lane,
  ): Promise<void> {
    const place = places.take(res);
    try {
      const items = await turns.make(() => (place.gone ? [] : make()));
      this.#counters.answered(200);
      res.setHeader('Content-Type', JSON_TYPE);
      const pieces = piecesOf(name, items);
      for (let piece = pieces.next(); ; ) {
        if (place.gone) return;
        if (piece.done) {
          res.end(piece.value);
          return;
        }
        if (!res.write(piece.value)) await place.drained();
        piece = await turns.piece(() => pieces.next());
      }
    } finally {
      place.leave();
    }
  }
}

/** The last piece is what it returns. */
function* piecesOf(name: string, items: readonly unknown[]): Generator<string, string> {
  let text = `{${JSON.stringify(name)}:[`;
  for (let i = 0; i < items.length; i++) {
    text += (i === 0 ? '' : ',') + JSON.stringify(items[i]);
    if (text.length < PIECE_CHARS) continue;
    yield text;
    text = '';
  }
  return `${text}]}\n`;
}

/** A mistake of ours, as the client sees it; the log has the rest. */
export function internalError(): ShoalError {
  return new ShoalError('internal', 'something went wrong inside shoal: its log says what');
}
