import type { Address, NodeId } from '../../src/base/index.ts';
import { LIMITS } from '../../src/base/index.ts';
import type {
  Answer,
  Command,
  Machine,
  NodeEvent,
  NodeOptions,
  Outputs,
  Yielded,
} from '../../src/node/machine.ts';
import type { GroupSeal, Transport } from '../../src/seal/index.ts';
import { SimDisk } from './disk.ts';
import { SimStream } from './streams.ts';
import type { World } from './world.ts';

/** Timers are never finer than this, as on a real system they are not. */
const TIMER_STEP_MS = 0.1;
/** A machine that asks to be woken more often than this, for a second, is spinning. */
const WAKES_PER_SECOND = 3000;

export interface HostSpec {
  readonly name?: string;
  /** Hosts of one domain hear each other's multicast; -1 for none. */
  readonly domain?: number;
  readonly join?: readonly Address[];
  readonly ranges?: NodeOptions['ranges'];
  /** The node's clock runs at this times the true pace. */
  readonly clockRate?: number;
  readonly syncMs?: number;
}

interface Waiting {
  readonly command: Command;
  readonly sinceMs: number;
  readonly done: ((answer: Answer) => void) | undefined;
}

/** One board: a network address, a disk, a clock of its own, and now and then a running machine. */
export class SimHost {
  readonly world: World;
  readonly index: number;
  readonly address: Address;
  readonly spec: HostSpec;
  readonly disk: SimDisk;
  readonly domain: number;
  sendsMulticast = true;
  hearsMulticast = true;
  /** Power is off: it does not even refuse. */
  off = false;
  /** Raised whenever a process starts or ends. */
  epoch = 0;
  machine: Machine | null = null;
  /** How often it took a new id, and ended, because another process had its own. */
  renewals = 0;
  refusals = 0;
  /** Between the machine and the world, where the world is sealed. */
  seal: GroupSeal | null = null;
  /** The keyring on this host's disk. */
  keyring: Uint8Array | null = null;
  /** Every node id this host has had; more than one after its state directory was lost. */
  readonly ids: NodeId[] = [];
  /** Commands not answered yet, by token. */
  readonly waiting = new Map<number, Waiting>();
  #stalledUntilMs = 0;
  #bootedAtMs = 0;
  #clockZero = 0;
  #wakeAtMs = Infinity;
  #nextStream = -1;
  #nextToken = 1;
  #wakesThisSecond = 0;
  #wakeSecond = -1;
  /** Inputs that came during a stall. */
  #held: ((machine: Machine, nowMs: number) => void)[] = [];
  readonly #streams = new Map<number, { stream: SimStream; side: 0 | 1 }>();

  constructor(world: World, index: number, address: Address, spec: HostSpec) {
    this.world = world;
    this.index = index;
    this.address = address;
    this.spec = spec;
    this.domain = spec.domain ?? -1;
    this.disk = new SimDisk(world.events, world.diskRng, spec.syncMs ?? 2);
  }

  get name(): string {
    return this.spec.name ?? `n${this.index}`;
  }

  get running(): boolean {
    return this.machine !== null;
  }

  get id(): NodeId | null {
    return this.ids.at(-1) ?? null;
  }

  get stalled(): boolean {
    return this.#stalledUntilMs > this.world.nowMs;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** The node's own clock. */
  localMs(): number {
    return this.#clockZero + (this.world.nowMs - this.#bootedAtMs) * (this.spec.clockRate ?? 1);
  }

  /** `contacts`: besides those of the spec. */
  start(contacts: readonly Address[] = []): void {
    if (this.machine !== null) return;
    const world = this.world;
    this.off = false;
    this.epoch++;
    this.#bootedAtMs = world.nowMs;
    this.#clockZero = world.clockRng.below(1_000_000_000);
    this.#wakeAtMs = Infinity;
    this.#stalledUntilMs = 0;
    const boot = this.disk.boot();
    if (this.ids.at(-1) !== boot.id) this.ids.push(boot.id);
    const options: NodeOptions = {
      name: this.name,
      cluster: 'sim',
      advertise: this.address,
      resp: null,
      tags: {},
      capacity: {},
      version: 'sim',
      multicast: this.domain >= 0,
      join: [...(this.spec.join ?? []), ...contacts],
      ranges: this.spec.ranges ?? [],
      insecure: false,
    };
    world.started(this, boot);
    const transport = this.#transport();
    this.seal = world.sealing?.start(this, transport, () => this.machine) ?? null;
    try {
      this.machine = world.factory(
        boot,
        options,
        this.#outputs(this.seal?.outgoing ?? transport),
        world.machineRng(this),
      );
    } catch (error) {
      world.violate('threw', `${this.address}: while starting: ${stack(error)}`);
      return;
    }
    this.input((m, now) => m.start(now));
  }

  /** The process dies. With `power`, the host is off as well, and nobody is told. */
  crash(power: boolean): void {
    if (this.machine === null) {
      if (power) this.off = true;
      return;
    }
    this.disk.crash();
    this.#end(power);
  }

  /** Its state directory is lost. */
  wipe(): void {
    this.disk.wipe();
    this.keyring = null;
  }

  /** What the daemon does when it was told to stop, after `leave` was answered. */
  stopCleanly(): void {
    const machine = this.machine;
    if (machine === null) return;
    try {
      this.disk.stop(machine.nextCounter(), machine.snapshotBytes());
    } catch (error) {
      this.world.violate('threw', `${this.address}: while stopping: ${stack(error)}`);
    }
    this.#end(false);
  }

  /**
   * Nothing runs on this host until then; what arrives waits. `timersFirst`: it then finds its timers due before it reads
   * what came, as an event loop may.
   */
  stall(untilMs: number, timersFirst = false): void {
    this.#stalledUntilMs = untilMs;
    this.world.events.at(untilMs, () => {
      if (timersFirst) this.#held.unshift((m, now) => m.wake(now));
      this.#resume();
    });
  }

  #resume(): void {
    while (!this.stalled) {
      const act = this.#held.shift();
      if (act === undefined) return;
      this.input(act);
    }
  }

