import { isIPv4, isIPv6 } from 'node:net';
import { LIMITS } from '../base/index.ts';

export interface StreamBounds {
  /** Streams open at once, in and out together. */
  readonly streams: number;
  /** Of them kept for this node's own calls, and for calls from where a member lives. */
  readonly ownStreams: number;
  readonly memberStreams: number;
  readonly unprovenStreams: number;
  readonly streamsPerHost: number;
}

/** Whether a stranger's call is taken, and which stream gives way to it. */
export interface Room {
  readonly refused: 'host' | 'all' | null;
  readonly victim: number | null;
}

interface Caller {
  readonly host: string;
  readonly member: boolean;
}

/**
 * Who called us and holds a place. A call that has not proved anything yet gives way to a newer one: the oldest of the
 * host that has the most of them, those of strangers before those of members' hosts. What proved itself stays.
 */
export class Callers {
  readonly #bounds: StreamBounds;
  readonly #isMember: (ip: string) => boolean;
  readonly #all = new Map<number, Caller>();
  readonly #hosts = new Map<string, number>();
  /** The oldest first. */
  readonly #unproven = new Map<number, Caller>();
  #strangers = 0;

  constructor(isMember: (ip: string) => boolean, bounds: StreamBounds = LIMITS) {
    this.#isMember = isMember;
    this.#bounds = bounds;
  }

  room(ip: string): Room {
    const { streams, ownStreams, memberStreams, unprovenStreams, streamsPerHost } = this.#bounds;
    const host = hostOf(ip);
    if ((this.#hosts.get(host) ?? 0) >= streamsPerHost) {
      const victim = this.#oldest((one) => one.host === host);
      return { refused: victim === null ? 'host' : null, victim };
    }
    const member = this.#isMember(ip);
    const places = streams - ownStreams;
    const full = this.#all.size >= places || (!member && this.#strangers >= places - memberStreams);
    if (!full && this.#unproven.size < unprovenStreams) return { refused: null, victim: null };
    const victim = this.#oldestOfMost(false) ?? (member ? this.#oldestOfMost(true) : null);
    return { refused: victim === null ? 'all' : null, victim };
  }

  add(stream: number, ip: string): void {
    const caller = { host: hostOf(ip), member: this.#isMember(ip) };
    this.#all.set(stream, caller);
    this.#unproven.set(stream, caller);
    this.#hosts.set(caller.host, (this.#hosts.get(caller.host) ?? 0) + 1);
    if (!caller.member) this.#strangers++;
  }

  isUnproven(stream: number): boolean {
    return this.#unproven.has(stream);
  }

  proved(stream: number): void {
    this.#unproven.delete(stream);
  }

  remove(stream: number): void {
    const caller = this.#all.get(stream);
    if (caller === undefined) return;
    this.#all.delete(stream);
    this.#unproven.delete(stream);
    if (!caller.member) this.#strangers--;
    const left = (this.#hosts.get(caller.host) ?? 1) - 1;
    if (left === 0) this.#hosts.delete(caller.host);
    else this.#hosts.set(caller.host, left);
  }

  #oldestOfMost(member: boolean): number | null {
    const counts = new Map<string, number>();
    let most = '';
    for (const one of this.#unproven.values()) {
      if (one.member !== member) continue;
      const count = (counts.get(one.host) ?? 0) + 1;
      counts.set(one.host, count);
      if (count > (counts.get(most) ?? 0)) most = one.host;
    }
    return this.#oldest((one) => one.host === most && one.member === member);
  }

  #oldest(which: (one: Caller) => boolean): number | null {
    for (const [stream, one] of this.#unproven) if (which(one)) return stream;
    return null;
  }
}

/** What one machine can call from at will counts as one: all of 127/8, and the /64 of an IPv6 address. */
export function hostOf(ip: string): string {
  if (isIPv4(ip)) return ip.startsWith('127.') ? '127' : ip;
  if (!isIPv6(ip) || ip === '::1') return ip;
  const [head = '', tail] = (ip.split('%')[0] as string).split('::') as [string, string?];
  const before = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
    while (before.length < 8 - after) before.push('0');
    if (tail !== '') before.push(...tail.split(':'));
  }
  return `${before
    .slice(0, 4)
    .map((part) => Number.parseInt(part, 16).toString(16))
    .join(':')}/64`;
}
