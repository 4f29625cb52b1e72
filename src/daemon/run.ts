import { ShoalError, systemReason } from '../base/index.ts';
import type { AgentConfig } from '../config/index.ts';
import { createLog, type Log } from '../io/index.ts';
import { Agent, httpWarnings } from './agent.ts';
import { processServiceNotifier, type ServiceNotifier } from './service.ts';
import { VERSION } from './version.ts';

/** Decides the settings again, for SIGHUP; throws a ShoalError when they are wrong. */
export type Reload = () => AgentConfig;

export interface RunOptions {
  /** Without it nothing is reloaded. */
  readonly reload?: Reload;
}

/** From the first signal to the end of the process; INTERFACE.md promises 2 s. */
const STOP_DEADLINE_MS = 1_800;
/** Exit codes above this one name the signal that forced the end, as a shell does. */
const SIGNAL_EXIT_BASE = 128;
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * `shoal agent`: runs until a signal, a `leave`, or the end of a parent that holds an IPC channel; resolves with the
 * exit code. What it logs and tells the service manager is INTERFACE.md's.
 */
export async function runAgent(config: AgentConfig, options: RunOptions | Reload = {}): Promise<number> {
  const log = createLog({ level: config.logLevel as 'info', format: config.logFormat });
  const service = processServiceNotifier((error) =>
    log.warn({}, `systemd-notify failed: ${systemReason(error)}`),
  );
  onUncaught(log);
  onHangup(config, typeof options === 'function' ? options : options.reload, log, service);
  const stopAsked = askedToStop(log);
  let agent: Agent;
  try {
    agent = await Agent.start(config, { log });
  } catch (error) {
    return failed(log, 'could not start', error, config);
  }
  const { gossip, http, resp, proxy, socket } = agent.addresses;
  warnInsecure(config, log);
  for (const warning of httpWarnings(http)) log.warn({ http }, warning);
  const { node } = agent.api.status();
  log.info({ node: node.name, id: node.id, gossip, http, resp, proxy, socket, version: VERSION }, 'ready');
  service.ready();
  const reason = await Promise.race([stopAsked, agent.whenLeft.then(() => 'left'), agent.whenRefused]);
  service.stopping();
  if (reason instanceof Error) {
    await withDeadline(agent.stop(), log);
    return failed(log, 'cannot go on', reason, config);
  }
  log.info({ reason }, 'stopping');
  await withDeadline(agent.stop(), log);
  log.info({}, 'stopped');
  return 0;
}

/** A signal, or the end of the parent, if there is one that talks to us (`shoal dev`): however that died. */
function askedToStop(log: Log): Promise<string> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (++signals > 1) {
          log.warn({ signal }, 'a second signal: ended at once');
          process.exit(SIGNAL_EXIT_BASE + SIGNAL_NUMBERS[signal]);
        }
        resolve(signal);
      });
    }
    if (process.channel !== undefined) process.once('disconnect', () => resolve('the parent process ended'));
  });
}

async function withDeadline(stopped: Promise<void>, log: Log): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), STOP_DEADLINE_MS);
  });
  if ((await Promise.race([stopped, deadline])) === 'late') {
    log.warn(
      {},
      `not everything could be closed within ${STOP_DEADLINE_MS} ms; what was acknowledged is on disk`,
    );
  }
  clearTimeout(timer);
}

function warnInsecure(config: AgentConfig, log: Log): void {
  if (!config.insecure) return;
  log.warn(
    { bind: config.bind },
    'insecure: nothing is sealed, whoever reaches the gossip port can read and change the map; use it on trusted networks only',
  );
}

function failed(log: Log, what: string, error: unknown, config: AgentConfig): number {
  if (!(error instanceof ShoalError)) {
    log.error({ stack: (error as Error).stack }, `${what}: ${firstLine(error)}`);
    process.stderr.write(`shoal: ${what}: ${firstLine(error)}\n`);
    return 1;
  }
  const { code, field } = error;
  const message = withOrigin(error.message, field, config);
  log.error(field === undefined ? { code } : { code, field }, `${what}: ${message}`);
  process.stderr.write(`shoal: ${message}\n`);
  // Without a key anybody can make it look so: then it is tried again.
  if (code === 'id-in-use' && config.keyFile !== null) return ID_IN_USE_EXIT;
  return SETTING_AT_FAULT.has(code) ? 2 : 1;
}

/** Of a sealed group: the other process has to go first; 3 is what verbs say when there is no daemon. The unit does not start it again either. */
const ID_IN_USE_EXIT = 4;

/**
 * Only what no restart can mend: the service manager does not try again after code 2, and a directory, an address or an
 * interface that is missing may only be late.
 */
const SETTING_AT_FAULT = new Set([
  'bad-multicast',
  'bad-token-file',
  'bad-password-file',
  'bad-key-file',
  'bad-on-event',
  'bad-socket',
  'bad-address',
  'state-newer',
]);

/** Says where the setting was found: behind its name when the message begins with that, as config's own do, else at the end. */
export function withOrigin(message: string, field: string | undefined, config: AgentConfig): string {
  const name = field?.replaceAll('-', '_') ?? '';
  const origin = config.origins[name];
  if (origin === undefined) return message;
  if (message.startsWith(`${name}: `)) return `${name} (from ${origin})${message.slice(name.length)}`;
  return `${message} (${name} is from ${origin})`;
}

function onUncaught(log: Log): void {
  process.on('uncaughtException', (error: unknown) => {
    const { stack } = error instanceof Error ? error : new Error(String(error));
    log.error({ stack }, `ended by a mistake in the program: ${firstLine(error)}`);
    process.stderr.write(`shoal: ended by a mistake in the program: ${firstLine(error)}; see the log\n`);
    process.exit(1);
  });
}

/** SIGHUP: what can change while the agent runs does; what cannot is named. */
function onHangup(
  started: AgentConfig,
  reload: Reload | undefined,
  log: Log,
  service: ServiceNotifier,
): void {
  process.on('SIGHUP', () => {
    if (reload === undefined) {
      log.warn({}, 'reload: nothing can be reloaded');
      return;
    }
    let next: AgentConfig;
    try {
      next = reload();
    } catch (error) {
      log.error({}, `reload: nothing was changed: ${firstLine(error)}`);
      return;
    }
    const waiting = changedSettings(started, next).filter((name) => name !== 'logLevel');
    setLogLevel(log, next.logLevel);
    const then = waiting.length === 0 ? '' : '; the others need a restart';
    log.info({ logLevel: next.logLevel, needRestart: waiting }, `reload: the log level was set${then}`);
    service.reloading();
  });
}

/** Names of the settings that differ, wherever they come from. */
export function changedSettings(before: AgentConfig, after: AgentConfig): string[] {
  const names = Object.keys(before) as (keyof AgentConfig)[];
  return names.filter(
    (name) => name !== 'origins' && JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
}

/** The logger is pino's, whose level is a property. */
function setLogLevel(log: Log, level: string): void {
  if ('level' in log) log.level = level;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
