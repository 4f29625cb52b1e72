import { LoadClient, type Source, type Tally } from './client.ts';
import { Histogram } from './histogram.ts';
import type { Plan } from './plan.ts';
import { type Master, readSlots, share } from './slots.ts';
import { Refused, RespSocket, type Server } from './socket.ts';

/** How often commands of a rate are looked at, and what else is. */
const TICK_MS = { rate: 1, other: 50 } as const;
const RETRY_MS = 250;
/** With no connection for so long the load is over. */
const GIVE_UP_MS = 5000;
/** How often the cluster may be asked again who has what. */
const REMAP_MS = 500;

/** What a load came to, or has come to so far. */
export interface Result {
  readonly plan: Plan;
  readonly seconds: number;
  readonly commands: number;
  readonly perSecond: number;
  readonly masters: number;
  readonly tally: Tally;
}

/**
 * A load on one server or a cluster: clients that send SETs and GETs of random keys, and what they count. With a connection
 * lost it goes on with the others, and tries that one again.
 */
export class Load implements Source {
  readonly #plan: Plan;
  readonly #clients: LoadClient[] = [];
  readonly #retries = new Set<NodeJS.Timeout>();
  readonly #tally: Tally = {
    sets: new Histogram(),
    gets: new Histogram(),
    misses: 0,
    errors: new Map(),
    errorCount: 0,
    lost: 0,
  };
  #masters: Master[] = [];
  #chosen: number[] = [];
  #fromMs = performance.now();
  #toMs: number | null = null;
  #left: number;
  #unanswered = 0;
  #commands = 0;
  #connected = 0;
  #lastConnectedMs = 0;
  #lastMapMs = 0;
  #movedSeen = 0;
  #failed: Error | null = null;
  #over: (() => void) | null = null;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#left = plan.requests ?? Number.POSITIVE_INFINITY;
  }

  /** Until all is answered, or the time is over, or stopped. Throws when there is nobody to ask from the start. */
  async run(stop: AbortSignal): Promise<Result> {
    const { clients, seconds } = this.#plan;
    if (this.#plan.cluster) await this.#map();
    const servers = Array.from({ length: clients }, (_, i) => this.#serverOf(i));
    const opened = await Promise.allSettled(servers.map((server) => this.#open(server)));
    const failed = opened.find((one) => one.status === 'rejected');
    if (failed !== undefined || stop.aborted) {
      for (const one of opened) if (one.status === 'fulfilled') one.value.close();
      if (failed !== undefined) throw failed.reason;
      return this.result();
    }
    const over = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    const end = (): void => this.#over?.();
    stop.addEventListener('abort', end);
    const deadline = seconds === null ? null : setTimeout(end, seconds * 1000);
    const ticker = setInterval(() => this.#tick(), this.#plan.rate === null ? TICK_MS.other : TICK_MS.rate);
    this.#fromMs = performance.now();
    opened.forEach((one, i) => {
      const client = new LoadClient(this.#plan, this, this.#tally, i);
      this.#clients.push(client);
      if (one.status === 'fulfilled') this.#start(client, one.value, i);
    });
    await over;
    this.#toMs = performance.now();
    if (deadline !== null) clearTimeout(deadline);
    clearInterval(ticker);
    for (const retry of this.#retries) clearTimeout(retry);
    stop.removeEventListener('abort', end);
    for (const client of this.#clients) client.stop();
    if (this.#failed !== null && this.#commands === 0) throw this.#failed;
    return this.result();
  }

  result(): Result {
    const seconds = ((this.#toMs ?? performance.now()) - this.#fromMs) / 1000;
    const perSecond = seconds > 0 ? this.#commands / seconds : 0;
    return {
      plan: this.#plan,
      seconds,
      commands: this.#commands,
      perSecond,
      masters: Math.max(1, this.#masters.length),
      tally: this.#tally,
    };
  }

  take(wanted: number): number {
    if (this.#toMs !== null) return 0;
    const count = Math.min(wanted, this.#left);
    this.#left -= count;
    this.#unanswered += count;
    return count;
  }

  answered(commands: number): void {
    this.#commands += commands;
    this.#unanswered -= commands;
    if (this.#left === 0 && this.#unanswered === 0) this.#over?.();
  }

  dropped(commands: number, client: LoadClient, why: string): void {
    this.#left += commands;
    this.#unanswered -= commands;
    this.#connected--;
    this.#failed = new Error(why);
    this.#again(client);
  }

  #start(client: LoadClient, socket: RespSocket, i: number): void {
    this.#connected++;
    this.#lastConnectedMs = performance.now();
    const keys = this.#masters[this.#chosen[i] as number]?.keys ?? null;
    // Clients take turns: their first commands are spread over one period.
    const { clients, rate } = this.#plan;
    const offsetMs = rate === null ? 0 : ((i % clients) * 1000) / rate;
    client.start(socket, keys, performance.now() + offsetMs);
  }

  #again(client: LoadClient): void {
    const retry = setTimeout(async () => {
      this.#retries.delete(retry);
      if (this.#toMs !== null) return;
      const i = this.#clients.indexOf(client);
      try {
        if (this.#plan.cluster) await this.#remap();
        const socket = await this.#open(this.#serverOf(i));
        if (this.#toMs !== null) socket.close();
        else this.#start(client, socket, i);
      } catch {
        this.#again(client);
      }
    }, RETRY_MS);
    this.#retries.add(retry);
  }

  #tick(): void {
    const nowMs = performance.now();
    if (this.#plan.rate !== null) for (const client of this.#clients) client.pump(nowMs);
    if (this.#connected === 0 && nowMs - this.#lastConnectedMs > GIVE_UP_MS) this.#over?.();
    const moved = this.#tally.errors.get('MOVED') ?? 0;
    if (!this.#plan.cluster || moved === this.#movedSeen || nowMs - this.#lastMapMs < REMAP_MS) return;
    this.#movedSeen = moved;
    this.#lastMapMs = nowMs;
    this.#move().catch(() => {});
  }

  /** Keys have other masters now: the clients whose master is another connect there. */
  async #move(): Promise<void> {
    const before = this.#clients.map((_, i) => this.#serverOf(i));
    await this.#remap();
    if (this.#toMs !== null) return;
    this.#clients.forEach((client, i) => {
      const { host, port } = this.#serverOf(i);
      if (before[i]?.host === host && before[i]?.port === port) {
        client.redirect(this.#masters[this.#chosen[i] as number]?.keys ?? null);
        return;
      }
      const unanswered = client.stop();
      this.#left += unanswered;
      this.#unanswered -= unanswered;
      this.#connected--;
      this.#again(client);
    });
  }

  #serverOf(i: number): Server {
    const master = this.#masters[this.#chosen[i] as number];
    return master === undefined ? this.#plan.server : { ...this.#plan.server, ...address(master) };
  }

  async #open(server: Server): Promise<RespSocket> {
    const socket = await RespSocket.open(server);
    const { ack } = this.#plan;
    try {
      // A server that wants a password says so here, once.
      await socket.ask(['PING']);
      // Asked for where a server that does not know it must say no: a name with `;ack=` is taken by any.
      if (ack !== null) await socket.ask(['CLIENT', 'ACKS', ack.memory, ack.disk]);
      return socket;
    } catch (error) {
      socket.close();
      if (!(error instanceof Refused) || ack === null || /^NOAUTH/.test(error.message)) throw error;
      throw new Refused(`it does not take the acknowledgement level: ${error.message}`);
    }
  }

  /** Asks the server given, or when it is gone any that the cluster had. */
  async #remap(): Promise<void> {
    const known = this.#masters;
    for (const server of [
      this.#plan.server,
      ...known.map((one) => ({ ...this.#plan.server, ...address(one) })),
    ]) {
      try {
        await this.#map(server);
        return;
      } catch {}
    }
  }

  async #map(server: Server = this.#plan.server): Promise<void> {
    this.#lastMapMs = performance.now();
    const socket = await RespSocket.open(server);
    try {
      const masters = readSlots(await socket.ask(['CLUSTER', 'SLOTS']), server.host, this.#plan.keys);
      const chosen = share(masters, this.#plan.clients);
      if (chosen.length === 0) throw new Refused('no node of the cluster serves a slot');
      this.#masters = masters;
      this.#chosen = chosen;
    } finally {
      socket.close();
    }
  }
}

function address({ host, port }: Master): { host: string; port: number } {
  return { host, port };
}
