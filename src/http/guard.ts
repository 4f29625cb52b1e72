import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { ShoalError } from '../base/index.ts';

/** What a listener lets through. The index of this room says why. */
export interface Guard {
  /** The Unix socket: calls about secrets are answered here only. */
  readonly isLocal: boolean;
  /** @throws ShoalError `foreign-host`, `cross-site` */
  admit(req: IncomingMessage): void;
  /** @throws ShoalError `unauthorized`, `forbidden` when the request may not write. */
  authorize(req: IncomingMessage): void;
}

/** The Unix socket: the file's mode has decided already. */
export const OPEN_GUARD: Guard = { isLocal: true, admit() {}, authorize() {} };

const LOCAL_DOMAINS = ['.local', '.lan', '.home.arpa', '.internal'];
const HOW_TO_WRITE = 'use the Unix socket (--socket PATH), or send Authorization: Bearer TOKEN';

export class TcpGuard implements Guard {
  readonly isLocal = false;
  readonly #tokenHash: Buffer | null;
  readonly #names: ReadonlySet<string>;
  readonly #loopback: boolean;

  /** `boundHost` as configured. */
  constructor(boundHost: string, token: string | null) {
    this.#tokenHash = token === null ? null : sha256(token);
    this.#names = new Set([plainHost(boundHost), hostname().toLowerCase()]);
    this.#loopback = /^(127\.|::1$|localhost$)/.test(boundHost);
  }

  admit(req: IncomingMessage): void {
    // No Host is an HTTP/1.0 client, never a browser: node:http refuses the rest.
    const host = req.headers.host;
    if (host !== undefined && !this.#isOurs(plainHost(host)) && !this.#hasToken(req)) {
      throw new ShoalError(
        'foreign-host',
        `'${host.slice(0, 100)}' is not a name of this node: ask by its IP address, or send the token`,
      );
    }
    const site = req.headers['sec-fetch-site'];
    if (site === 'cross-site' && req.headers['sec-fetch-mode'] !== 'navigate' && !this.#hasToken(req))
      throw new ShoalError('cross-site', 'this node does not answer the pages of other sites');
  }

  authorize(req: IncomingMessage): void {
    if (this.#tokenHash === null)
      throw new ShoalError(
        'forbidden',
        'this address is read-only as no token is configured: use the Unix socket (--socket PATH)',
      );
    if (req.headers.authorization === undefined)
      throw new ShoalError('unauthorized', `writing needs authority: ${HOW_TO_WRITE}`);
    if (!this.#hasToken(req)) throw new ShoalError('forbidden', `the token is wrong: ${HOW_TO_WRITE}`);
  }

  #isOurs(host: string): boolean {
    if (isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost') || this.#names.has(host))
      return true;
    if (this.#loopback) return false;
    return !host.includes('.') || LOCAL_DOMAINS.some((domain) => host.endsWith(domain));
  }

  #hasToken(req: IncomingMessage): boolean {
    if (this.#tokenHash === null) return false;
    const match = /^bearer +(\S+) *$/i.exec(req.headers.authorization ?? '');
    // Hashes have one length, so that the comparison does not tell the token's.
    return match?.[1] !== undefined && timingSafeEqual(sha256(match[1]), this.#tokenHash);
  }
}

/** Lower case, without port, brackets and the root dot. */
function plainHost(host: string): string {
  const text = host.trim().toLowerCase();
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(text);
  if (bracketed?.[1] !== undefined) return bracketed[1];
  if (isIP(text) === 6) return text;
  return text.replace(/:\d*$/, '').replace(/\.$/, '');
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
