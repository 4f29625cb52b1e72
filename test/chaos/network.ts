import type { Lans } from '../net/lans.ts';

/** A direction that is cut: what `from` sends does not reach `to`. */
export interface Cut {
  readonly from: string;
  readonly to: string;
}

/** Both directions between the sides. */
export function split(one: readonly string[], other: readonly string[]): Cut[] {
  return one.flatMap((a) =>
    other.flatMap((b) => [
      { from: a, to: b },
      { from: b, to: a },
    ]),
  );
}

/** What is wrong with the network at present. Several faults at once add up, and each ends by itself. */
export class Network {
  readonly #lans: Lans;
  readonly #nodes: readonly string[];
  readonly #cuts = new Set<readonly Cut[]>();
  readonly #losses = new Set<{ readonly node: string; readonly percent: number }>();
  readonly #deaf = new Set<{ readonly node: string }>();
  /** As the firewalls have it, by node. */
  readonly #applied = new Map<string, string>();
  #applying: Promise<void> = Promise.resolve();

  constructor(lans: Lans, nodes: readonly string[]) {
    this.#lans = lans;
    this.#nodes = nodes;
  }

  /** Returns how to undo it. */
  async cut(cuts: readonly Cut[]): Promise<() => Promise<void>> {
    return await this.#with(this.#cuts, cuts);
  }

  async loss(node: string, percent: number): Promise<() => Promise<void>> {
    return await this.#with(this.#losses, { node, percent });
  }

  /** The node hears no multicast. */
  async deaf(node: string): Promise<() => Promise<void>> {
    return await this.#with(this.#deaf, { node });
  }

  async #with<T>(set: Set<T>, fault: T): Promise<() => Promise<void>> {
    set.add(fault);
    await this.#apply();
    return async () => {
      set.delete(fault);
      await this.#apply();
    };
  }

  /** One after the other, so that the last to be wanted is the last to be set. */
  #apply(): Promise<void> {
    const next = this.#applying.then(() => this.#set());
    this.#applying = next.catch(() => {});
    return next;
  }

  async #set(): Promise<void> {
    const cuts = [...this.#cuts].flat();
    await Promise.all(
      this.#nodes.map(async (node) => {
        const percents = [...this.#losses].filter((one) => one.node === node).map(({ percent }) => percent);
        const drops = {
          from: [...new Set(cuts.filter(({ to }) => to === node).map(({ from }) => from))].sort(),
          lossPercent: Math.max(0, ...percents),
          multicast: [...this.#deaf].some((one) => one.node === node),
        };
        const text = JSON.stringify(drops);
        if (text === (this.#applied.get(node) ?? NOTHING)) return;
        await this.#lans.drop(node, drops);
        this.#applied.set(node, text);
      }),
    );
  }
}

const NOTHING = JSON.stringify({ from: [], lossPercent: 0, multicast: false });
