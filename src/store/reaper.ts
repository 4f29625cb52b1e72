import type { ReadThrough } from './backend.ts';
import { MARK_STEP_MS, markExpiryMs } from './marks.ts';
import { SLOTS } from './slot-index.ts';
import type { MessageTable } from './table.ts';

/** Work of one call: looking at a record is 1, removing one 3; well under a millisecond. */
const WORK = 2048;
const REMOVAL = 3;
/** Looking at a slot without records that are due. */
const SLOT_WORK = 1 / 64;
/**
 * When more than a tenth of what a call looked at was due, the next follows at once (Redis goes on for as long); else after so long, so that looking
 * takes a few percent at most.
 */
const WORTHWHILE = 1 / 10;
const PAUSE_MS = 20;
const IDLE_MS = 100;

type Disk = Pick<ReadThrough, 'sweep' | 'isBehind'>;

/**
 * Active expiry: removes records whose time has come although nobody asks for them. Goes round the slots that may have some
 * (the table knows how many records of a slot expire, and when the first of them does), in calls of bounded work. While nothing
 * expires a call is one comparison, ten times a second.
 */
export class Reaper {
  readonly #table: MessageTable;
  readonly #disk: Disk | null;
  #slot = 0;
  #hash = 0;
  #place = 0;
  /** Within the slot: the soonest expiry met so far. */
  #soonest = Infinity;
  #inside = false;
  /** Records met in this call. */
  #met = 0;
  readonly #refs: number[] = [];

  #timer: NodeJS.Timeout | NodeJS.Immediate | null = null;

  /** `disk`: where the rest is when the table is a cache. */
  constructor(table: MessageTable, disk: Disk | null = null) {
    this.#table = table;
    this.#disk = disk;
  }

  /** Calls itself from now on, between the turns of commands, until `stop`. */
  start(clock: () => number): void {
    if (this.#timer !== null) return;
    const turn = (): void => {
      const pauseMs = this.run(clock());
      // Immediate: what has come in meanwhile has its turn before the next call.
      this.#timer = pauseMs === 0 ? setImmediate(turn) : setTimeout(turn, pauseMs).unref();
    };
    this.#timer = setTimeout(turn, IDLE_MS).unref();
  }

  stop(): void {
    // Each of the two takes either.
    if (this.#timer !== null) clearTimeout(this.#timer as NodeJS.Timeout);
    if (this.#timer !== null) clearImmediate(this.#timer as NodeJS.Immediate);
    this.#timer = null;
  }

  /** Removes some of what is due at `nowMs`; says after how many milliseconds it wants to be called again. */
  run(nowMs: number): number {
    const table = this.#table;
    if (table.expiring === 0) {
      this.#inside = false;
      return IDLE_MS;
    }
    table.nowMs = nowMs;
    if (this.#disk?.isBehind() === true) return PAUSE_MS;
    const before = table.counters.expired;
    this.#met = 0;
    let work = WORK;
    let slots = SLOTS;
    while (work > 0 && slots > 0) {
      if (this.#inside || this.#enter(nowMs)) work -= this.#visit();
      else {
        work -= SLOT_WORK;
        slots--;
        this.#slot = (this.#slot + 1) % SLOTS;
      }
    }
    if (slots === 0) return IDLE_MS;
    return table.counters.expired - before > this.#met * WORTHWHILE ? 0 : PAUSE_MS;
  }

  #enter(nowMs: number): boolean {
    const table = this.#table;
    if (table.schedule.countIn(this.#slot) === 0 || table.schedule.soonestIn(this.#slot) > nowMs)
      return false;
    this.#hash = 0;
    this.#place = 0;
    this.#soonest = Infinity;
    this.#inside = true;
    // What is given an expiry from here on, while the slot is looked through, tells itself.
    table.schedule.setSoonest(this.#slot, Number.MAX_VALUE);
    return true;
  }

  /** One home of the index; what it cost. */
  #visit(): number {
    const table = this.#table;
    const refs = this.#refs;
    // To set a length costs as much as a look at ten records, whatever it was.
    if (refs.length > 0) refs.length = 0;
    table.scan(this.#slot, this.#hash, this.#place, refs);
    this.#place = table.nextPlace;
    this.#hash = table.nextHash;
    this.#met += refs.length;
    let work = 1 + refs.length;
    for (let i = 0; i < refs.length; i++) {
      table.show(refs[i] as number);
      if (table.isDue) {
        table.dropDue();
        work += REMOVAL;
      } else if (table.expiryMs !== 0 && table.expiryMs < this.#soonest) this.#soonest = table.expiryMs;
    }
    let due = false;
    for (const mark of table.marks) {
      const expiryMs = markExpiryMs(mark);
      if (expiryMs !== 0 && expiryMs < this.#soonest) this.#soonest = expiryMs;
      // What is noted is rounded down.
      if (expiryMs !== 0 && expiryMs + MARK_STEP_MS <= table.nowMs) due = true;
    }
    work += table.marks.length;
    if (due) this.#disk?.sweep(this.#slot);
    if (this.#hash === 2 ** 32) {
      this.#inside = false;
      table.schedule.setSoonest(this.#slot, Math.min(this.#soonest, table.schedule.soonestIn(this.#slot)));
      this.#slot = (this.#slot + 1) % SLOTS;
    }
    return work;
  }
}
