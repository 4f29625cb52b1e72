/**
 * library: the agent inside a Node.js program. The same composition as `shoal agent`, without its manners of a
 * service: no signal handlers, no exit, no log unless asked for. Built as dist/library.js, with types.
 *
 * ```ts
 * import { createAgent } from 'shoal';
 *
 * const agent = createAgent({ name: 'board-7', dataDir: './state', ranges: [{ start: 0, end: 0x7fffffff }] });
 * agent.on('member-join', ({ name }) => console.log(`${name} is here`));
 * await agent.start();
 * await agent.increase({ start: 0, end: 0x7fffffff }, 2);
 * const [first] = agent.owners('user:{42}');
 * console.log(first?.name, agent.members().length);
 * await agent.stop();
 * ```
 *
 * An agent starts once: make another one to start again; it is the same node as long as `dataDir` is the same.
 * Test: test/e2e/library.test.ts, a program of somebody else that is type-checked and run.
 */
import { homedir, hostname } from 'node:os';
import { type NodeId, ShoalError } from '../base/index.ts';
import type { AgentConfig } from '../config/index.ts';
import type { Log } from '../io/index.ts';
import type { EventType, EventView, MemberView, NodeApi, OwnerView, RangeView } from '../node/contract.ts';
import { Agent, type AgentAddresses } from './agent.ts';
import { type AgentOptions, configOf } from './library-options.ts';

export type { Address, NodeId } from '../base/index.ts';
export { ShoalError } from '../base/index.ts';
export type {
  ConvergedView,
  CoverageView,
  EventType,
  EventView,
  MemberStatus,
  MemberView,
  NodeApi,
  OwnerView,
  RangeView,
  StatusView,
} from '../node/contract.ts';
export type { AgentAddresses } from './agent.ts';
export type { AgentOptions, RangeOption } from './library-options.ts';

/** Positions are unsigned 32-bit; both ends belong to the range. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** `node` names another node's entry, by id or name; default this node. */
export interface EntryOptions {
  readonly node?: string;
}

/** Calls by name; every promise is rejected with a {@link ShoalError} whose `code` is stable. */
export interface ShoalAgent {
  /** Resolves when the agent serves. @throws ShoalError `state-locked`, `address-in-use`, ...; the agent is not usable then. */
  start(): Promise<void>;
  /** Announces `left`, releases no range, closes everything; at most about 2 s. Safe to call twice. */
  stop(): Promise<void>;

  /** Sets the entry's priority (default 1). Resolves when the change is on this node's disk. */
  register(range: Range, priority?: number, options?: EntryOptions): Promise<RangeView>;
  /** Removes the entry. @throws ShoalError `not-registered`. */
  release(range: Range, options?: EntryOptions): Promise<void>;
  /** Adds to the priority; registers an absent range. */
  increase(range: Range, by: number, options?: EntryOptions): Promise<RangeView | null>;
  /** Takes from the priority; null when it fell to zero or below, which releases the range. */
  decrease(range: Range, by: number, options?: EntryOptions): Promise<RangeView | null>;

  /** The owners of a key (a string) or of a position (a number), best first. Never wait: this node's view. */
  owners(keyOrPosition: string | number): readonly OwnerView[];
  /** Every member known, this node included, also those down or left. */
  members(): readonly MemberView[];

  /** Calls back for each event of a type, or of every type with `*`; returns how to stop. May be called before start. */
  on(type: EventType | '*', listener: (event: EventView) => void): () => void;

  /** This node's id, and where it listens; @throws ShoalError `not-running` before start. */
  readonly id: NodeId;
  readonly addresses: AgentAddresses;
  /** Everything else a node can be asked: status, segments, coverage, converged, join, leave. */
  readonly api: NodeApi;
  /**
   * Resolves when this agent has stopped by itself: someone told the node to leave (`shoal leave`), or another process
   * has its node id (a copied `dataDir`; the log says so).
   */
  readonly left: Promise<void>;
}

