import type { SeededRng } from '../../src/base/index.ts';
import { type Board, READY_MS } from './fleet.ts';
import { type Cut, split } from './network.ts';
import type { Trial } from './trial.ts';

/** What can be done to a group. Network kinds first: during these a board may rightly be taken for dead. */
export const NETWORK_KINDS = ['loss', 'oneway', 'partition', 'delay', 'multicast', 'cable'] as const;
export const KINDS = [...NETWORK_KINDS, 'stop', 'kill', 'disk', 'clock'] as const;
export type Kind = (typeof KINDS)[number];

/** One fault in a while, on average; each lasts some seconds, so that several are there at once. */
const EVERY_MS = 1_100;
const YEAR_MS = 365 * 86_400_000;

interface Active {
  readonly undo: () => void | Promise<void>;
  timer: NodeJS.Timeout;
}

/**
 * Draws faults and applies them to a trial until `heal`, which ends all. Everything is drawn from the seed; when it
 * strikes is real time, so a run can be had again in kind, not in every step.
 */
export class Faults {
  readonly #trial: Trial;
  readonly #rng: SeededRng;
  readonly #kinds: readonly Kind[];
  /** Boards that are never killed: their memory is watched. */
  readonly #spared: ReadonlySet<string>;
  readonly counts = new Map<Kind, number>();
  readonly #active = new Set<Active>();
  /** Boards whose delay, cable or disk is not as it was: one such fault at a time. */
  readonly #taken = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();
  #next: NodeJS.Timeout | null = null;
  #on = false;

  constructor(trial: Trial, kinds: readonly Kind[], spared: readonly string[] = []) {
    this.#trial = trial;
    this.#rng = trial.rng.fork();
    this.#kinds = kinds;
    this.#spared = new Set(spared);
  }

  begin(): void {
    this.#on = true;
    this.#trial.calm = false;
    this.#trial.networkSound = !this.#kinds.some((kind) => (NETWORK_KINDS as readonly Kind[]).includes(kind));
    this.#schedule();
  }

