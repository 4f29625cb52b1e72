import type { SeededRng } from '../../src/base/index.ts';
import { sleep } from '../bench/proc.ts';
import type { Clients } from './client.ts';
import type { Board } from './fleet.ts';
import type { Asked, ChangeKind, Entry, Ledger } from './ledger.ts';

/** Calls that may wait on one board: a stopped one collects them. */
const WAITING_PER_BOARD = 8;
/** Calls at once, and the time for the last of them, while everything is registered. */
const FILLING = 16;
const FILLED_MS = 30_000;
/** Answers whose times are remembered. */
const REMEMBERED = 100_000;
/** Most changes are made where the entry belongs. */
const FOREIGN_P = 0.25;
const WEIGHTS: readonly (readonly [ChangeKind, number])[] = [
  ['register', 3],
  ['increase', 4],
  ['decrease', 2],
  ['release', 2],
];
const METHOD = { register: 'PUT', increase: 'PATCH', decrease: 'PATCH', release: 'DELETE' } as const;

/** Changes at a steady rate at random boards that are up, each told to the ledger when asked and when answered. */
export class Workload {
  readonly #boards: readonly Board[];
  readonly #clients: Clients;
  readonly #ledger: Ledger;
  readonly #rng: SeededRng;
  readonly #perSecond: number;
  readonly #waiting = new Map<Board, number>();
  #ids: readonly string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #due = 0;
  #lastMs = 0;
  /** How long answers took, of late; on a stopped board as long as it was stopped. */
  readonly answerMs: number[] = [];
  /** For how long it ran, milliseconds. */
  ranMs = 0;

  constructor(
    parts: { boards: readonly Board[]; clients: Clients; ledger: Ledger; rng: SeededRng },
    perSecond: number,
  ) {
    this.#boards = parts.boards;
    this.#clients = parts.clients;
    this.#ledger = parts.ledger;
    this.#rng = parts.rng;
    this.#perSecond = perSecond;
  }

  /** All are up: from now on the nodes' ids are known. */
  start(): void {
    this.#learnIds();
    this.#lastMs = performance.now();
    this.#timer ??= setInterval(() => this.#tick(), 20);
  }

  /** Registers everything once, so that the map is as large at the start as it will be. */
  async fill(): Promise<void> {
    this.#learnIds();
    for (const entry of this.#ledger.entries) {
      const asked = this.#ledger.ask(entry, 'register', entry.owner, (n) => this.#rng.below(n));
      if (asked !== null) void this.#make(this.#boards[entry.owner] as Board, asked);
      while (this.waiting >= FILLING) await sleep(1);
    }
    await this.settled(FILLED_MS);
  }

  pause(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  get waiting(): number {
    let sum = 0;
    for (const count of this.#waiting.values()) sum += count;
    return sum;
  }

  idOf(entry: Entry): string {
    return this.#ids[entry.owner] ?? '';
  }

  /** Waits until nothing is under way; false: something was not answered in time. */
  async settled(withinMs: number): Promise<boolean> {
    for (const endMs = performance.now() + withinMs; this.waiting > 0; await sleep(10)) {
      if (performance.now() > endMs) return false;
    }
    return true;
  }

  #learnIds(): void {
    if (this.#ids.length === 0) this.#ids = this.#boards.map(({ id }) => id);
  }

  #tick(): void {
    const nowMs = performance.now();
    this.ranMs += nowMs - this.#lastMs;
    this.#due += ((nowMs - this.#lastMs) * this.#perSecond) / 1000;
    this.#lastMs = nowMs;
    // What this program was too late for is not made up for all at once.
    this.#due = Math.min(this.#due, 20);
    for (; this.#due >= 1; this.#due--) this.#one();
  }

  #one(): void {
    const { entries } = this.#ledger;
    for (let tries = this.#boards.length; tries > 0; tries--) {
      const entry = entries[this.#rng.below(entries.length)] as Entry;
      const at = this.#rng.unit() < FOREIGN_P ? this.#rng.below(this.#boards.length) : entry.owner;
      const board = this.#boards[at] as Board;
      if (!board.up || (this.#waiting.get(board) ?? 0) >= WAITING_PER_BOARD) continue;
      this.#ask(board, at, entry);
      return;
    }
  }

  #ask(board: Board, at: number, entry: Entry): void {
    const kind = this.#kind();
    const asked =
      this.#ledger.ask(entry, kind, at, (n) => this.#rng.below(n)) ??
      this.#ledger.ask(entry, 'release', at, () => 0);
    if (asked !== null) void this.#make(board, asked);
  }

  #kind(): ChangeKind {
    let at = this.#rng.below(WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [kind, weight] of WEIGHTS) {
      at -= weight;
      if (at < 0) return kind;
    }
    return 'register';
  }

  async #make(board: Board, asked: Asked): Promise<void> {
    const { entry, kind, amount } = asked;
    const amounts = kind === 'release' ? {} : kind === 'register' ? { priority: amount } : { by: amount };
    const body = { start: entry.start, end: entry.end, node: this.idOf(entry), ...amounts };
    this.#waiting.set(board, (this.#waiting.get(board) ?? 0) + 1);
    const fromMs = performance.now();
    const answer = await this.#clients.call(board, METHOD[kind], '/v1/ranges', body).catch(() => null);
    this.#waiting.set(board, (this.#waiting.get(board) ?? 1) - 1);
    this.#ledger.answered(asked, answer);
    this.answerMs.push(performance.now() - fromMs);
    if (this.answerMs.length > REMEMBERED) this.answerMs.splice(0, REMEMBERED / 2);
  }
}
