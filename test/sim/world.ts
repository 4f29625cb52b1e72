/**
 * The simulator's world: hosts, wires and disks around real node machines, on one seeded event heap.
 *
 * Intuition: a toy town in a box. Everything that can surprise a node (loss, delay, a dead disk, a drifting clock) is
 * drawn from one seed, so a surprise that broke something can be shown again as often as wanted. After TigerBeetle's
 * VOPR and FoundationDB's simulation.
 *
 * It knows nothing of what the machines say to each other, only of Outputs and Inputs (src/node/machine.ts). What went
 * wrong is collected in `violations`; the checkers (checkers.ts, model.ts) add what only a view of the whole shows.
 *
 * In: a factory of machines, a link profile, a seed. Out: violations, counts, a hash of everything that happened.
 * Invariants: the same seed and the same calls give the same trace (determinism.test.ts). Each source of luck has its
 * own generator, so that one more draw by one of them does not shift the others.
 * Departures from real life: processing takes no time, wires have no bandwidth (streams do take their round trips),
 * and a stream under a one-way cut is stuck both ways.
 */
import type { Address } from '../../src/base/index.ts';
import { fold32, LIMITS, murmur32, type Rng, SeededRng } from '../../src/base/index.ts';
import type { Answer, Boot, Command, LogLevel, NodeEvent, NodeFactory } from '../../src/node/machine.ts';
import { EventHeap } from './events.ts';
import { type HostSpec, SimHost } from './host.ts';
import { CLEAN_LINK, type LinkProfile, SimNetwork } from './network.ts';
import { Sealing } from './sealing.ts';

export interface Violation {
  /** Which rule: stable, so that a test can ask for it. */
  readonly rule: string;
  readonly message: string;
  readonly atMs: number;
}

/** What checkers and statistics may listen to. All optional; called synchronously. */
export interface Watcher {
  /** `to` is null for multicast. Called for what is sent, whether or not it arrives. */
  sent?(host: SimHost, to: Address | null, bytes: Uint8Array): void;
  /** A datagram that reached a running process. */
  arrived?(host: SimHost, from: SimHost, bytes: Uint8Array, viaMulticast: boolean): void;
  /** A frame that arrived on a stream. */
  carried?(from: SimHost, to: SimHost, frame: Uint8Array): void;
  started?(host: SimHost, boot: Boot): void;
  /** A record given to `persist`, whether or not it reaches the disk. */
  persisted?(host: SimHost, record: Uint8Array): void;
  happened?(host: SimHost, event: NodeEvent): void;
  /** Its machine hands on a message that another published. */
  published?(host: SimHost, channel: Uint8Array, message: Uint8Array): void;
  answered?(host: SimHost, command: Command, answer: Answer): void;
}

export interface WorldOptions {
  readonly seed: number;
  readonly factory: NodeFactory;
  readonly link?: Partial<LinkProfile>;
  /** Hash the bytes too, and keep the log: slower. */
  readonly trace?: boolean;
  readonly log?: (line: string) => void;
  /** All that is on the wires is sealed. */
  readonly sealed?: boolean;
}

export class World {
  readonly events = new EventHeap();
  readonly factory: NodeFactory;
  readonly network: SimNetwork;
  readonly hosts: SimHost[] = [];
  readonly watchers: Watcher[] = [];
  readonly violations: Violation[] = [];
  readonly sealing: Sealing | null;
  /** Hears all that is put on the wires, as it is there. `stream`: null for a datagram. */
  tap: ((from: SimHost, stream: number | null, bytes: Uint8Array) => void) | null = null;
  readonly diskRng: Rng;
  readonly clockRng: Rng;
  readonly #machineRng: SeededRng;
  readonly #wireRng: SeededRng;
  readonly #byAddress = new Map<string, SimHost>();
  readonly #domains = new Map<number, SimHost[]>();
  readonly #trace: boolean;
  readonly #log: ((line: string) => void) | undefined;
  #hash = 0x5eed;
  /** A host ended because another process has its id. */
  onRefused: (host: SimHost) => void = () => {};
  datagrams = 0;
  datagramBytes = 0;
  streamFrames = 0;
  streamBytes = 0;

