import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { LIMITS, ShoalError } from '../base/index.ts';
import type { HookSetting } from '../config/index.ts';
import type { Log } from '../io/index.ts';
import type { EventView, MetricFamily } from '../node/contract.ts';
import { type HookEnd, HookRun } from './hook-run.ts';

export interface HookContext {
  /** This node's id, asked at each run: another process with the same one may make it take a new one. */
  readonly node: () => string;
  readonly name: string;
  /** The admin socket, for verbs that a script calls. */
  readonly socket: string;
  readonly log: Log;
  readonly nowMs: () => number;
  /** For tests; defaults below. */
  readonly timeoutMs?: number;
  readonly graceMs?: number;
}

const TIMEOUT_MS = 10_000;
const GRACE_MS = 2_000;
/** A stopping agent gives a running script so long before it is ended. */
const STOP_MS = 500;
/** A failure is in the warnings for this long, or until the script succeeds. */
const WARN_MS = 60 * 60_000;

/** What the agent has for its service manager only, or for itself. */
const NOT_PASSED_ON = /^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_|NODE_|CREDENTIALS_DIRECTORY|SHOAL_)/;

/** Scripts, each once, with the types of event it is for; null: every type. */
export type Scripts = ReadonlyMap<string, ReadonlySet<string> | null>;

/** @throws ShoalError `bad-on-event` that names the script. */
export function checkHooks(settings: readonly HookSetting[]): Scripts {
  const scripts = new Map<string, Set<string> | null>();
  for (const { type, script } of settings) {
    const path = resolve(script);
    checkScript(path);
    const types = scripts.get(path);
    if (type === null || types === null) scripts.set(path, null);
    else if (types === undefined) scripts.set(path, new Set([type]));
    else types.add(type);
  }
  return scripts;
}