  /** Ends every fault; resolves when all boards are up. */
  async heal(): Promise<void> {
    this.#on = false;
    if (this.#next !== null) clearTimeout(this.#next);
    await Promise.all(this.#underWay);
    await Promise.all([...this.#active].map((active) => this.#end(active)));
    await this.#trial.fleet.allUp(READY_MS);
  }

  #schedule(): void {
    const waitMs = -Math.log(1 - this.#rng.unit()) * EVERY_MS;
    this.#next = setTimeout(() => {
      const kind = this.#kinds[this.#rng.below(this.#kinds.length)] as Kind;
      const strike = this.#strike(kind, 500 + this.#rng.unit() ** 2 * 12_000).catch((error: Error) =>
        this.#trial.violate(`chaos: ${kind} could not be done: ${error.message}`),
      );
      this.#underWay.add(strike);
      void strike.finally(() => this.#underWay.delete(strike));
      if (this.#on) this.#schedule();
    }, waitMs);
  }

  async #strike(kind: Kind, lastsMs: number): Promise<void> {
    const board = this.#anyBoard();
    const undo = await this.#apply(kind, board, `for ${(lastsMs / 1000).toFixed(1)} s`);
    if (undo === null) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const active: Active = { undo, timer: setTimeout(() => void this.#end(active), lastsMs) };
    this.#active.add(active);
  }

  async #end(active: Active): Promise<void> {
    clearTimeout(active.timer);
    if (!this.#active.delete(active)) return;
    const ending = Promise.resolve(active.undo()).catch((error: Error) =>
      this.#trial.violate(`chaos: a fault could not be ended: ${error.message}`),
    );
    this.#underWay.add(ending);
    await ending.finally(() => this.#underWay.delete(ending));
  }

  /** Null: not possible now. */
  async #apply(kind: Kind, board: Board, lasts: string): Promise<(() => void | Promise<void>) | null> {
    switch (kind) {
      case 'loss':
        return await this.#loss(lasts);
      case 'oneway':
        return await this.#oneway(lasts);
      case 'partition':
        return await this.#partition(lasts);
      case 'multicast':
        this.#say(`${board.name} hears no multicast ${lasts}`);
        return await this.#trial.network.deaf(board.name);
      case 'delay':
        return await this.#delay(board, lasts);
      case 'cable':
        return await this.#cable(board, lasts);
      case 'stop':
        return this.#stop(board, lasts);
      case 'kill':
        return await this.#kill(board, lasts);
      case 'disk':
        return this.#disk(board, lasts);
      case 'clock':
        return this.#clock(board);
    }
  }

  async #loss(lasts: string): Promise<() => Promise<void>> {
    const percent = 10 + this.#rng.below(41);
    const nodes = this.#someNodes(1 + this.#rng.below(this.#boards.length));
    this.#say(`${nodes.join(' ')} lose ${percent} % ${lasts}`);
    const undos = await Promise.all(nodes.map((node) => this.#trial.network.loss(node, percent)));
    return async () => void (await Promise.all(undos.map((undo) => undo())));
  }

  async #oneway(lasts: string): Promise<() => Promise<void>> {
    const cuts: Cut[] = [];
    for (let i = 1 + this.#rng.below(6); i > 0; i--) {
      const [from, to] = this.#someNodes(2) as [string, string];
      cuts.push({ from, to });
    }
    this.#say(`cut ${cuts.map(({ from, to }) => `${from}>${to}`).join(' ')} ${lasts}`);
    return await this.#trial.network.cut(cuts);
  }

  async #partition(lasts: string): Promise<() => Promise<void>> {
    const one = this.#someNodes(1 + this.#rng.below(this.#boards.length - 1));
    const other = this.#boards.map(({ name }) => name).filter((name) => !one.includes(name));
    this.#say(`${one.join(' ')} apart from ${other.join(' ')} ${lasts}`);
    return await this.#trial.network.cut(split(one, other));
  }

  async #delay({ name }: Board, lasts: string): Promise<(() => Promise<void>) | null> {
    if (!this.#take(name)) return null;
    const ms = 10 + this.#rng.below(300);
    this.#say(`${name} is ${ms} ms away, or up to ${2 * ms}, ${lasts}`);
    await this.#trial.fleet.lans.net('delay', name, ms, ms);
    return async () => {
      await this.#trial.fleet.lans.net('delay', name, 0);
      this.#taken.delete(name);
    };
  }

  async #cable({ name }: Board, lasts: string): Promise<(() => Promise<void>) | null> {
    if (!this.#take(name)) return null;
    this.#say(`${name}'s cable is out ${lasts}`);
    await this.#trial.fleet.lans.net('link', name, 'down');
    return async () => {
      await this.#trial.fleet.lans.net('link', name, 'up');
      this.#taken.delete(name);
    };
  }

  #stop(board: Board, lasts: string): (() => void) | null {
    if (!board.up || board.stopped) return null;
    this.#say(`${board.name} is stopped ${lasts}`);
    this.#trial.fleet.pause(board);
    return () => this.#trial.fleet.resume(board);
  }

  async #kill(board: Board, lasts: string): Promise<(() => void) | null> {
    if (board.process === null || !board.wanted || this.#spared.has(board.name)) return null;
    const signal = this.#rng.below(4) === 0 && board.up ? 'SIGTERM' : 'SIGKILL';
    this.#say(`${board.name} gets ${signal}, and is off ${lasts}`);
    await this.#trial.end(board, signal);
    return () => this.#trial.fleet.want(board);
  }

  #disk(board: Board, lasts: string): (() => void) | null {
    if (board.full) return null;
    this.#say(`${board.name}'s disk is full ${lasts}`);
    this.#trial.fleet.fill(board);
    return () => this.#trial.fleet.empty(board);
  }

  /** Clocks stay where they jumped to. */
  #clock(board: Board): (() => void) | null {
    if (!board.up) return null;
    const wallMs = Math.round((this.#rng.unit() - 0.5) * 2 * 10 ** (3 + this.#rng.unit() * 7.5));
    const monotonicMs = this.#rng.below(2) * Math.round(this.#rng.unit() * 10_000);
    this.#say(`${board.name}'s clock is off by ${wallMs / 1000} s, and ${monotonicMs} ms passed unnoticed`);
    if (monotonicMs > 0) board.disturbedMs = performance.now();
    this.#trial.fleet.moveClock(board, Math.max(-YEAR_MS, wallMs), monotonicMs);
    return () => {};
  }

  get #boards(): readonly Board[] {
    return this.#trial.fleet.boards;
  }

  #anyBoard(): Board {
    return this.#boards[this.#rng.below(this.#boards.length)] as Board;
  }

  #someNodes(count: number): string[] {
    const names = this.#boards.map(({ name }) => name);
    return Array.from(
      { length: count },
      () => names.splice(this.#rng.below(names.length), 1)[0] as string,
    ).sort();
  }

  #take(name: string): boolean {
    if (this.#taken.has(name)) return false;
    this.#taken.add(name);
    return true;
  }

  #say(text: string): void {
    this.#trial.say(text);
  }
}
