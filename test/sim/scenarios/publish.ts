import type { NodeFactory } from '../../../src/node/machine.ts';
import type { SimHost } from '../host.ts';
import { type RunResult, result } from '../result.ts';
import { Session } from '../session.ts';
import type { World } from '../world.ts';

export interface PublishRun {
  readonly seed: number;
  readonly factory: NodeFactory;
  readonly nodes: number;
  /** Percent. */
  readonly loss: number;
  /** Multicast domains; 0 for no multicast. */
  readonly domains: number;
  readonly messages: number;
  /** Over how long they are spread. */
  readonly seconds: number;
  /** For the middle third of that time one half is cut off from the other. */
  readonly partition: boolean;
  readonly sealed?: boolean;
  readonly trace?: boolean;
  readonly log?: (line: string) => void;
}

/** Up to 20 % of loss at least this share of the messages reaches every node. */
const SHARE = 0.999;
/** Most are small; every so many is larger than a datagram. */
const LARGE_EVERY = 50;
const LARGE_BYTES = 5000;
/** All that is on its way has come, or been given up, after this. */
const SETTLE_MS = 20_000;
const FORM_WITHIN_MS = 60_000;

interface Told {
  readonly from: SimHost;
  /** Those who could hear it when it was published. */
  readonly within: ReadonlySet<SimHost>;
  readonly heard: Set<SimHost>;
}

/** Who was told what, and that nobody is told twice. */
class Ledger {
  readonly told: Told[] = [];
  /** Messages that came after a later one of their publisher's. */
  outOfOrder = 0;
  readonly #world: World;
  readonly #last = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    world.watchers.push({ published: (host, _, message) => this.#came(host, message) });
  }

  publish(from: SimHost, within: readonly SimHost[]): void {
    const number = this.told.length;
    this.told.push({ from, within: new Set(within), heard: new Set() });
    const message = new Uint8Array(number % LARGE_EVERY === 0 ? LARGE_BYTES : 40);
    new DataView(message.buffer).setUint32(0, number);
    from.input((machine, nowMs) => machine.publish(new Uint8Array([99]), message, nowMs));
  }

  /** Of those who should have heard, the share that did. */
  share(): number {
    let [wanted, heard] = [0, 0];
    for (const { from, within, heard: by } of this.told) {
      for (const host of within) {
        if (host === from) continue;
        wanted++;
        if (by.has(host)) heard++;
      }
    }
    return heard / wanted;
  }

  #came(host: SimHost, message: Uint8Array): void {
    const number = new DataView(message.buffer, message.byteOffset).getUint32(0);
    const { from, heard } = this.told[number] as Told;
    if (host === from || heard.has(host))
      this.#world.violate(
        'publications',
        `${host.address} is told number ${number} ${host === from ? 'of its own' : 'twice'}`,
      );
    heard.add(host);
    const pair = `${from.index} ${host.index}`;
    const last = this.#last.get(pair) ?? -1;
    if (number < last) this.outOfOrder++;
    else this.#last.set(pair, number);
  }
}

/** Messages are published at random nodes, under loss or while halves are apart: nobody gets one twice, nearly all get each. */
export function publishRun(run: PublishRun): RunResult {
  const session = new Session({ ...run, link: { delayMs: 1, jitterMs: 1 } });
  const { world, rng } = session;
  session.addHosts(run.nodes, (i) => (run.domains === 0 ? -1 : i % run.domains));
  session.startAll(500);
  session.converge(FORM_WITHIN_MS);
  // Multicast reach is learnt within this.
  world.runUntil(world.nowMs + (run.domains === 0 ? 1000 : 12_000));
  const ledger = new Ledger(world);
  world.network.link = { ...world.network.link, lossP: run.loss / 100 };
  const [fromMs, spanMs] = [world.nowMs, run.seconds * 1000];
  let apart = false;
  for (let i = 0; i < run.messages; i++) {
    world.events.at(fromMs + (spanMs * i) / run.messages, () => {
      const from = world.hosts[rng.below(run.nodes)] as SimHost;
      ledger.publish(
        from,
        apart ? world.hosts.filter((host) => (host.index - from.index) % 2 === 0) : world.hosts,
      );
    });
  }
  if (run.partition) {
    world.runUntil(fromMs + spanMs / 3);
    world.network.partition(world.hosts.map((host) => host.index % 2));
    apart = true;
    world.runUntil(fromMs + (spanMs * 2) / 3);
    world.network.partition([]);
    // Who was taken for dead is told nothing until it is known again.
    session.converge(SETTLE_MS);
    apart = false;
  }
  world.runUntil(Math.max(world.nowMs, fromMs + spanMs) + SETTLE_MS);
  const share = ledger.share();
  const least = run.loss > 0 ? SHARE : 1;
  if (run.loss <= 20 && !run.partition && share < least)
    world.violate('publications', `${(share * 100).toFixed(3)} % came: at least ${least * 100} %`);
  session.checkEnd();
  const figures = { messages: ledger.told.length, sharePercent: share * 100, outOfOrder: ledger.outOfOrder };
  return result(run.seed, session, { nodes: run.nodes, ...figures });
}
