import type { Socket } from 'node:dgram';
import { type Address, LIMITS, systemReason } from '../base/index.ts';
import type { NetworkCounters } from './counters.ts';
import { isLoopback, multicastAddresses } from './interfaces.ts';
import type { Log } from './log.ts';
import { plain, type UdpEndpoint } from './udp.ts';

export interface MulticastGroup {
  readonly host: string;
  readonly port: number;
  /** Interface name or address; null: by the bind address. */
  readonly interface: string | null;
  readonly bindHost: string;
  /** Routers a multicast may pass. */
  readonly ttl: number;
}

/** How often interfaces are looked at: one that came or came back is joined within it. */
const CHECK_MS = 30_000;
/** Sooner after an error, or while there is nothing but loopback. */
const SOON_MS = 2_000;

/**
 * IP multicast (RFC 1112). Receives on a socket of its own, bound to the group, which every process of this machine
 * may share; sends through the gossip socket, so that receivers see the gossip address as the source and answer there.
 * What an interface refuses (no route, no such option under an emulator) is logged once and tried again later.
 */
export class Multicast {
  readonly #udp: UdpEndpoint;
  readonly #receiver: Socket;
  readonly #group: MulticastGroup;
  readonly #counters: NetworkCounters;
  readonly #log: Log;
  readonly #joined = new Set<string>();
  readonly #complaints = new Set<string>();
  /** The interface the gossip socket sends multicast through now. */
  #outgoing: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerMs = 0;
  #closed = false;

  constructor(
    udp: UdpEndpoint,
    receiver: Socket,
    group: MulticastGroup,
    counters: NetworkCounters,
    log: Log,
    onDatagram: (bytes: Uint8Array, from: Address) => void,
  ) {
    this.#udp = udp;
    this.#receiver = receiver;
    this.#group = group;
    this.#counters = counters;
    this.#log = log;
    receiver.on('error', (error) => this.#complain('receiving', error));
    receiver.on('message', (bytes, from) => {
      counters.multicastsIn++;
      counters.multicastBytesIn += bytes.length;
      if (this.#isForeign(from.address)) counters.foreign++;
      else if (bytes.length > LIMITS.datagramBytes) counters.oversized++;
      else onDatagram(plain(bytes), udp.sourceOf(from));
    });
    this.#attempt('ttl', () => udp.socket.setMulticastTTL(group.ttl));
    this.#attempt('loopback', () => udp.socket.setMulticastLoopback(true));
    this.check();
  }

  /** Interfaces that receive, by address. */
  get joined(): readonly string[] {
    return [...this.#joined];
  }

  send(bytes: Uint8Array): void {
    for (const address of this.#joined) {
      if (address !== this.#outgoing) {
        // Falls back to the system's choice where it cannot be set.
        this.#attempt('interface', () => this.#udp.socket.setMulticastInterface(address));
        this.#outgoing = address;
      }
      this.#counters.multicastsOut++;
      this.#counters.multicastBytesOut += bytes.length;
      this.#udp.sendTo(this.#group.host, this.#group.port, bytes);
    }
  }

  /** A send failed: perhaps an interface went. Looks again soon. */
  suspect(): void {
    this.#outgoing = null;
    this.#arm(SOON_MS);
  }

  /** Joins what is not joined; leaves what is gone. Memberships outlive a link that goes down, not an interface. */
  check(): void {
    const wanted = multicastAddresses(this.#group.interface, this.#group.bindHost);
    for (const address of this.#joined) {
      if (wanted.includes(address)) continue;
      this.#joined.delete(address);
      try {
        this.#receiver.dropMembership(this.#group.host, address);
      } catch {
        // Gone with its interface.
      }
      this.#log.info({ interface: address }, 'multicast left an interface');
    }
    for (const address of wanted) this.#join(address);
    const settled = wanted.length > 0 && this.#joined.size === wanted.length;
    const waiting =
      this.#group.interface === null && isLoopback(wanted[0] ?? '') && !isLoopback(this.#group.bindHost);
    this.#arm(settled && !waiting ? CHECK_MS : SOON_MS);
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    return new Promise((resolve) => this.#receiver.close(() => resolve()));
  }

  /**
   * The kernel hands a group's datagrams to every socket of the machine bound to it, whichever interface it joined:
   * a node on loopback must hear nothing from outside, and one outside nothing of the groups on loopback.
   */
  #isForeign(source: string): boolean {
    if (!isLoopback(source)) return isLoopback(this.#group.bindHost);
    for (const address of this.#joined) if (isLoopback(address)) return false;
    return true;
  }

  #join(address: string): void {
    try {
      this.#receiver.addMembership(this.#group.host, address);
      this.#outgoing = null;
    } catch (error) {
      // EADDRINUSE: a member already, which is the usual case of the periodic check.
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
        this.#joined.delete(address);
        this.#complain(`joining on ${address}`, error as Error);
        return;
      }
    }
    if (this.#joined.has(address)) return;
    this.#joined.add(address);
    this.#complaints.delete(`joining on ${address}`);
    this.#log.info(
      { group: `${this.#group.host}:${this.#group.port}`, interface: address },
      'multicast joined an interface',
    );
  }

  #arm(delayMs: number): void {
    if (this.#closed || (this.#timer !== null && this.#timerMs <= delayMs)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerMs = delayMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.check();
    }, delayMs);
    this.#timer.unref();
  }

  #attempt(what: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#complain(what, error as Error);
    }
  }

  #complain(what: string, error: Error): void {
    if (this.#complaints.has(what)) return;
    this.#complaints.add(what);
    const code = (error as NodeJS.ErrnoException).code ?? error.message;
    this.#log.warn(
      { what, code },
      `multicast: ${what} failed (${systemReason(error)}); the node goes on without it`,
    );
  }
}