/**
 * An agent that is not started yet.
 * @throws ShoalError that names the option at fault.
 */
export function createAgent(options: AgentOptions = {}): ShoalAgent {
  const config = configOf(options, { hostname: hostname(), homedir: homedir() });
  return new LibraryAgent(config, libraryLog(options.log));
}

class LibraryAgent implements ShoalAgent {
  readonly #config: AgentConfig;
  readonly #log: Log;
  readonly #listeners = new Set<{ type: EventType | '*'; listener: (event: EventView) => void }>();
  #starting: Promise<Agent> | null = null;
  #agent: Agent | null = null;
  #sayLeft: () => void = () => {};
  readonly left: Promise<void>;

  constructor(config: AgentConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    this.left = new Promise((resolve) => {
      this.#sayLeft = resolve;
    });
  }

  async start(): Promise<void> {
    if (this.#starting !== null) {
      throw new ShoalError('already-started', 'an agent starts once: make another one with createAgent');
    }
    this.#starting = Agent.start(this.#config, { log: this.#log });
    const agent = await this.#starting;
    this.#agent = agent;
    agent.api.onEvent((event) => this.#deliver(event));
    void agent.whenLeft.then(() => agent.stop()).then(this.#sayLeft);
    void agent.whenRefused.then(async (error) => {
      this.#log.error({}, `cannot go on: ${error.message}`);
      await agent.stop();
      this.#sayLeft();
    });
  }

  async stop(): Promise<void> {
    if (this.#starting === null) return;
    // A start that failed has closed what it opened.
    const agent = await this.#starting.catch(() => null);
    await agent?.stop();
  }

  register(range: Range, priority = 1, options: EntryOptions = {}): Promise<RangeView> {
    return this.api.register({ ...entry(range, options), priority });
  }

  async release(range: Range, options: EntryOptions = {}): Promise<void> {
    await this.api.release(entry(range, options));
  }

  increase(range: Range, by: number, options: EntryOptions = {}): Promise<RangeView | null> {
    return this.#adjust(range, by, 1, options);
  }

  decrease(range: Range, by: number, options: EntryOptions = {}): Promise<RangeView | null> {
    return this.#adjust(range, by, -1, options);
  }

  owners(keyOrPosition: string | number): readonly OwnerView[] {
    const { api } = this;
    return typeof keyOrPosition === 'string'
      ? api.ownersOfKey(keyOrPosition).owners
      : api.ownersAt(keyOrPosition).owners;
  }

  members(): readonly MemberView[] {
    return this.api.members();
  }

  on(type: EventType | '*', listener: (event: EventView) => void): () => void {
    const entry = { type, listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  get id(): NodeId {
    return this.api.status().node.id;
  }

  get addresses(): AgentAddresses {
    return this.#running().addresses;
  }

  get api(): NodeApi {
    return this.#running().api;
  }

  #running(): Agent {
    if (this.#agent === null)
      throw new ShoalError('not-running', 'the agent is not running: await start() first');
    return this.#agent;
  }

  async #adjust(range: Range, by: number, sign: 1 | -1, options: EntryOptions): Promise<RangeView | null> {
    if (!(by > 0))
      throw new ShoalError('bad-amount', `by: '${by}' will not do: write a whole number from 1`, 'by');
    const answer = await this.api.adjust({ ...entry(range, options), by: sign * by });
    return 'released' in answer ? null : answer;
  }

  #deliver(event: EventView): void {
    for (const { type, listener } of [...this.#listeners]) {
      if (type === '*' || type === event.type) listener(event);
    }
  }
}

/** The fields that count, whatever else the caller's object carries. */
function entry({ start, end }: Range, { node }: EntryOptions): { start: number; end: number; node?: string } {
  return node === undefined ? { start, end } : { start, end, node };
}

function libraryLog(log: AgentOptions['log']): Log {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void =>
      log?.(level, message, fields);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
