import { type Address, splitAddress } from '../base/index.ts';

/** To list the members costs something, and callers may come by the thousand. */
const KEPT_MS = 1000;

/** Where members live, as the member list said it within the last second. */
export class KnownHosts {
  readonly #members: () => readonly Address[];
  readonly #nowMs: () => number;
  #hosts: ReadonlySet<string> = new Set();
  #readMs = -Infinity;

  constructor(members: () => readonly Address[], nowMs: () => number) {
    this.#members = members;
    this.#nowMs = nowMs;
  }

  has(ip: string): boolean {
    const nowMs = this.#nowMs();
    if (nowMs - this.#readMs >= KEPT_MS) {
      this.#readMs = nowMs;
      this.#hosts = new Set(this.#members().map((address) => splitAddress(address)?.host ?? ''));
    }
    return this.#hosts.has(ip);
  }
}
