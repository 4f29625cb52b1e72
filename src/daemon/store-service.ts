import { existsSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { type Address, joinAddress, ShoalError, splitAddress, systemReason } from '../base/index.ts';
import { type AgentConfig, isLoopback } from '../config/index.ts';
import { DirectoryLock, type Log, makeDirectory, monotonicMs } from '../io/index.ts';
import type {
  MetricFamily,
  StoreCountView,
  StoreHistoryView,
  StoreInfoView,
  StoreNode,
  StoreScanView,
  StoreSlowView,
} from '../node/contract.ts';
import { slotAt } from '../ranges/index.ts';
import type { GroupServer } from '../resp/index.ts';
import type { Store } from '../store/index.ts';
import { readSecretFile } from './secret-file.ts';
import { clientBudgetMb, fullText, memoryBudgetMb } from './store-budget.ts';
import { type Capacity, CapacityTeller } from './store-capacity.ts';
import { type Figures, NO_HISTORY, StoreHistory } from './store-history.ts';

const MB = 2 ** 20;
/** Connections that come while the store is read back wait here. */
const MAX_EARLY = 1024;
const KEEPALIVE_MS = 300_000;
/** A start that failed is tried again so soon, but for what only people can mend. */
const RETRY_MS = 5000;
const LASTING: ReadonlySet<string> = new Set([
  'store-damaged',
  'store-newer',
  'store-other',
  'store-leveldb-missing',
]);

/** The store's own rooms: their code is run, and what it needs is made, when the store is first used. */
const loadParts = () => import('./store-parts.ts');
type Parts = Awaited<ReturnType<typeof loadParts>>;
type Port = 'cluster' | 'proxy';

/** At most 100: what is held may pass its budget for a while. */
function percent(part: number, whole: number): number {
  return Math.min(100, Math.round((part / whole) * 100));
}

/** What of the daemon's settings the store goes by. */
export type StoreConfig = Pick<
  AgentConfig,
  | 'resp'
  | 'proxy'
  | 'respPasswordFile'
  | 'store'
  | 'storeDir'
  | 'storeMemoryMb'
  | 'storeDiskMb'
  | 'storeSalvage'
  | 'acks'
  | 'insecure'
  | 'origins'
>;

/**
 * The store beside the node: two ports that are open from the start, and nothing behind them until the first connection comes or
 * the disk has messages of an earlier run; an agent that only keeps membership pays for two listening sockets.
 */
export class StoreService {
  readonly #config: StoreConfig;
  readonly #log: Log;
  readonly #password: string;
  readonly #listeners: Server[] = [];
  readonly #early: { readonly socket: Socket; readonly port: Port }[] = [];
  #node: StoreNode | null = null;
  #keys: (() => readonly Uint8Array[]) | null = null;
  #parts: Parts | null = null;
  #group: GroupServer | null = null;
  #store: Store | null = null;
  #history: StoreHistory | null = null;
  #lagMs: () => number = () => 0;
  #awake: Promise<void> | null = null;
  #teller: CapacityTeller | null = null;
  #closed = false;
  #wasFull = false;
  #failed: string | null = null;
  #lock: DirectoryLock | null = null;
  #retry: NodeJS.Timeout | null = null;
  readonly #startWarnings: string[] = [];
  resp: Address;
  proxy: Address | null = null;
  /** Megabytes for messages. */
  readonly memoryMb: number;

  private constructor(config: StoreConfig & { readonly resp: Address }, log: Log) {
    this.#config = config;
    this.#log = log;
    this.resp = config.resp;
    this.memoryMb = config.storeMemoryMb ?? memoryBudgetMb();
    this.#password = config.respPasswordFile === null ? '' : readPassword(config.respPasswordFile);
  }

  /**
   * Opens the ports; who connects waits for `serve`. A default port that is taken is no reason not to run: several agents of one
   * machine need not say a port each, and clients learn it from the group. @throws ShoalError `port-in-use`, `cannot-listen`, `bad-password-file`,
   * `store-unwritable`
   */
  static async open(config: StoreConfig, log: Log): Promise<StoreService | null> {
    const { resp, proxy } = config;
    if (resp === null) return null;
    // One that nobody named lies in the state directory, and is made there by the first message.
    if (config.store !== 'memory' && config.origins.store_dir !== undefined)
      await makeStoreDirectory(config.storeDir);
    const service = new StoreService({ ...config, resp }, log);
    try {
      service.resp = await service.#bind('resp', resp, 'cluster');
      if (proxy !== null) service.proxy = await service.#bind('proxy', proxy, 'proxy');
      service.#warnOfSettings();
    } catch (error) {
      await service.close();
      throw error;
    }
    return service;
  }

  /**
   * The node runs. `keys`: secrets of the group's keyring; null when nothing is sealed. `lagMs`: how late the process' timers are.
   * Resolves when what is on disk was read back.
   */
  async serve(
    node: StoreNode,
    keys: (() => readonly Uint8Array[]) | null,
    lagMs: () => number,
  ): Promise<void> {
    this.#node = node;
    this.#keys = keys;
    this.#lagMs = lagMs;
    if (this.#early.length > 0 || this.#hasMessages()) await this.#wake();
  }

  info(): StoreInfoView {
    const { resp, proxy, memoryMb } = this;
    const table = this.#store?.table ?? null;
    const counters = this.#store?.backend.counters ?? null;
    const { server, router } = this.#group ?? { server: null, router: null };
    return {
      resp,
      proxy,
      awake: this.#group !== null,
      backend: this.#config.store,
      directory: this.#config.store === 'memory' ? null : this.#config.storeDir,
      keys: table?.size ?? 0,
      expiring: table?.expiring ?? 0,
      strays: router?.strays() ?? 0,
      usedBytes: table?.usedBytes ?? 0,
      heldBytes: table?.heldBytes ?? 0,
      memoryLimitBytes: memoryMb * MB,
      diskBytes: counters?.diskBytes ?? 0,
      diskLimitBytes: this.#config.storeDiskMb === null ? null : this.#config.storeDiskMb * MB,
      full: this.#store?.lacks ?? null,
      slots: router?.slotCounts() ?? { served: 0, unsettled: 0, held: 0, elsewhere: 0, unowned: 0 },
      clients: server?.connections ?? 0,
      links: server?.links ?? 0,
      hits: server?.state.counters.hits ?? 0,
      misses: server?.state.counters.misses ?? 0,
      commands: server?.dispatcher.counters.commands ?? 0,
      perSecond: this.#history?.rates() ?? { second: 0, minute: 0 },
      forwarded: router?.forwarder.counters.forwarded ?? 0,
      expired: table?.counters.expired ?? 0,
      queuedBytes: counters?.queuedBytes ?? 0,
      snapshots: counters?.snapshots ?? 0,
      snapshotAt: isoOf(this.#store?.backend.savedMs ?? null),
      longestTurnMs: (server?.state.counters.longestTurnUsec ?? 0) / 1000,
      longestStepMs: counters?.longestStepMs ?? 0,
      slow: server?.state.slowLog.length ?? 0,
      warnings: this.warnings(),
    };
  }

  /** Figures for this node's record: what there is for messages, and how much of it is used, in percent. A cache has no fill level. */
  capacity(): Capacity {
    const { memoryMb } = this;
    const { store: kind, storeDiskMb } = this.#config;
    const store = this.#store;
    const memory = kind === 'leveldb' ? {} : { storeMb: memoryMb };
    if (store === null) return memory;
    const fill = kind === 'leveldb' ? {} : { storePercent: percent(store.table.heldBytes, memoryMb * MB) };
    const used = store.backend.counters.diskBytes;
    const disk =
      storeDiskMb === null ? {} : { storeDiskMb, storeDiskPercent: percent(used, storeDiskMb * MB) };
    return { ...memory, ...fill, ...disk };
  }

  /** Calls back with figures that the group does not know yet. */
  watchCapacity(tell: (figures: Capacity) => void): void {
    this.#teller = new CapacityTeller(() => this.capacity(), tell);
    this.#teller.start();
  }

  async scan(start: number, end: number, cursor: number, count: number): Promise<StoreScanView> {
    if (this.#store === null || this.#parts === null) return { entries: [], cursor: 0 };
    return this.#parts.scanStore(this.#store, { start, end }, cursor, count);
  }

  count(start: number, end: number): StoreCountView {
    const [firstSlot, lastSlot] = [slotAt(start), slotAt(end)];
    let messages = 0;
    if (this.#store !== null)
      for (let slot = firstSlot; slot <= lastSlot; slot++) messages += this.#store.table.countInSlot(slot);
    return { messages, firstSlot, lastSlot };
  }

  history(afterMs: number): StoreHistoryView {
    return this.#history?.since(afterMs) ?? NO_HISTORY;
  }

  slow(count: number, trusted: boolean): StoreSlowView {
    if (this.#group === null || this.#parts === null) return { slowerThanMs: 0, entries: [] };
    const { state } = this.#group.server;
    return this.#parts.slowCommands(state, count, trusted || !state.hasPassword);
  }

  warnings(): string[] {
    const out = [
      ...this.#startWarnings,
      ...(this.#group?.router.holdings.warnings() ?? []),
      ...(this.#store?.backend.warnings ?? []),
    ];
    if (this.#failed !== null) out.push(`the store does not serve: ${this.#failed}`);
    const store = this.#store;
    if (store?.full === true) out.push(fullText(store, this.memoryMb));
    const group = this.#node?.members() ?? [];
    const me = group.find((member) => member.self);
    const others = group.some(
      (member) => !member.self && member.status === 'alive' && !isLoopback(member.address),
    );
    if (this.#group !== null && me !== undefined && others && isLoopback(this.resp))
      out.push(
        `the store listens on loopback (${this.resp}) while members are on other machines: they cannot forward to it; bind resp to an address they reach`,
      );
    return out;
  }

  metrics(): MetricFamily[] {
    if (this.#group === null || this.#store === null || this.#parts === null) return [];
    return this.#parts.storeMetrics(this.#group, this.#store);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#teller?.stop();
    this.#history?.stop();
    for (const listener of this.#listeners) listener.close();
    for (const { socket } of this.#early) socket.destroy();
    await this.#awake?.catch(() => {});
    await this.#group?.close();
    await this.#store?.close();
    await this.#lock?.release();
  }

  async #bind(name: 'resp' | 'proxy', asked: Address, use: Port): Promise<Address> {
    try {
      return await this.#listen(name, asked, use);
    } catch (error) {
      const isTaken = error instanceof ShoalError && error.code === 'port-in-use';
      if (!isTaken || this.#config.origins[name] !== undefined) throw error;
      const { host } = splitAddress(asked) as { host: string };
      const bound = await this.#listen(name, joinAddress(host, 0), use);
      const text = `${name}: the default, ${asked}, is taken by another program, and ${bound} was picked: choose one with --${name} HOST:PORT, or --no-${name}`;
      this.#warnOfStart(text);
      return bound;
    }
  }

  #warnOfStart(text: string): void {
    this.#startWarnings.push(text);
    this.#log.warn({}, text);
  }

  #warnOfSettings(): void {
    const { acks, store } = this.#config;
    if (this.#password === '' && !isLoopback(this.resp))
      this.#warnOfStart(`the store is open to anybody who reaches ${this.resp}: give --resp-password-file`);
    const most = store === 'memory' ? '1m0d' : '1m1d';
    // A majority, or all, of one is one.
    if (!/^(1|q|all)m/.test(acks) || (store === 'memory' && !acks.endsWith('m0d')))
      this.#warnOfStart(
        `acks = "${acks}" is more than this store keeps, ${most}: it refuses every write (NOREPLICAS) whose client does not ask for less`,
      );
  }

  #listen(name: 'resp' | 'proxy', asked: Address, use: Port): Promise<Address> {
    const { host, port } = splitAddress(asked) as { host: string; port: number };
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
      pauseOnConnect: true,
    });
    server.on('connection', (socket) => this.#came(socket, use));
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(listenError(name, asked, error)));
      server.listen({ host, port }, () => {
        server.removeAllListeners('error');
        // No descriptor left for a client: the next one may have one.
        server.on('error', () => {});
        this.#listeners.push(server);
        const bound = server.address() as AddressInfo;
        resolve(joinAddress(host, bound.port));
      });
    });
  }

  #came(socket: Socket, port: Port): void {
    if (this.#group !== null) {
      this.#accept(this.#group, socket, port);
      return;
    }
    if (this.#closed || this.#failed !== null || this.#early.length >= MAX_EARLY) {
      socket.destroy();
      return;
    }
    socket.on('error', () => socket.destroy());
    this.#early.push({ socket, port });
    if (this.#node !== null) void this.#wake();
  }

  #accept(group: GroupServer, socket: Socket, port: Port): void {
    group.server.accept(socket, (this.#parts as Parts).ROLE[port]);
    socket.resume();
  }

  /** Once when the store becomes full, and once when it has room again. */
  #noteFull(store: Store): void {
    if (store.full === this.#wasFull) return;
    this.#wasFull = !this.#wasFull;
    if (this.#wasFull) this.#log.warn({}, fullText(store, this.memoryMb));
    else this.#log.info({}, 'the store has room for messages again');
  }

  /** Of every sample of the history. */
  #figures(store: Store): Figures {
    this.#noteFull(store);
    const { table, backend } = store;
    return {
      commands: this.#group?.server.dispatcher.counters.commands ?? 0,
      keys: table.size,
      usedBytes: table.usedBytes,
      heldBytes: table.heldBytes,
      diskBytes: backend.counters.diskBytes,
      clients: this.#group?.server.connections ?? 0,
      lagMs: this.#lagMs(),
    };
  }

  #hasMessages(): boolean {
    const { store, storeDir } = this.#config;
    try {
      return store !== 'memory' && existsSync(storeDir) && readdirSync(storeDir).length > 0;
    } catch {
      return true;
    }
  }

  /** Makes the store and all that serves it. Never rejects. */
  #wake(): Promise<void> {
    this.#awake ??= this.#awaken().then(
      () => {
        this.#failed = null;
      },
      (error) => this.#fail(error),
    );
    return this.#awake;
  }

  /** Nobody is served; what a disk or another process is the reason of is tried again, for it may pass. */
  async #fail(error: Error): Promise<void> {
    if (this.#failed !== error.message) this.#log.error({}, `the store does not serve: ${error.message}`);
    this.#failed = error.message;
    for (const { socket } of this.#early.splice(0)) socket.destroy();
    await this.#lock?.release();
    this.#lock = null;
    const lasts = error instanceof ShoalError && LASTING.has(error.code);
    if (this.#closed || lasts) return;
    this.#retry = setTimeout(() => {
      this.#awake = null;
      void this.#wake();
    }, RETRY_MS).unref();
  }

  async #awaken(): Promise<void> {
    const node = this.#node as StoreNode;
    allowOptimizing(this.#log);
    this.#parts = await loadParts();
    const { createGroupServer, Store } = this.#parts;
    const { store: backend, storeDir, storeDiskMb, storeSalvage, insecure, acks } = this.#config;
    if (backend !== 'memory') {
      await makeStoreDirectory(storeDir);
      this.#lock = await DirectoryLock.take(storeDir, 'store-dir');
    }
    const store = await Store.open({
      backend,
      directory: storeDir,
      maxMemoryBytes: this.memoryMb * MB,
      maxDiskBytes: (storeDiskMb ?? 0) * MB,
      compress: true,
      salvage: storeSalvage,
      notices: { info: (text) => this.#log.info({}, text), warn: (text) => this.#log.warn({}, text) },
      nowMs: Date.now(),
    });
    this.#store = store;
    if (this.#closed) return;
    const { host, port } = splitAddress(this.resp) as { host: string; port: number };
    this.#group = createGroupServer({
      node,
      store,
      keys: this.#keys,
      open: insecure,
      nowMs: monotonicMs,
      level: acks,
      hooks: { warn: (text) => this.#log.warn({}, text) },
      settings: {
        port: String(port),
        bind: host,
        dir: storeDir,
        maxmemory: String(this.memoryMb * MB),
        'maxmemory-clients': String(clientBudgetMb(this.memoryMb) * MB),
        appendonly: backend === 'memory' ? 'no' : 'yes',
        'cluster-enabled': 'yes',
        requirepass: this.#password,
        'protected-mode': insecure ? 'no' : 'yes',
      },
    });
    this.#history = new StoreHistory(() => this.#figures(store));
    this.#history.start();
    for (const { socket, port } of this.#early.splice(0)) this.#accept(this.#group, socket, port);
    this.#log.info(
      { resp: this.resp, proxy: this.proxy, backend, keys: store.table.size },
      'the store serves',
    );
  }
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/**
 * The unit file runs Node without its optimizing compiler, which membership does not miss; the store is many times slower without.
 * It may be switched on while nothing of the store has run yet.
 */
function allowOptimizing(log: Log): void {
  const given = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  if (!/--no-?opt\b/.test(given)) return;
  setFlagsFromString('--opt');
  log.info({}, 'the store is in use: the optimizing compiler is on from now on, which costs some megabytes');
}

function listenError(name: 'resp' | 'proxy', asked: Address, error: Error): ShoalError {
  if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
    return new ShoalError(
      'port-in-use',
      `${name}: ${asked} is taken by another program: stop it, or choose another address with --${name} HOST:PORT (port 0 picks a free one) or --no-${name}`,
      name,
    );
  return new ShoalError(
    'cannot-listen',
    `${name}: cannot listen on ${asked} (${systemReason(error)}): choose an address of this machine and a port it may use`,
    name,
  );
}

async function makeStoreDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path);
  } catch (error) {
    throw new ShoalError(
      'store-unwritable',
      `store-dir: cannot make ${path} (${systemReason(error)}): give a directory this user may write to`,
      'store-dir',
    );
  }
}

/** Fewer could be guessed. */
const PASSWORD_CHARS = { min: 16, max: 512 };

/** @throws ShoalError `bad-password-file` */
export function readPassword(path: string): string {
  const bad = (message: string): ShoalError =>
    new ShoalError('bad-password-file', `resp_password_file: ${message}`, 'resp_password_file');
  const text = readSecretFile(path, 'password', bad).trim();
  if (text.length < PASSWORD_CHARS.min || text.length > PASSWORD_CHARS.max || !/^[\x21-\x7e]+$/.test(text))
    throw bad(
      `${path} must hold one password of ${PASSWORD_CHARS.min} to ${PASSWORD_CHARS.max} printable characters without spaces; openssl rand -hex 16 makes one`,
    );
  return text;
}
