import { PLAIN_LEVEL } from './ack-level.ts';
import type { Call } from './call.ts';
import { Channels } from './channels.ts';
import { type Client, GATE } from './client.ts';
import { type Command, CommandTable, type Known } from './command.ts';
import { Latency } from './latency.ts';
import type { Peer } from './peers.ts';
import { Settings } from './settings.ts';
import { SlowLog } from './slow-log.ts';
import type { Transaction } from './transaction.ts';
import { Watches } from './watches.ts';

/** Reasons why all commands are looked at before they run; see Dispatcher. */
export const SERVER_GATE = {
  monitors: 1,
  paused: 2,
  /** Every command's time is wanted. */
  timed: 4,
  watches: 8,
  /** The store takes no writes, or none that need room. */
  refusing: 16,
  /** Changes wait for the disk. */
  congested: 32,
} as const;

/** Below this a single clock reading per turn does not tell which command was slow. */
const TIME_ALL_BELOW_USEC = 1000;

/** Longest time that a timer takes: one set for more comes at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Says where commands run. Not asked when the client's role is local, nor when the command has exactly one key, argument 1,
 * whose slot has state 0, nor, of a cluster client, when it has no keys. Within MULTI it is asked when a command is queued
 * (`call.client.transaction` is not null: it may refuse, but not defer) and not again.
 */
export interface Router {
  /** By slot: 0 when a command on one key of it runs here without further questions. */
  readonly state: Uint8Array;
  /** A turn of commands begins. */
  begin(nowMs: number): void;
  /**
   * True: it runs here and now. Else it has been answered (`-MOVED`, `-CROSSSLOT`, ...), or will be: by `call.defer()` or
   * `call.later()`.
   */
  route(call: Call, known: Known): boolean;
  /** Owners of a slot, this node included: for levels like `q`. */
  owners(slot: number): number;
  /** The other node that a transaction's commands are for; null: this one. */
  ownerOf(transaction: Transaction): Peer | null;
}

/** What the rest of the daemon does for the server; all of it may be missing. */
export interface ServerHooks {
  /** Tells the other nodes of a published message, of at most LIMITS.publicationBytes with its channel. */
  publishToGroup?: (channel: Uint8Array, message: Uint8Array) => void;
  /** For the operator's log. */
  warn?: (text: string) => void;
  /** Lines for sections of INFO. */
  info?: (section: string) => readonly (readonly [name: string, value: string | number])[];
}

/** What all connections of a server share besides the store. */
export class ServerState {
  readonly commands: CommandTable;
  readonly settings: Settings;
  readonly clients = new Map<number, Client>();
  readonly channels = new Channels();
  readonly slowLog = new SlowLog();
  readonly latency = new Latency();
  readonly monitors = new Set<Client>();
  readonly hooks: ServerHooks;
  readonly startedMs: number;
  /** 40 hex digits, new with every start. */
  readonly runId: string;
  router: Router | null = null;
  /** Of connections that ask for no other. */
  defaultLevel = PLAIN_LEVEL;
  /** Commands run since the start, or since CONFIG RESETSTAT; and in the last second. The dispatcher's, the server's. */
  commandsRun: () => number = () => 0;
  commandsPerSecond = 0;
  resetCommands: () => void = () => {};
  /** Runs what a transaction has queued; the dispatcher's. */
  runQueued: (call: Call, transaction: Transaction) => void = () => {};
  /** Runs a part of a command that was taken apart, unless the store refuses it; the dispatcher's. */
  runPart: (call: Call, known: Known) => void = () => {};
  /** See SERVER_GATE. */
  gates = 0;
  /** Clients are paused until then, all their commands or only those that write. */
  pausedUntilMs = 0;
  pausesWritesOnly = false;
  /** Of those who wait for the pause to end. */
  readonly paused = new Set<Client>();
  readonly watches = new Watches();
  #pauseTimer: NodeJS.Timeout | undefined;
  readonly counters = {
    connections: 0,
    rejected: 0,
    unauthorized: 0,
    cutForOutput: 0,
    cutForInput: 0,
    cutForIdling: 0,
    cutForDawdling: 0,
    cutForMemory: 0,
    cutBeforeLogin: 0,
    cutForHttp: 0,
    bytesIn: 0,
    bytesOut: 0,
    turns: 0,
    longestTurnUsec: 0,
    published: 0,
    /** Keys that commands which read looked for, and that were there or not. */
    hits: 0,
    misses: 0,
  };

