import { Pipe, type Reply } from './pipe.ts';

/** Positions of one range of the load, and the priority it is registered with, above which no adjustment gets. */
const WIDTH = 1000;
const BASE = 1_000_000_000;

/** One range of one node. Priorities; 0 is none. */
interface Cell {
  readonly start: number;
  readonly end: number;
  /** As last acknowledged or shown. */
  priority: number;
  /**
   * What it may be found to be. One value after an acknowledgement; a call that was cut off may or may not have been
   * made, and what was only shown (it came back from the peers) need not be on the node's own disk yet.
   */
  possible: Set<number>;
}

interface Change {
  readonly method: string;
  readonly body: object;
  after(before: number): number;
}

/** A node's ranges under load, and a memory of what the node acknowledged. */
export class Acknowledged {
  readonly cells: Cell[] = [];
  /** Refusals and wrong answers while it ran: there should be none. */
  readonly refusals: string[] = [];
  acknowledged = 0;
  cutOff = 0;
  readonly #serial: () => number;

  /** `first`: position of the first range. `serial` gives a new number each time, so that no two changes are alike. */
  constructor(first: number, ranges: number, serial: () => number) {
    this.#serial = serial;
    for (let i = 0; i < ranges; i++) {
      const start = first + i * WIDTH;
      this.cells.push({ start, end: start + WIDTH - 1, priority: 0, possible: new Set([0]) });
    }
  }

  /** Changes the ranges over several connections until these break. */
  async load(socket: string, connections: number): Promise<void> {
    const pipes = Array.from({ length: connections }, () => new Pipe(socket));
    await Promise.all(this.cells.map((cell, i) => this.#work(pipes[i % connections] as Pipe, cell)));
    for (const pipe of pipes) pipe.close();
  }

  /** Compares with priorities read somewhere; `settle`: the load goes on from what is found. */
  check(priorityOf: (start: number, end: number) => number, where: string, settle: boolean): string[] {
    const wrong: string[] = [];
    for (const cell of this.cells) {
      const found = priorityOf(cell.start, cell.end);
      if (!cell.possible.has(found)) {
        wrong.push(
          `${where}: ${cell.start}-${cell.end} has ${found}, possible is ${[...cell.possible].join(' or ')}`,
        );
        cell.possible.add(found);
      }
      if (settle) cell.priority = found;
    }
    return wrong;
  }

  async #work(pipe: Pipe, cell: Cell): Promise<void> {
    for (;;) {
      const change = this.#next(cell);
      const before = [...cell.possible];
      for (const priority of before) cell.possible.add(change.after(priority));
      let reply: Reply;
      try {
        reply = await pipe.call(change.method, '/v1/ranges', change.body);
      } catch {
        this.cutOff++;
        return;
      }
      const priority = acknowledged(reply);
      if (priority === null || !before.some((one) => change.after(one) === priority)) {
        const { status, json } = reply;
        this.refusals.push(
          `${change.method} ${JSON.stringify(change.body)}: ${status} ${JSON.stringify(json)}, before it was ${before.join(' or ')}`,
        );
        return;
      }
      this.acknowledged++;
      cell.priority = priority;
      cell.possible = new Set([priority]);
    }
  }

  #next({ start, end, priority: now }: Cell): Change {
    const serial = this.#serial();
    const draw = Math.random();
    if (now === 0 || draw < 0.25) {
      const priority = BASE + serial;
      return { method: 'PUT', body: { start, end, priority }, after: () => priority };
    }
    if (draw < 0.4) return { method: 'DELETE', body: { start, end }, after: () => 0 };
    // Down more readily where it is high, so that it stays between bounds however long it goes on.
    const by = now > BASE + 50_000_000 || draw < 0.7 ? -serial : serial;
    return {
      method: 'PATCH',
      body: { start, end, by },
      after: (before) => Math.max(0, before + by),
    };
  }
}

/** The priority a reply acknowledges; null: it is a refusal. */
function acknowledged({ status, json }: Reply): number | null {
  if (status !== 200) return null;
  const { priority, released } = json as { priority?: number; released?: boolean };
  return released === true ? 0 : (priority ?? null);
}
