import { LIMITS } from '../../src/base/index.ts';
import type { SimHost } from './host.ts';
import type { World } from './world.ts';

/** A connection that finds nobody, and one that gets nothing through, are given up after these. */
const CONNECT_TIMEOUT_MS = 5000;
const STALL_TIMEOUT_MS = 10_000;
const SYN_RETRY_MS = 1000;
const RETRY_MIN_MS = 200;

const FIN = null;

interface End {
  readonly host: SimHost;
  /** The process it belongs to: another one at the same address knows nothing of it. */
  readonly epoch: number;
  readonly handle: number;
}

/** One direction: frames in order, each with the time at which the wire has carried it. */
class Lane {
  readonly frames: (Uint8Array | typeof FIN)[] = [];
  readonly readyMs: number[] = [];
  backlogBytes = 0;
  lastReadyMs = 0;
  armed = false;
  stuckSinceMs = -1;
  retryMs = RETRY_MIN_MS;
}

/** One TCP connection between two hosts: reliable and in order, slower under loss, broken by a long cut or a death. */
export class SimStream {
  readonly #world: World;
  readonly #ends: (End | null)[] = [null, null];
  readonly #hosts: [SimHost, SimHost | null];
  readonly #lanes: [Lane, Lane] = [new Lane(), new Lane()];
  #open = false;
  #dead = false;

  constructor(world: World, host: SimHost, handle: number) {
    this.#world = world;
    this.#hosts = [host, null];
    this.#ends[0] = { host, epoch: host.epoch, handle };
  }