  constructor(
    commands: readonly Command[],
    startedMs: number,
    runId: string,
    given: Readonly<Record<string, string>> = {},
    hooks: ServerHooks = {},
  ) {
    this.commands = new CommandTable(commands);
    this.settings = new Settings(given);
    this.startedMs = startedMs;
    this.runId = runId;
    this.hooks = hooks;
    this.settings.changed = () => this.#regate();
    this.#regate();
  }

  gate(bit: number, on: boolean): void {
    this.gates = on ? this.gates | bit : this.gates & ~bit;
  }

  get hasPassword(): boolean {
    return this.settings.password !== '';
  }

  /** A client is gone. */
  forget(client: Client): void {
    this.clients.delete(client.id);
    this.channels.forget(client);
    this.stopMonitor(client);
    this.unwatch(client);
    this.paused.delete(client);
    client.transaction = null;
    client.blocked?.cancel();
    client.blocked = null;
    client.onGone?.();
  }

  monitor(client: Client): void {
    client.isMonitor = true;
    this.monitors.add(client);
    this.gate(SERVER_GATE.monitors, true);
  }

  stopMonitor(client: Client): void {
    client.isMonitor = false;
    this.monitors.delete(client);
    this.gate(SERVER_GATE.monitors, this.monitors.size > 0);
  }

  endTransaction(client: Client): void {
    client.transaction = null;
    client.gate(GATE.transaction, false);
    this.unwatch(client);
  }

  unwatch(client: Client): void {
    this.watches.forget(client);
    this.gate(SERVER_GATE.watches, this.watches.clients > 0);
  }

  pause(nowMs: number, untilMs: number, writesOnly: boolean): void {
    this.pausedUntilMs = Math.max(untilMs, this.pausedUntilMs);
    this.pausesWritesOnly = writesOnly;
    this.gate(SERVER_GATE.paused, true);
    clearTimeout(this.#pauseTimer);
    const ms = Math.min(Math.max(0, this.pausedUntilMs - nowMs), MAX_TIMER_MS);
    this.#pauseTimer = setTimeout(() => this.unpause(), ms);
    this.#pauseTimer.unref();
  }

  unpause(): void {
    clearTimeout(this.#pauseTimer);
    this.pausedUntilMs = 0;
    this.gate(SERVER_GATE.paused, false);
    this.#resumeAll();
  }

  /** The back end takes changes again. */
  roomAgain(): void {
    this.gate(SERVER_GATE.congested, false);
    this.#resumeAll();
  }

  /** A change for which the back end has no room now waits, and is run again when it has. */
  waitsForRoom(call: Call, changes: boolean): boolean {
    if (!changes || call.known === null || (this.gates & SERVER_GATE.congested) === 0) return false;
    this.paused.add(call.client);
    call.putBack(call.known);
    return true;
  }

  /** Whoever must wait still, for something else, is told so when it tries. */
  #resumeAll(): void {
    const waiting = [...this.paused];
    this.paused.clear();
    for (const client of waiting) client.outlet.resume();
  }

  resetStatistics(): void {
    for (const name of Object.keys(this.counters) as (keyof typeof this.counters)[]) this.counters[name] = 0;
    this.resetCommands();
    for (const known of this.commands.every()) known.reset();
  }

  /** Whoever sent it may have been used by a web page. The first one since the start is told. */
  sawHttp({ address }: Client): void {
    if (this.counters.cutForHttp++ > 0) return;
    this.hooks.warn?.(
      `${address} spoke HTTP to the store's port and was cut: a web page in a browser there may have tried to run commands; shoal_store_connections_total{event="cutForHttp"} counts further ones`,
    );
  }

  #regate(): void {
    const { slowerThanUsec } = this.settings;
    this.gate(SERVER_GATE.timed, slowerThanUsec >= 0 && slowerThanUsec < TIME_ALL_BELOW_USEC);
  }
}
