import type { ServerResponse } from 'node:http';
import { ShoalError } from '../base/index.ts';
import type { Counters } from './counters.ts';

/** What a call answers with. `list` is `{"name":[items]}` written piece by piece. */
export type Reply =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'list'; readonly name: string; readonly items: readonly unknown[] }
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

  async send(res: ServerResponse, reply: Reply): Promise<void> {
    if (reply.kind === 'taken') return this.#counters.answered(200);
    if (reply.kind === 'list') return this.#sendList(res, reply.name, reply.items);
    if (reply.kind === 'json') return this.#sendText(res, 200, JSON_TYPE, `${JSON.stringify(reply.value)}\n`);
    for (const [name, value] of Object.entries(reply.headers ?? {})) res.setHeader(name, value);
    this.#sendText(res, reply.status, reply.contentType, reply.body);
  }

  sendError(res: ServerResponse, error: ShoalError): void {
    const status = statusOf(error.code);
    this.#counters.rejected(error.code);
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

  async #sendList(res: ServerResponse, name: string, items: readonly unknown[]): Promise<void> {
    this.#counters.answered(200);
    res.setHeader('Content-Type', JSON_TYPE);
    let text = `{${JSON.stringify(name)}:[`;
    for (let i = 0; i < items.length; i++) {
      text += (i === 0 ? '' : ',') + JSON.stringify(items[i]);
      if (text.length < PIECE_CHARS) continue;
      if (res.destroyed) return;
      if (!res.write(text)) await drained(res);
      text = '';
    }
    if (!res.destroyed) res.end(`${text}]}\n`);
  }
}

/** Resolves when the reader has taken what was written, or is gone. */
function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      res.off('drain', done);
      res.off('close', done);
      resolve();
    };
    res.on('drain', done);
    res.on('close', done);
  });
}

/** A mistake of ours, as the client sees it; the log has the rest. */
export function internalError(): ShoalError {
  return new ShoalError('internal', 'something went wrong inside shoal: its log says what');
}
