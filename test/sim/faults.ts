import type { SeededRng } from '../../src/base/index.ts';
import type { SimHost } from './host.ts';
import type { LinkProfile } from './network.ts';
import type { World } from './world.ts';

export const FAULT_KINDS = [
  'crash',
  'power',
  'wipe',
  'stop',
  'partition',
  'cut',
  'burst',
  'mute',
  'stall',
  'disk-full',
  'force-leave',
] as const;
/** Copies of state directories, in the place of another's or of a later state of its own: in some runs only. */
export const IDENTITY_KINDS = ['clone', 'restore'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number] | (typeof IDENTITY_KINDS)[number];

/** What the world tells whoever keeps the omniscient view, before a host loses something. */
export interface FaultListener {
  beforeCrash(host: SimHost): void;
  beforeWipe(host: SimHost): void;
  /** A host is told to leave, or is marked so by another. */
  beforeLeave(host: SimHost): void;
}

/** A link drawn from the seed; half of the properties are off in any one run. */
export function drawLink(rng: SeededRng): LinkProfile {
  const on = () => rng.below(2) === 0;
  return {
    delayMs: 0.2 + (on() ? rng.unit() * 40 : 0),
    jitterMs: on() ? rng.unit() * 30 : 0,
    lossP: on() ? rng.unit() * 0.35 : 0,
    duplicateP: on() ? rng.unit() * 0.2 : 0,
    lateP: on() ? rng.unit() * 0.1 : 0,
    lateMs: 3000 * rng.unit(),
  };
}

/**
 * Draws and applies faults. Each run has a random half of the kinds (swarm testing: a fault that is always there hides
 * what only happens without it). `heal` ends them all.
 */
export class Faults {
  readonly #world: World;
  readonly #rng: SeededRng;
  readonly #listener: FaultListener;
  readonly kinds: readonly FaultKind[];
  #healed = false;
  /** Hosts that were told to leave and have not stopped yet. */
  stopping = 0;
  /** Hosts that are meant to stay away. */
  readonly gone = new Set<SimHost>();
  /** Hosts that left or were forced out: the others no longer look for them where they were. */
  readonly #leavers = new Set<SimHost>();
  /** How many of each happened. */
  readonly counts = new Map<FaultKind, number>();

  constructor(
    world: World,
    rng: SeededRng,
    listener: FaultListener,
    given: { readonly kinds?: readonly FaultKind[]; readonly identities?: boolean } = {},
  ) {
    this.#world = world;
    this.#rng = rng;
    this.#listener = listener;
    const drawn = given.kinds ?? FAULT_KINDS.filter(() => rng.below(2) === 0);
    this.kinds = given.identities === true ? [...drawn, ...IDENTITY_KINDS] : drawn;
    world.onRefused = (host) => this.#startAnew(host);
  }

