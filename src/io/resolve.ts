import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { BoundedMap, LIMITS } from '../base/index.ts';

interface Entry {
  readonly ip: string;
  readonly untilMs: number;
}

const FRESH_MS = 60_000;
/** After a failed lookup, so that a name that does not resolve costs one query per this time. */
const RETRY_MS = 5_000;

/** Host names to IP addresses for datagrams, which cannot wait: an unknown name is looked up for the next one. */
export class Resolver {
  readonly #family: 0 | 4;
  readonly #nowMs: () => number;
  readonly #known = new BoundedMap<string, Entry>(LIMITS.resolvedHosts);

  /** `family` 4: the socket speaks IPv4 only. */
  constructor(family: 0 | 4, nowMs: () => number) {
    this.#family = family;
    this.#nowMs = nowMs;
  }

  /** The address to send to now, or null. A stale one is used while it is looked up again. */
  now(host: string): string | null {
    if (isIP(host) !== 0) return host;
    const entry = this.#known.get(host);
    if (entry === undefined || entry.untilMs <= this.#nowMs()) this.#refresh(host, entry?.ip ?? '');
    return entry === undefined || entry.ip === '' ? null : entry.ip;
  }

  #refresh(host: string, old: string): void {
    this.#known.set(host, { ip: old, untilMs: this.#nowMs() + RETRY_MS });
    lookup(host, { family: this.#family }, (error, ip) => {
      if (error === null) this.#known.set(host, { ip, untilMs: this.#nowMs() + FRESH_MS });
    });
  }
}