  command(command: Command, done?: (answer: Answer) => void): number {
    const token = this.#nextToken++;
    this.waiting.set(token, { command, sinceMs: this.world.nowMs, done });
    this.input((m, now) => m.command(token, command, now));
    return token;
  }

  /** Runs one input on the machine, and looks when it wants to be woken. */
  input(act: (machine: Machine, nowMs: number) => void): void {
    const machine = this.machine;
    if (machine === null) return;
    if (this.stalled) {
      this.#held.push(act);
      return;
    }
    try {
      act(machine, this.localMs());
    } catch (error) {
      this.world.violate('threw', `${this.address}: ${stack(error)}`);
      return;
    }
    const yielded = machine.yielded();
    if (yielded !== null) this.#giveUp(machine, yielded);
    else this.#rearm();
  }

  /** As the driver does: goes on as another node, or ends. */
  #giveUp(machine: Machine, { how, other }: Yielded): void {
    const renew = how === 'renew' && !this.disk.full;
    this.world.say(`n${this.index} gives up its id ${machine.id}: ${renew ? 'takes a new one' : 'ends'}`);
    const snapshot = machine.snapshotBytes();
    this.#end(false);
    const { epoch } = this;
    if (renew) {
      this.renewals++;
      this.disk.renew(snapshot);
      this.world.events.after(5, () => {
        if (this.epoch === epoch) this.start([other]);
      });
    } else {
      this.refusals++;
      this.world.onRefused(this);
    }
  }

  // What comes from the world, for the machine or for the seal in front of it.

  datagram(bytes: Uint8Array, from: SimHost, viaMulticast: boolean): void {
    const { seal, world } = this;
    if (seal === null) {
      world.arrived(this, from, bytes, viaMulticast);
      this.input((m, now) => m.datagram(bytes, from.address, viaMulticast, now));
    } else this.input(() => seal.incoming.datagram(bytes, from.address, viaMulticast));
  }

  opened(handle: number): void {
    const { seal } = this;
    this.input((m, now) => (seal === null ? m.opened(handle, now) : seal.incoming.opened(handle)));
  }

  accepted(handle: number, from: Address): void {
    const { seal } = this;
    this.input((m, now) =>
      seal === null ? m.accepted(handle, from, now) : seal.incoming.accepted(handle, from),
    );
  }

  frame(handle: number, from: SimHost, bytes: Uint8Array): void {
    const { seal, world } = this;
    if (seal === null) {
      world.heard(from, this, bytes);
      this.input((m, now) => m.frame(handle, bytes, now));
      return;
    }
    this.input(() => {
      const limit = seal.incoming.frameLimit?.(handle) ?? 0;
      if (bytes.length > limit)
        world.violate('too-large', `${this.address}: a frame over ${limit} bytes came`);
      seal.incoming.frame(handle, bytes);
    });
  }

  closed(handle: number, reason: string): void {
    const { seal } = this;
    this.input((m, now) =>
      seal === null ? m.closed(handle, reason, now) : seal.incoming.closed(handle, reason),
    );
  }

  /** Whoever is at the other end of a stream. */
  farEnd(handle: number): SimHost | null {
    const found = this.#streams.get(handle);
    return found === undefined ? null : found.stream.hostOf(found.side === 0 ? 1 : 0);
  }

  acceptStream(stream: SimStream): number {
    const handle = this.#nextStream--;
    this.#streams.set(handle, { stream, side: 1 });
    return handle;
  }

  /** True when the handle was still known. */
  dropStream(handle: number): boolean {
    return this.#streams.delete(handle);
  }

  #end(power: boolean): void {
    this.world.sealing?.checkDrops(this);
    this.epoch++;
    this.machine = null;
    this.seal = null;
    this.#held = [];
    this.off = power;
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.waiting.clear();
    for (const { stream, side } of streams) stream.orphan(side);
  }

  #rearm(): void {
    const machine = this.machine;
    if (machine === null) return;
    const local = machine.nextWakeMs();
    if (local === Infinity) return;
    const wait = (local - this.localMs()) / (this.spec.clockRate ?? 1);
    const at = this.world.nowMs + Math.max(TIMER_STEP_MS, wait);
    if (Number.isNaN(at)) this.world.violate('threw', `${this.address}: nextWakeMs is not a number`);
    // A later wish is found out when the timer set earlier fires: fewer timers on the heap.
    if (at >= this.#wakeAtMs) return;
    this.#wakeAtMs = at;
    const epoch = this.epoch;
    this.world.events.at(at, () => {
      if (epoch !== this.epoch || this.#wakeAtMs !== at) return;
      this.#wakeAtMs = Infinity;
      this.#wake();
    });
  }

  #wake(): void {
    const second = Math.floor(this.world.nowMs / 1000);
    if (second !== this.#wakeSecond) {
      this.#wakeSecond = second;
      this.#wakesThisSecond = 0;
    }
    if (++this.#wakesThisSecond === WAKES_PER_SECOND) {
      this.world.violate('spins', `${this.address}: asked to be woken ${WAKES_PER_SECOND} times in a second`);
    }
    const machine = this.machine;
    if (machine !== null && machine.nextWakeMs() <= this.localMs()) this.input((m, now) => m.wake(now));
    else this.#rearm();
  }

  #answered(token: number, answer: Answer): void {
    const waiting = this.waiting.get(token);
    if (waiting === undefined) {
      this.world.violate('answers', `${this.address}: a second answer to command ${token}, or to none`);
      return;
    }
    this.waiting.delete(token);
    this.world.answered(this, waiting.command, answer);
    // Later, because outputs do not call back.
    if (waiting.done !== undefined) {
      const done = waiting.done;
      done(answer);
    }
  }

  /** The network of the process that starts now; silent when it has ended. */
  #transport(): Transport {
    const { world, epoch } = this;
    const alive = (act: () => void) => {
      if (this.epoch === epoch) act();
    };
    return {
      send: (to, bytes) => alive(() => world.datagram(this, to, bytes)),
      multicast: (bytes) => alive(() => world.multicast(this, bytes)),
      connect: (handle, to) =>
        alive(() => {
          if (handle <= 0 || this.#streams.has(handle)) {
            world.violate('streams', `${this.address}: stream handle ${handle} used again`);
          }
          const stream = new SimStream(world, this, handle);
          this.#streams.set(handle, { stream, side: 0 });
          world.events.after(0, () => stream.connect(to, world.nowMs));
        }),
      write: (handle, frame) =>
        alive(() => {
          world.tap?.(this, handle, frame);
          const found = this.#streams.get(handle);
          if (found !== undefined) found.stream.write(found.side, frame);
        }),
      close: (handle) =>
        alive(() => {
          const found = this.#streams.get(handle);
          if (found === undefined) return;
          this.#streams.delete(handle);
          found.stream.finish(found.side);
        }),
    };
  }

  #outputs(network: Transport): Outputs {
    const { world, disk, epoch } = { world: this.world, disk: this.disk, epoch: this.epoch };
    const alive = (act: () => void) => {
      if (this.epoch === epoch) act();
    };
    return {
      send: (to, bytes) =>
        alive(() => {
          world.sent(this, to, bytes);
          network.send(to, bytes);
        }),
      multicast: (bytes) =>
        alive(() => {
          world.sent(this, null, bytes);
          network.multicast(bytes);
        }),
      connect: (handle, to) => alive(() => network.connect(handle, to)),
      write: (handle, frame) =>
        alive(() => {
          if (frame.length > LIMITS.frameBytes) {
            world.violate('too-large', `${this.address}: a frame of ${frame.length} bytes`);
          }
          network.write(handle, frame);
        }),
      close: (handle) => alive(() => network.close(handle)),
      persist: (record, token) =>
        alive(() => {
          world.persisted(this, record);
          disk.persist(record, (error) => this.input((m, now) => m.persisted(token, error, now)));
        }),
      note: (record) => alive(() => disk.note(record)),
      lease: (upTo) =>
        alive(() => disk.lease(upTo, (error) => this.input((m, now) => m.leased(upTo, error, now)))),
      snapshot: (bytes) => alive(() => disk.snapshot(bytes)),
      answer: (token, answer) => alive(() => this.#answered(token, answer)),
      published: (channel, message) => alive(() => world.published(this, channel, message)),
      event: (event: NodeEvent) => alive(() => world.happened(this, event)),
      log: (level, message, fields) => world.logged(this, level, message, fields),
    };
  }
}

function stack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
