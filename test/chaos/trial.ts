/**
 * One group under trial: boards (fleet.ts), their network, changes at a steady rate (workload.ts) and what must be true
 * of them, as in the simulator: safety first, then everything heals and the group must agree within a bound.
 *
 *   const trial = await Trial.start({...});     all up, all agree
 *   ... faults, while changes go on ...
 *   await trial.settle(what);                   changes stop; called when all faults have ended
 *
 * `settle` demands that within 15 s all changes are answered, and 15 s after the last of them every board lists all as
 * live and shows one digest and one map: while some wait on a busy machine nobody can agree. Then nothing
 * acknowledged is lost and nothing released revived (ledger.ts), no dot stands for two things on any disk.
 * All the time: no process ends by itself, nobody is said to have left who did not, what a board acknowledged is on its
 * disk after kill -9, and nobody is called down while nothing is wrong (`calm`), or whom nothing is wrong with.
 */
import { SeededRng } from '../../src/base/index.ts';
import type { StatusView } from '../../src/node/contract.ts';
import { DotLedger, readState } from '../bench/disk-audit.ts';
import { sleep, until } from '../bench/proc.ts';
import { round } from '../bench/stats.ts';
import { Clients, follow, get, type MemberEvent } from './client.ts';
import { Farewells } from './farewells.ts';
import { type Board, Fleet } from './fleet.ts';
import { type Entry, Ledger } from './ledger.ts';
import { Network } from './network.ts';
import { Workload } from './workload.ts';

export const HEAL_MS = 15_000;
const START_MS = 60_000;
/** For so long after something was done to a board the others may be of the opinion that it is down. */
const DISTURBED_MS = 20_000;

export interface TrialOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly changesPerSecond: number;
  readonly rangesPerNode: number;
  readonly say: (line: string) => void;
}

interface RangeRow {
  readonly node: string;
  readonly start: number;
  readonly end: number;
  readonly priority: number;
}

interface StatusRow {
  readonly digest: string;
  readonly members: { alive: number; suspect: number; down: number; left: number };
}

export class Trial {
  readonly fleet: Fleet;
  readonly network: Network;
  readonly clients = new Clients();
  readonly ledger: Ledger;
  readonly workload: Workload;
  readonly rng: SeededRng;
  readonly violations: string[] = [];
  readonly agreedMs: number[] = [];
  readonly verdicts = { suspect: 0, down: 0, leave: 0 };
  /** Nothing is wrong and all have agreed: nobody may be called down. */
  calm = false;
  /** The network is sound: only boards that were stopped, killed or started may be called down. */
  networkSound = true;
  readonly #dots = new DotLedger();
  readonly #say: (line: string) => void;
  readonly #fromMs = performance.now();
  readonly #left = new Set<string>();
  /** Of the processes that this program ends by SIGTERM. */
  readonly #farewells = new Farewells();

  private constructor(fleet: Fleet, options: TrialOptions, rng: SeededRng) {
    this.fleet = fleet;
    this.rng = rng;
    this.#say = options.say;
    const { boards } = fleet;
    this.network = new Network(
      fleet.lans,
      boards.map(({ name }) => name),
    );
    this.ledger = new Ledger(boards.length, options.rangesPerNode);
    const { ledger, clients } = this;
    this.workload = new Workload({ boards, clients, ledger, rng: rng.fork() }, options.changesPerSecond);
  }