  constructor(options: WorldOptions) {
    const root = new SeededRng(options.seed);
    this.#wireRng = root.fork();
    this.diskRng = root.fork();
    this.clockRng = root.fork();
    this.#machineRng = root.fork();
    this.factory = options.factory;
    this.network = new SimNetwork(this.#wireRng, { ...CLEAN_LINK, ...options.link });
    this.sealing = options.sealed === true ? new Sealing(this, options.seed) : null;
    this.#trace = options.trace ?? false;
    this.#log = options.log;
  }

  get nowMs(): number {
    return this.events.nowMs;
  }

  /** Equal for equal histories. */
  traceHash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  addHost(spec: HostSpec): SimHost {
    const index = this.hosts.length;
    const address = addressOf(index);
    const host = new SimHost(this, index, address, spec);
    this.hosts.push(host);
    this.#byAddress.set(address, host);
    if (host.domain >= 0) {
      const domain = this.#domains.get(host.domain);
      if (domain === undefined) this.#domains.set(host.domain, [host]);
      else domain.push(host);
    }
    return host;
  }

  byAddress(address: string): SimHost | undefined {
    return this.#byAddress.get(address);
  }

  running(): SimHost[] {
    return this.hosts.filter((host) => host.running);
  }

  machineRng(host: SimHost): Rng {
    return new SeededRng(this.#machineRng.u32() ^ host.index);
  }

  violate(rule: string, message: string): void {
    if (this.violations.length < 100) this.violations.push({ rule, message, atMs: this.nowMs });
  }

  /** Runs until a moment, or until something was violated. */
  runUntil(atMs: number): void {
    this.events.runUntil(atMs, () => this.violations.length > 0);
  }

  /** Runs until the condition holds, asking every `stepMs`; false when it did not by then. */
  runUntilTrue(condition: () => boolean, byMs: number, stepMs = 50): boolean {
    for (;;) {
      if (condition()) return true;
      if (this.nowMs >= byMs || this.violations.length > 0) return false;
      this.runUntil(Math.min(byMs, this.nowMs + stepMs));
    }
  }

  datagram(from: SimHost, to: Address, bytes: Uint8Array): void {
    this.tap?.(from, null, bytes);
    this.#note(1, from.index, bytes);
    this.datagrams++;
    this.datagramBytes += bytes.length;
    if (bytes.length > LIMITS.datagramBytes) {
      this.violate('too-large', `${from.address}: a datagram of ${bytes.length} bytes`);
      return;
    }
    const target = this.#byAddress.get(to);
    if (target === undefined) return;
    this.#carry(from, target, bytes, false);
  }

  multicast(from: SimHost, bytes: Uint8Array): void {
    this.tap?.(from, null, bytes);
    this.#note(2, from.index, bytes);
    this.datagrams++;
    this.datagramBytes += bytes.length;
    if (bytes.length > LIMITS.datagramBytes) {
      this.violate('too-large', `${from.address}: a multicast of ${bytes.length} bytes`);
      return;
    }
    if (from.domain < 0) {
      this.violate('multicast', `${from.address}: multicast though it is switched off`);
      return;
    }
    if (!from.sendsMulticast) return;
    // The sender hears itself, as on a real link.
    for (const target of this.#domains.get(from.domain) ?? []) {
      if (target.hearsMulticast) this.#carry(from, target, bytes, true);
    }
  }

  #carry(from: SimHost, target: SimHost, bytes: Uint8Array, viaMulticast: boolean): void {
    const network = this.network;
    if (!network.reaches(from.index, target.index)) return;
    if (from !== target && network.lost(from.index, target.index)) return;
    const arrive = () => {
      if (target.machine === null) return;
      this.#note(3, target.index, bytes);
      target.datagram(bytes, from, viaMulticast);
    };
    this.events.after(network.delayMs(), arrive);
    if (network.duplicated()) this.events.after(network.delayMs(), arrive);
  }

  carried(to: SimHost, frame: Uint8Array): void {
    this.#note(4, to.index, frame);
    this.streamFrames++;
    this.streamBytes += frame.length;
  }

  // What machines say and hear: where the world is sealed not what is on the wire.

  /** `to` is null for multicast. */
  sent(from: SimHost, to: Address | null, bytes: Uint8Array): void {
    for (const watcher of this.watchers) watcher.sent?.(from, to, bytes);
  }

  arrived(to: SimHost, from: SimHost, bytes: Uint8Array, viaMulticast: boolean): void {
    for (const watcher of this.watchers) watcher.arrived?.(to, from, bytes, viaMulticast);
  }

  heard(from: SimHost, to: SimHost, frame: Uint8Array): void {
    for (const watcher of this.watchers) watcher.carried?.(from, to, frame);
  }

  started(host: SimHost, boot: Boot): void {
    for (const watcher of this.watchers) watcher.started?.(host, boot);
  }

  persisted(host: SimHost, record: Uint8Array): void {
    for (const watcher of this.watchers) watcher.persisted?.(host, record);
  }

  happened(host: SimHost, event: NodeEvent): void {
    for (const watcher of this.watchers) watcher.happened?.(host, event);
    if (this.#log !== undefined) this.#write(host, 'event', `${event.type} ${JSON.stringify(event)}`);
  }

  published(host: SimHost, channel: Uint8Array, message: Uint8Array): void {
    for (const watcher of this.watchers) watcher.published?.(host, channel, message);
  }

  answered(host: SimHost, command: Command, answer: Answer): void {
    for (const watcher of this.watchers) watcher.answered?.(host, command, answer);
    if (this.#log !== undefined) {
      this.#write(host, 'answer', `${JSON.stringify(command)} -> ${JSON.stringify(answer)}`);
    }
  }

  logged(host: SimHost, level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void {
    if (this.#log !== undefined) this.#write(host, level, `${message} ${JSON.stringify(fields ?? {})}`);
  }

  /** A line of the verbose log: what the simulator did. */
  say(message: string): void {
    if (this.#log !== undefined) this.#log(`${this.nowMs.toFixed(2).padStart(10)} -- ${message}`);
  }

  #write(host: SimHost, what: string, text: string): void {
    this.#log?.(`${this.nowMs.toFixed(2).padStart(10)} n${host.index} ${what} ${text}`);
  }

  #note(what: number, host: number, bytes: Uint8Array): void {
    let h = fold32(this.#hash, (what << 24) ^ host);
    h = fold32(h, Math.floor(this.nowMs * 1000));
    this.#hash = fold32(h, this.#trace ? murmur32(bytes) : bytes.length);
  }
}

/** 10.0.0.1:29999 and on. */
export function addressOf(index: number): Address {
  const n = index + 1;
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}:29999` as Address;
}