  /** Spreads `count` faults over [fromMs, toMs). */
  schedule(count: number, fromMs: number, toMs: number): void {
    if (this.kinds.length === 0) return;
    for (let i = 0; i < count; i++) {
      const kind = this.kinds[this.#rng.below(this.kinds.length)] as FaultKind;
      const at = fromMs + this.#rng.unit() * (toMs - fromMs);
      const lastsMs = 100 + this.#rng.unit() ** 2 * 10_000;
      this.#world.events.at(at, () => this.#strike(kind, lastsMs));
    }
  }

  /** Ends every fault: all wires whole, all disks writable, all hosts up that are not gone for good. */
  heal(): void {
    this.#healed = true;
    const world = this.#world;
    world.say('everything heals');
    world.network.heal();
    const link = world.network.link;
    world.network.link = { ...link, lossP: Math.min(link.lossP, 0.1), lateP: 0, duplicateP: 0 };
    for (const host of world.hosts) {
      host.disk.full = false;
      host.sendsMulticast = true;
      host.hearsMulticast = true;
      host.stall(0);
      if (!this.gone.has(host)) host.start();
    }
  }

  #strike(kind: FaultKind, lastsMs: number): void {
    if (this.#healed) return;
    const hosts = this.#world.hosts;
    const host = hosts[this.#rng.below(hosts.length)] as SimHost;
    // A contact that has left and then lost its disk is a stranger at an address nobody tries any more: out of reach.
    if (kind === 'wipe' && host.index <= 1 && this.#leavers.has(host)) return;
    if (kind === 'stop' || kind === 'force-leave') this.#leavers.add(host);
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#world.say(`fault: ${kind} n${host.index} for ${lastsMs.toFixed(0)} ms`);
    switch (kind) {
      case 'crash':
      case 'power':
        this.#crash(host, kind === 'power', false, lastsMs);
        break;
      case 'wipe':
        this.#crash(host, this.#rng.below(2) === 0, true, lastsMs);
        break;
      case 'stop':
        this.#stop(host, lastsMs);
        break;
      case 'partition':
        this.#partition(lastsMs);
        break;
      case 'cut':
        this.#cut(host, lastsMs);
        break;
      case 'burst':
        this.#world.network.hostLoss(host.index, 0.3 + 0.7 * this.#rng.unit());
        this.#until(lastsMs, () => this.#world.network.hostLoss(host.index, 0));
        break;
      case 'mute':
        this.#mute(host, lastsMs);
        break;
      case 'stall':
        host.stall(this.#world.nowMs + lastsMs);
        break;
      case 'disk-full':
        host.disk.full = true;
        this.#until(lastsMs, () => {
          host.disk.full = false;
        });
        break;
      case 'force-leave':
        this.#forceLeave(host);
        break;
      case 'clone':
        this.#clone(host, lastsMs);
        break;
      case 'restore':
        this.#restore(host, lastsMs);
        break;
    }
  }

  /** Another host's disk is overwritten with the image of this one's, which runs on. */
  #clone(host: SimHost, lastsMs: number): void {
    const target = this.#world.hosts[this.#rng.below(this.#world.hosts.length)] as SimHost;
    if (target === host || host.id === null || this.#leavers.has(host) || this.#leavers.has(target)) return;
    this.#listener.beforeWipe(target);
    this.#listener.beforeCrash(target);
    target.crash(false);
    target.disk.restore(host.disk.copy());
    this.#comeBack(target, lastsMs / 4);
  }

  /** A backup is made now, and put back a while later. */
  #restore(host: SimHost, lastsMs: number): void {
    const copy = host.disk.copy();
    if (copy.id === null) return;
    this.#until(lastsMs / 2, () => {
      if (host.disk.copy().id !== copy.id || this.gone.has(host)) return;
      this.#listener.beforeWipe(host);
      this.#listener.beforeCrash(host);
      host.crash(false);
      host.disk.restore(copy);
      this.#comeBack(host, lastsMs / 4);
    });
  }

  /** What the error tells the operator to do: the copied directory is moved away, and a new node started. */
  #startAnew(host: SimHost): void {
    this.#listener.beforeWipe(host);
    host.disk.wipe();
    this.#world.events.after(1000, () => {
      if (!this.gone.has(host) && !host.disk.full) host.start();
    });
  }

  #crash(host: SimHost, power: boolean, wipe: boolean, lastsMs: number): void {
    if (wipe) this.#listener.beforeWipe(host);
    this.#listener.beforeCrash(host);
    host.crash(power);
    if (wipe) host.wipe();
    this.#comeBack(host, lastsMs);
  }

  #stop(host: SimHost, lastsMs: number): void {
    if (!host.running) return;
    const { epoch } = host;
    this.#listener.beforeLeave(host);
    this.stopping++;
    host.command({ kind: 'leave', release: false });
    // As the daemon does: it stops when the machine has left, after two seconds at the latest.
    const byMs = this.#world.nowMs + 2000;
    const look = () => {
      const machine = host.machine;
      if (machine === null || host.epoch !== epoch) {
        this.stopping--;
        return;
      }
      if (!machine.left() && this.#world.nowMs < byMs) {
        this.#world.events.after(20, look);
        return;
      }
      this.stopping--;
      // On a full disk the notes are lost, and the last snapshot too.
      if (host.disk.full) this.#listener.beforeCrash(host);
      host.stopCleanly();
      // The first two are the others' contacts.
      const forGood = this.#rng.below(8) === 0 && host.index > 1;
      if (this.#healed) host.start();
      else if (forGood) {
        // What it had not spread is out of the group's reach from now on.
        this.#listener.beforeWipe(host);
        this.gone.add(host);
      } else this.#comeBack(host, lastsMs);
    };
    this.#world.events.after(20, look);
  }

  #comeBack(host: SimHost, afterMs: number): void {
    this.#until(afterMs, () => {
      // A daemon whose state directory is full refuses to start.
      if (host.disk.full) this.#comeBack(host, afterMs);
      else if (!this.gone.has(host)) host.start();
    });
  }

  #partition(lastsMs: number): void {
    const sides = this.#world.hosts.map(() => this.#rng.below(2));
    this.#world.network.partition(sides);
    this.#until(lastsMs, () => this.#world.network.partition([]));
  }

  #cut(host: SimHost, lastsMs: number): void {
    const other = this.#rng.below(this.#world.hosts.length);
    this.#world.network.cut(host.index, other);
    this.#until(lastsMs, () => this.#world.network.mend(host.index, other));
  }

  #mute(host: SimHost, lastsMs: number): void {
    const how = this.#rng.below(3);
    if (how !== 1) host.sendsMulticast = false;
    if (how !== 0) host.hearsMulticast = false;
    this.#until(lastsMs, () => {
      host.sendsMulticast = true;
      host.hearsMulticast = true;
    });
  }

  #forceLeave(host: SimHost): void {
    const others = this.#world.running().filter((other) => other !== host);
    const id = host.id;
    if (id === null || others.length === 0) return;
    this.#listener.beforeLeave(host);
    const by = others[this.#rng.below(others.length)] as SimHost;
    by.command({ kind: 'force-leave', node: id });
  }

  #until(afterMs: number, act: () => void): void {
    this.#world.events.after(afterMs, () => {
      if (!this.#healed) act();
    });
  }
}
