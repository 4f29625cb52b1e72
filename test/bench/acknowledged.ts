import { Pipe } from './pipe.ts';

/** Positions of one range of the load, and the priority it is registered with, above which no adjustment gets. */
const WIDTH = 1000;
const BASE = 1_000_000_000;

/** One range of one node: what was acknowledged of it, and what else it may be since a call was cut off. */
interface Cell {
  readonly start: number;
  readonly end: number;
  /** Its priority, 0 for none. */
  known: number;
  /** What an unanswered call would have made of it; null: nothing is open. */
  maybe: number | null;
}

/** A node's ranges under load, and a memory of what the node acknowledged. */
export class Acknowledged {
  readonly cells: Cell[] = [];
  /** Refusals while it ran: there should be none. */
  readonly refusals: string[] = [];
  acknowledged = 0;
  cutOff = 0;
  readonly #serial: () => number;

  /** `first`: position of the first range. `serial` gives a new number each time, so that no two changes are alike. */
  constructor(first: number, ranges: number, serial: () => number) {
    this.#serial = serial;
    for (let i = 0; i < ranges; i++) {
      const start = first + i * WIDTH;
      this.cells.push({ start, end: start + WIDTH - 1, known: 0, maybe: null });
    }
  }

  /** Changes the ranges over several connections until these break. */
  async load(socket: string, connections: number): Promise<void> {
    const pipes = Array.from({ length: connections }, () => new Pipe(socket));
    await Promise.all(this.cells.map((cell, i) => this.#work(pipes[i % connections] as Pipe, cell)));
    for (const pipe of pipes) pipe.close();
  }

  /** Compares with priorities read somewhere; `settle`: an open call is what it turned out to be. */
  check(priorityOf: (start: number, end: number) => number, where: string, settle: boolean): string[] {
    const wrong: string[] = [];
    for (const cell of this.cells) {
      const found = priorityOf(cell.start, cell.end);
      if (found !== cell.known && found !== cell.maybe) {
        const open = cell.maybe === null ? '' : ` (or ${cell.maybe})`;
        wrong.push(`${where}: ${cell.start}-${cell.end} has ${found}, acknowledged was ${cell.known}${open}`);
      }
      if (!settle) continue;
      cell.known = found;
      cell.maybe = null;
    }
    return wrong;
  }

  async #work(pipe: Pipe, cell: Cell): Promise<void> {
    for (;;) {
      const { method, body, then } = this.#next(cell);
      cell.maybe = then;
      try {
        const { status, json } = await pipe.call(method, '/v1/ranges', body);
        if (status === 200) {
          cell.known = then;
          cell.maybe = null;
          this.acknowledged++;
        } else {
          this.refusals.push(`${method} ${JSON.stringify(body)}: ${status} ${JSON.stringify(json)}`);
          return;
        }
      } catch {
        this.cutOff++;
        return;
      }
    }
  }

  #next({ start, end, known }: Cell): { method: string; body: object; then: number } {
    const serial = this.#serial();
    const draw = Math.random();
    if (known === 0 || draw < 0.25) {
      return {
        method: 'PUT',
        body: { start, end, priority: BASE + serial },
        then: BASE + serial,
      };
    }
    if (draw < 0.4) return { method: 'DELETE', body: { start, end }, then: 0 };
    // Up and down in turns, so that it stays between bounds however long it goes on.
    const by = known > BASE + 50_000_000 || draw < 0.7 ? -serial : serial;
    return { method: 'PATCH', body: { start, end, by }, then: Math.max(0, known + by) };
  }
}