  /** Builds the group; resolves when all are up and agree. */
  static async start(options: TrialOptions): Promise<Trial> {
    // The fleet's events come to a trial that exists only after it.
    let trial: Trial | null = null;
    const fleet = await Fleet.up(options.nodes, {
      ended: (board) => trial?.onEnded(board),
      ready: (board) => trial?.onReady(board),
      violation: (text) => trial?.violate(text),
      say: (text) => trial?.say(text),
    });
    trial = new Trial(fleet, options, new SeededRng(options.seed));
    for (const board of fleet.boards) fleet.want(board);
    await fleet.allUp(START_MS);
    await until('the new group agrees', () => trial.#agrees(), START_MS, 100);
    trial.calm = true;
    trial.say(`${options.nodes} nodes agree`);
    return trial;
  }

  say(text: string): void {
    this.#say(`${((performance.now() - this.#fromMs) / 1000).toFixed(1).padStart(7)} s  ${text}`);
  }

  violate(text: string): void {
    this.violations.push(text);
    this.say(`VIOLATION ${text}`);
  }

  /** Ends a board's process; `SIGTERM`: it says goodbye. */
  async end(board: Board, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (signal === 'SIGTERM' && board.ready !== null) this.#farewells.said(board.ready.id);
    await this.fleet.end(board, signal);
  }

  onEnded(board: Board): void {
    this.ledger.hostEnded(board.index);
    try {
      this.#audit(board);
    } catch (error) {
      this.violate(`disk: ${board.name}: ${(error as Error).message}`);
    }
  }

  onReady(board: Board): void {
    follow(board, (event) => this.#onMember(board, event));
    const back = this.#farewells.back(board.id);
    get<StatusView>(board, '/v1/status').then(
      ({ node }) => back(node.incarnation),
      () => {}, // It has ended again.
    );
  }

  /** Stops the changes and demands what the header says; everything must have ended that was done to the group. */
  async settle(what: string): Promise<boolean> {
    const healedMs = performance.now();
    this.workload.pause();
    if (!(await this.workload.settled(HEAL_MS))) {
      this.violate(`answers: ${this.workload.waiting} changes are not answered ${HEAL_MS} ms after ${what}`);
      return false;
    }
    const answeredMs = performance.now() - healedMs;
    try {
      await until('all agree', () => this.#agrees(), HEAL_MS, 50);
    } catch (error) {
      this.violate(`agreement: after ${what}: ${(error as Error).message}; ${await this.#disagreement()}`);
      return false;
    }
    const tookMs = performance.now() - healedMs;
    this.agreedMs.push(tookMs);
    await this.#renewMuddled();
    await this.#compareMaps(what);
    for (const board of this.fleet.boards) this.#noteDots(board);
    this.clients.close();
    this.calm = true;
    const { acknowledged, decided } = this.ledger;
    this.say(
      `all agree ${round(tookMs / 1000)} s after ${what}, and had answered ${round(answeredMs / 1000)} s after it; ${acknowledged} changes acknowledged so far, ${decided.must} had to be there, ${decided.mustNot} had not to`,
    );
    return true;
  }

  /** Kills all processes while changes are made, and looks at what they leave on disk. */
  async stop(): Promise<void> {
    this.calm = false;
    await Promise.all(this.fleet.boards.map((board) => this.end(board, 'SIGKILL')));
    this.workload.pause();
    await this.workload.settled(HEAL_MS);
    this.ledger.conclude();
    for (const line of this.ledger.violations.splice(0)) this.violate(line);
  }

  /** Takes everything down; where logs and state were kept, when asked to. */
  async close(keep: boolean): Promise<string | null> {
    this.calm = false;
    this.workload.pause();
    this.clients.close();
    return await this.fleet.close(keep);
  }

  get dots(): number {
    return this.#dots.size;
  }

  async #agrees(): Promise<boolean> {
    const { boards } = this.fleet;
    const all = await Promise.all(boards.map((board) => get<StatusRow>(board, '/v1/status')));
    const [first] = all;
    // A suspect is live until it is called down: on a busy machine somebody is always suspected.
    return all.every(
      ({ digest, members: { alive, suspect, down } }) =>
        digest === first?.digest && alive + suspect === boards.length && down === 0,
    );
  }

  async #disagreement(): Promise<string> {
    const lines = this.fleet.boards.map(async (board) => {
      if (!board.up) return `${board.name} is not up`;
      const call = get<StatusRow>(board, '/v1/status');
      const status = await Promise.race([call, sleep(2_000)]).catch((error: Error) => error.message);
      if (typeof status !== 'object') return `${board.name}: ${status ?? 'no answer'}`;
      const { alive, suspect, down, left } = status.members;
      return `${board.name}: ${status.digest} ${alive}/${suspect}/${down}/${left}`;
    });
    return `digest, alive/suspect/down/left: ${(await Promise.all(lines)).join('; ')}`;
  }

  /** Entries that a full disk has spoilt are set anew and released where it was, and are then gone everywhere. */
  async #renewMuddled(): Promise<void> {
    const { muddled } = this.ledger;
    if (muddled.length === 0) return;
    for (const entry of muddled) {
      for (const host of entry.muddledBy) {
        const board = this.fleet.boards[host] as Board;
        const body = { start: entry.start, end: entry.end, node: this.workload.idOf(entry) };
        await this.clients.call(board, 'PUT', '/v1/ranges', { ...body, priority: 1 });
        await this.clients.call(board, 'DELETE', '/v1/ranges', body);
      }
    }
    await until('all agree on what was renewed', () => this.#agrees(), HEAL_MS, 50).catch((error: Error) =>
      this.violate(`agreement: ${error.message}`),
    );
    const rows = await this.#mapOf(this.fleet.boards[0] as Board);
    for (const entry of muddled) {
      if (rows.has(this.#keyOf(entry))) this.violate(`revived: range ${entry.start} was released everywhere`);
      this.ledger.renew(entry);
    }
    this.say(`${muddled.length} ranges with changes that a full disk refused were released`);
  }

  async #compareMaps(what: string): Promise<void> {
    const maps = await Promise.all(this.fleet.boards.map((board) => this.#mapOf(board)));
    const first = maps[0] ?? new Map<string, number>();
    const text = JSON.stringify([...first]);
    for (const [i, map] of maps.entries()) {
      if (JSON.stringify([...map]) !== text) {
        this.violate(
          `agreement: after ${what}: ${this.fleet.boards[i]?.name} has one digest and another map`,
        );
      }
    }
    this.ledger.settle((entry) => first.get(this.#keyOf(entry)) ?? 0, `the group after ${what}`);
    for (const line of this.ledger.violations.splice(0)) this.violate(line);
  }

  async #mapOf(board: Board): Promise<Map<string, number>> {
    const { ranges } = await get<{ ranges: RangeRow[] }>(board, '/v1/ranges');
    return new Map(ranges.map(({ node, start, end, priority }) => [`${node} ${start}-${end}`, priority]));
  }

  #keyOf(entry: Entry): string {
    return `${this.workload.idOf(entry)} ${entry.start}-${entry.end}`;
  }

  /** What is on the disk of a process that has just ended. */
  #audit(board: Board): void {
    const found = this.#noteDots(board);
    // A process that is killed while its disk is full may leave part of a record, which it never confirmed.
    if (found.malformed > 0 && !board.full)
      this.violate(`disk: ${board.name}: unreadable parts after its end`);
    const amounts = new Map<string, number[]>();
    for (const { node, start, end, live } of found.map
      .chunks(Number.MAX_SAFE_INTEGER)
      .flatMap((d) => d.entries)) {
      const own = live.filter(({ actor }) => actor === board.id).map(({ amount }) => amount);
      const key = `${node} ${start}-${end}`;
      amounts.set(key, [...(amounts.get(key) ?? []), ...own]);
    }
    this.ledger.checkDisk(board.index, board.name, (entry) => amounts.get(this.#keyOf(entry)) ?? []);
  }

  #noteDots(board: Board): ReturnType<typeof readState> {
    const found = readState(board.dataDir);
    this.#dots.note(found.deltas);
    for (const line of this.#dots.reused.splice(0)) this.violate(`dots: ${line}`);
    return found;
  }

  #onMember(by: Board, { type, subject, name, member }: MemberEvent): void {
    const kind = type.slice('member-'.length) as keyof Trial['verdicts'];
    this.verdicts[kind]++;
    const isTrue = this.#farewells.isTrue(subject, member?.incarnation ?? Infinity);
    if (kind === 'leave' && !isTrue && !this.#left.has(subject)) {
      this.#left.add(subject);
      this.violate(`members: ${by.name} believes that ${name} left: it never did`);
    }
    if (kind !== 'down') return;
    const board = this.fleet.boards.find((one) => one.name === name);
    const agoMs = performance.now() - (board?.disturbedMs ?? 0);
    if (this.calm) this.violate(`members: ${by.name} calls ${name} down, and nothing is wrong`);
    else if (this.networkSound && agoMs > DISTURBED_MS && board?.stopped !== true) {
      this.violate(
        `members: ${by.name} calls ${name} down, and nothing is wrong with either's network or with it`,
      );
    }
  }
}