function checkScript(path: string): void {
  const bad = (why: string): ShoalError =>
    new ShoalError('bad-on-event', `on_event: ${path} ${why}`, 'on_event');
  try {
    if (!statSync(path).isFile()) throw bad('is not a file: name a script');
    accessSync(path, constants.X_OK);
  } catch (error) {
    if (error instanceof ShoalError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw bad('does not exist: make the script, or take the setting out');
    if (code === 'EACCES')
      throw bad('may not be run by the agent: chmod 755 it, and see the directories above it');
    throw bad(`cannot be looked at (${code})`);
  }
}

/**
 * Event hooks: each event is handed to every script that is for its type, as JSON on standard input and in the
 * environment. Of one script one run is under way at a time; events wait in order, at most LIMITS.hookQueue of them, of
 * which the oldest go first when there are more, which the next run is told. Owner changes that wait become one.
 */
export class Hooks {
  readonly #hooks: readonly Hook[];
  readonly #onExit = (): void => {
    for (const hook of this.#hooks) hook.kill();
  };

  constructor(scripts: Scripts, context: HookContext) {
    this.#hooks = [...scripts].map(([script, types]) => new Hook(script, types, context));
    // However the agent ends, but for SIGKILL: nothing of it goes on.
    if (this.#hooks.length > 0) process.on('exit', this.#onExit);
  }

  event(event: EventView): void {
    for (const hook of this.#hooks) hook.event(event);
  }

  warnings(): string[] {
    return this.#hooks.flatMap((hook) => hook.warnings());
  }

  metrics(): MetricFamily[] {
    if (this.#hooks.length === 0) return [];
    const of = (
      read: (hook: Hook) => Readonly<Record<string, number>>,
      label: string,
    ): MetricFamily['samples'] =>
      this.#hooks.flatMap((hook) =>
        Object.entries(read(hook)).map(([key, value]) => ({
          labels: { script: hook.script, [label]: key },
          value,
        })),
      );
    return [
      {
        name: 'shoal_hook_runs_total',
        help: 'Runs of event scripts that ended, by outcome.',
        type: 'counter',
        samples: of((hook) => hook.outcomes, 'outcome'),
      },
      {
        name: 'shoal_hook_events_total',
        help: 'Events for scripts: handed over, dropped because too many waited, joined with one that waited.',
        type: 'counter',
        samples: of((hook) => hook.counters, 'what'),
      },
      {
        name: 'shoal_hook_waiting',
        help: 'Events that wait for their script.',
        type: 'gauge',
        samples: this.#hooks.map((hook) => ({ labels: { script: hook.script }, value: hook.waiting })),
      },
    ];
  }

  /** No new runs; those under way get a moment, then are ended. */
  async stop(): Promise<void> {
    await Promise.all(this.#hooks.map((hook) => hook.stop()));
    process.off('exit', this.#onExit);
  }
}

/** One script. */
class Hook {
  readonly script: string;
  readonly outcomes: Record<HookEnd['outcome'], number> = { ok: 0, failed: 0, timeout: 0, 'not-started': 0 };
  readonly counters = { handed: 0, dropped: 0, joined: 0 };
  readonly #types: ReadonlySet<string> | null;
  readonly #context: HookContext;
  #queue: EventView[] = [];
  #run: HookRun | null = null;
  /** Dropped since the script was last told. */
  #untold = 0;
  #stopping = false;
  #failure: { how: string; atMs: number; inRow: number } | null = null;

  constructor(script: string, types: ReadonlySet<string> | null, context: HookContext) {
    this.script = script;
    this.#types = types;
    this.#context = context;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  event(event: EventView): void {
    if (this.#stopping || (this.#types !== null && !this.#types.has(event.type))) return;
    this.#queue.push(this.#joined(event));
    if (this.#queue.length > LIMITS.hookQueue) {
      this.#queue.shift();
      this.counters.dropped++;
      if (this.#untold++ === 0) {
        this.#context.log.warn(
          { script: this.script, waiting: LIMITS.hookQueue },
          'event hook: the script is too slow for the events; the oldest are dropped',
        );
      }
    }
    this.#next();
  }

  warnings(): string[] {
    const failure = this.#failure;
    if (failure === null || this.#context.nowMs() - failure.atMs > WARN_MS) return [];
    const times = failure.inRow === 1 ? '' : `, ${failure.inRow} times in a row`;
    return [`the event script ${this.script} failed${times}: ${failure.how}; the log has what it wrote`];
  }

  kill(): void {
    this.#run?.kill();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#queue = [];
    const run = this.#run;
    if (run === null) return;
    const killer = setTimeout(() => run.kill(), STOP_MS);
    await run.ended;
    clearTimeout(killer);
  }

  /** Owner changes that wait are one span; it takes the place of the younger. */
  #joined(event: EventView): EventView {
    if (event.type !== 'owners-changed' || event.range === undefined) return event;
    const at = this.#queue.findIndex(({ type }) => type === 'owners-changed');
    const range = this.#queue[at]?.range;
    if (range === undefined) return event;
    this.#queue.splice(at, 1);
    this.counters.joined++;
    const start = Math.min(range.start, event.range.start);
    const end = Math.max(range.end, event.range.end);
    return { ...event, range: { start, end, priority: null } };
  }

  #next(): void {
    if (this.#run !== null || this.#stopping) return;
    const event = this.#queue.shift();
    if (event === undefined) return;
    const missed = this.#untold;
    this.#untold = 0;
    this.counters.handed++;
    const { timeoutMs = TIMEOUT_MS, graceMs = GRACE_MS } = this.#context;
    const input = JSON.stringify(event);
    const env = hookEnvironment(event, input, missed, this.#context);
    this.#run = new HookRun({ script: this.script, env, input: `${input}\n`, timeoutMs, graceMs });
    void this.#run.ended.then((end) => this.#ended(event, end));
  }

  #ended(event: EventView, { outcome, how, ms, output }: HookEnd): void {
    this.#run = null;
    this.outcomes[outcome]++;
    const { log, nowMs } = this.#context;
    const fields = {
      ...{ script: this.script, event: event.type, eventId: event.id, outcome, how, ms },
      ...(output === '' ? {} : { output }),
    };
    if (outcome !== 'ok') {
      if (!this.#stopping) this.#failure = { how, atMs: nowMs(), inRow: (this.#failure?.inRow ?? 0) + 1 };
      log.warn(fields, `event hook: ${how}`);
    } else {
      this.#failure = null;
      log[output === '' ? 'debug' : 'info'](fields, `event hook: ${how}`);
    }
    this.#next();
  }
}

/** Names come from other machines: what no environment can hold is replaced; a script must still quote them. */
const clean = (text: string): string => text.replace(/\p{Cc}/gu, '?');

export function hookEnvironment(
  event: EventView,
  json: string,
  missed: number,
  context: Pick<HookContext, 'node' | 'name' | 'socket'>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !NOT_PASSED_ON.test(name)) env[name] = value;
  }
  const { member, range } = event;
  const values: Record<string, string | number | null | undefined> = {
    SHOAL_SOCKET: context.socket,
    SHOAL_NODE_ID: context.node(),
    SHOAL_NODE_NAME: context.name,
    SHOAL_EVENT: json,
    SHOAL_EVENT_TYPE: event.type,
    SHOAL_EVENT_ID: event.id,
    SHOAL_EVENT_TIME: event.time,
    SHOAL_EVENTS_MISSED: missed,
    SHOAL_SUBJECT_ID: event.subject,
    SHOAL_SUBJECT_NAME: event.name,
    SHOAL_ORIGIN_ID: event.origin,
    SHOAL_MEMBER_STATUS: member?.status,
    SHOAL_MEMBER_ADDRESS: member?.address,
    SHOAL_MEMBER_INCARNATION: member?.incarnation,
    SHOAL_RANGE_START: range?.start,
    SHOAL_RANGE_END: range?.end,
    SHOAL_RANGE_PRIORITY: range?.priority,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null) env[name] = clean(String(value));
  }
  return env;
}