  /** Tries until it is answered, refused or given up. `sinceMs` is when the first try was. */
  connect(to: string, sinceMs: number): void {
    if (this.#dead) return;
    const world = this.#world;
    const from = this.#hosts[0];
    const target = world.byAddress(to);
    if (world.nowMs - sinceMs > CONNECT_TIMEOUT_MS) {
      this.#break('connect timed out');
      return;
    }
    const silent =
      target === undefined ||
      target.off ||
      !world.network.reaches(from.index, target.index) ||
      !world.network.reaches(target.index, from.index) ||
      world.network.lost(from.index, target.index) ||
      world.network.lost(target.index, from.index);
    if (silent) {
      world.events.after(SYN_RETRY_MS, () => this.connect(to, sinceMs));
      return;
    }
    const there = world.network.delayMs();
    const back = world.network.delayMs();
    world.events.after(there, () => {
      if (this.#dead) return;
      if (!target.running) {
        world.events.after(back, () => this.#break('connection refused'));
        return;
      }
      const epoch = target.epoch;
      world.events.after(back + there, () => this.#establish(target, epoch));
    });
  }

  #establish(target: SimHost, epoch: number): void {
    if (this.#dead) return;
    const initiator = this.#ends[0] ?? null;
    if (!target.running || target.epoch !== epoch) {
      this.#break('connection reset');
      return;
    }
    const handle = target.acceptStream(this);
    this.#hosts[1] = target;
    this.#ends[1] = { host: target, epoch, handle };
    this.#open = true;
    if (initiator !== null) initiator.host.opened(initiator.handle);
    target.accepted(handle, this.#hosts[0].address);
    this.#pump(0);
    this.#pump(1);
  }

  hostOf(side: 0 | 1): SimHost | null {
    return this.#hosts[side];
  }

  /** Side 0 opened the stream, side 1 accepted it. */
  write(side: 0 | 1, frame: Uint8Array): void {
    const lane = this.#lanes[side];
    lane.backlogBytes += frame.length;
    if (lane.backlogBytes > LIMITS.streamBacklogBytes) {
      this.#break('too slow: too much is waiting');
      return;
    }
    this.#queue(side, frame, frame.length);
  }

  /** Sends what waits, then closes; the other side hears of it in order. */
  finish(side: 0 | 1): void {
    this.#ends[side] = null;
    if (!this.#open) {
      if (side === 0 && this.#lanes[0].frames.length === 0) {
        this.#dead = true;
        return;
      }
    }
    this.#queue(side, FIN, 0);
  }

  /** The process of one side is gone. Its kernel says so, unless the whole host is off. */
  orphan(side: 0 | 1): void {
    const host = this.#hosts[side];
    this.#ends[side] = null;
    if (!this.#open || host === null || host.off) {
      if (side === 0) this.#dead = !this.#open;
      return;
    }
    this.#lanes[side].frames.length = 0;
    this.#lanes[side].readyMs.length = 0;
    this.#queue(side, FIN, 0);
  }

  #queue(side: 0 | 1, frame: Uint8Array | typeof FIN, bytes: number): void {
    const lane = this.#lanes[side];
    lane.frames.push(frame);
    lane.readyMs.push(this.#open ? this.#readyMs(side, lane, bytes) : -bytes - 1);
    if (this.#open) this.#pump(side);
  }

  #readyMs(side: 0 | 1, lane: Lane, bytes: number): number {
    const from = (this.#hosts[side] as SimHost).index;
    const to = (this.#hosts[1 - side] as SimHost).index;
    const at = this.#world.nowMs + this.#world.network.streamDelayMs(from, to, bytes);
    lane.lastReadyMs = Math.max(lane.lastReadyMs, at);
    return lane.lastReadyMs;
  }

  #pump(side: 0 | 1): void {
    const lane = this.#lanes[side];
    if (lane.armed || this.#dead || lane.frames.length === 0) return;
    // What was written before the stream was open has its length instead of its time.
    let ready = lane.readyMs[0] as number;
    if (ready < 0) {
      ready = this.#readyMs(side, lane, -ready - 1);
      lane.readyMs[0] = ready;
    }
    lane.armed = true;
    this.#world.events.at(ready, () => {
      lane.armed = false;
      this.#deliver(side, lane);
    });
  }

  #deliver(side: 0 | 1, lane: Lane): void {
    if (this.#dead || lane.frames.length === 0) return;
    const world = this.#world;
    const from = this.#hosts[side] as SimHost;
    const to = this.#hosts[1 - side] as SimHost;
    if (
      to.off ||
      !world.network.reaches(from.index, to.index) ||
      !world.network.reaches(to.index, from.index)
    ) {
      this.#stall(side, lane);
      return;
    }
    lane.stuckSinceMs = -1;
    lane.retryMs = RETRY_MIN_MS;
    const end = this.#ends[1 - side] ?? null;
    const frame = lane.frames.shift() as Uint8Array | typeof FIN;
    lane.readyMs.shift();
    if (frame === FIN) {
      this.#dead = true;
      this.#tell(end, 'closed by the peer');
      return;
    }
    lane.backlogBytes -= frame.length;
    if (end === null) {
      // Nobody reads there any more: the kernel answers with a reset.
      const mine = this.#ends[side] ?? null;
      if (!this.#lanes[(1 - side) as 0 | 1].frames.includes(FIN)) {
        this.#dead = true;
        this.#tell(mine, 'connection reset');
      }
      return;
    }
    world.carried(to, frame);
    end.host.frame(end.handle, from, frame);
    this.#pump(side);
  }

  #stall(side: 0 | 1, lane: Lane): void {
    const world = this.#world;
    if (lane.stuckSinceMs < 0) lane.stuckSinceMs = world.nowMs;
    if (world.nowMs - lane.stuckSinceMs > STALL_TIMEOUT_MS) {
      this.#break('timed out');
      return;
    }
    lane.armed = true;
    world.events.after(lane.retryMs, () => {
      lane.armed = false;
      this.#deliver(side, lane);
    });
    lane.retryMs = Math.min(lane.retryMs * 2, 3000);
  }

  #break(reason: string): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#tell(this.#ends[0] ?? null, reason);
    this.#tell(this.#ends[1] ?? null, reason);
  }

  /** Later, never within the call that led to it: outputs do not call back. */
  #tell(end: End | null, reason: string): void {
    if (end === null) return;
    this.#world.events.after(0, () => {
      if (end.host.epoch !== end.epoch || !end.host.running) return;
      if (!end.host.dropStream(end.handle)) return;
      end.host.closed(end.handle, reason);
    });
  }
}
