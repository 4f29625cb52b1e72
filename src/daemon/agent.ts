import { availableParallelism, totalmem } from 'node:os';
import { type Address, ShoalError, splitAddress } from '../base/index.ts';
import { type AgentConfig, isLoopback } from '../config/index.ts';
import { createHttpServer, type HttpServer } from '../http/index.ts';
import { pageFiles } from '../http/page/index.ts';
import {
  createDriver,
  type Driver,
  type Log,
  monotonicMs,
  type Seal,
  type SealFactory,
} from '../io/index.ts';
import type { NodeApi } from '../node/contract.ts';
import { createNode, snapshotSoundness } from '../node/index.ts';
import { checkHooks, Hooks, type Scripts } from './hooks.ts';
import { readKeyFile, sealWith } from './keys.ts';
import { readSecretFile } from './secret-file.ts';
import { StoreService } from './store-service.ts';
import { VERSION } from './version.ts';

export interface AgentAddresses {
  readonly gossip: Address;
  readonly http: Address | null;
  /** Null: no store. */
  readonly resp: Address | null;
  readonly proxy: Address | null;
  readonly socket: string;
}

export interface AgentParts {
  readonly log: Log;
  /** What to do when the node contradicts itself; default: an uncaught error, which ends the process. */
  readonly crash?: (error: unknown) => void;
}

/** Announcing `left` is worth this long; peers that do not hear it find the node down by themselves. */
const LEAVE_TIMEOUT_MS = 1_000;

/** A running agent: the node on its sockets and files, with its HTTP edge. No signals and no exit codes: those are run.ts. */
export class Agent {
  readonly #driver: Driver;
  readonly #http: HttpServer;
  readonly #store: StoreService | null;
  readonly #hooks: Hooks;
  readonly #log: Log;
  readonly addresses: AgentAddresses;
  #stopped: Promise<void> | null = null;
  /** There is nothing to announce: it was said, or this process must not speak for the node. */
  #left = false;

  private constructor(
    driver: Driver,
    http: HttpServer,
    store: StoreService | null,
    hooks: Hooks,
    log: Log,
    addresses: AgentAddresses,
  ) {
    this.#driver = driver;
    this.#http = http;
    this.#store = store;
    this.#hooks = hooks;
    this.#log = log;
    this.addresses = addresses;
    void Promise.race([driver.whenLeft, driver.whenRefused]).then(() => {
      this.#left = true;
    });
  }

  /** Resolves when the agent serves. @throws ShoalError of the state directory, the sockets or the token file. */
  static async start(config: AgentConfig, parts: AgentParts): Promise<Agent> {
    const { log } = parts;
    const token = config.httpTokenFile === null ? null : readToken(config.httpTokenFile);
    const seal = config.keyFile === null ? null : sealOf(config.keyFile);
    const scripts = checkHooks(config.onEvent);
    const store = await StoreService.open(config, log);
    const opened = await openDriver(config, parts, seal, store).catch(async (error) => {
      await store?.close();
      throw error;
    });
    const { driver } = opened;
    const http = createHttpServer({
      api: driver,
      store,
      pageFiles,
      tcp: config.http === null ? null : splitAddress(config.http),
      socketPath: config.socket,
      token,
      log,
      version: VERSION,
    });
    try {
      const bound = await http.start();
      const resp = store?.resp ?? null;
      driver.setAddresses({ http: bound.http, resp });
      driver.attach({ warnings: () => httpWarnings(bound.http), metrics: () => [] });
      if (store !== null) driver.attach(store);
      store?.watchCapacity((figures) => driver.setCapacity({ ...machineFigures(), ...figures }));
      await store?.serve(driver, seal === null ? null : opened.secrets, driver.lagMs);
      const { gossip } = driver;
      const addresses = {
        gossip,
        http: bound.http,
        resp,
        proxy: store?.proxy ?? null,
        socket: config.socket,
      };
      return new Agent(driver, http, store, startHooks(scripts, driver, config, log), log, addresses);
    } catch (error) {
      // Peers may have seen it already.
      await announceLeft(driver, log);
      await store?.close();
      await driver.stop({ snapshot: false });
      throw error;
    }
  }

  get api(): NodeApi {
    return this.#driver;
  }

  /** Resolves after a `leave` came in through the API and was answered: time to stop. */
  get whenLeft(): Promise<void> {
    return this.#driver.whenLeft;
  }

  /** Resolves when this process must not go on: see the error. `stop` then announces nothing. */
  get whenRefused(): Promise<Error> {
    return this.#driver.whenRefused;
  }

  /** Announces `left` (releasing nothing), answers what is under way, writes the state and closes everything. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const hooksStopped = this.#hooks.stop();
    const announced = this.#left ? null : announceLeft(this.#driver, this.#log);
    // Others take over what this node served as soon as they hear that it left.
    await this.#store?.close();
    await announced;
    await this.#driver.stop({ snapshot: true });
    await hooksStopped;
    // Last, because whoever sees the socket gone may start another agent on the same state directory.
    await this.#http.close();
  }
}

/** The node on its sockets and files, and secrets of its keyring for other purposes. */
async function openDriver(
  config: AgentConfig,
  { log, crash }: AgentParts,
  seal: SealFactory | null,
  store: StoreService | null,
): Promise<{ readonly driver: Driver; readonly secrets: () => readonly Uint8Array[] }> {
  // With a new id comes a new seal.
  let sealed: Seal | null = null;
  const { multicast, multicastTtl } = config;
  const driver = await createDriver({
    factory: createNode,
    soundness: snapshotSoundness,
    stateDirectory: config.dataDir,
    bind: config.bind,
    advertise: config.advertise,
    multicast:
      multicast === null ? null : { group: multicast, interface: config.interface, ttl: multicastTtl },
    name: config.name,
    cluster: config.cluster,
    join: config.join,
    ranges: config.ranges,
    detection: { probePeriodMs: config.probePeriodMs, suspicionPeriods: config.suspicionPeriods },
    forgetAfterMs: config.forgetAfterMs,
    tags: config.tags,
    capacity: { ...machineFigures(), ...store?.capacity() },
    resp: store?.resp ?? null,
    version: VERSION,
    seal:
      seal === null
        ? null
        : (around) => {
            sealed = seal(around);
            return sealed;
          },
    log,
    ...(crash === undefined ? {} : { crash }),
  });
  return { driver, secrets: () => sealed?.derive?.('store link') ?? [] };
}

function machineFigures(): Record<string, number> {
  return { cores: availableParallelism(), memoryMb: Math.round(totalmem() / 2 ** 20) };
}

function sealOf(path: string): SealFactory {
  return sealWith(readKeyFile(path), path, () => readKeyFile(path));
}

/** A key seals what passes between nodes, and nothing of HTTP. */
export function httpWarnings(address: Address | null): string[] {
  if (address === null || isLoopback(address)) return [];
  return [
    `HTTP is readable by anybody who reaches ${address}: bind it to loopback (http = "127.0.0.1:29980") or put a proxy before it`,
  ];
}

/** The events since the start come first. */
function startHooks(scripts: Scripts, driver: Driver, config: AgentConfig, log: Log): Hooks {
  const node = (): string => driver.status().node.id;
  const { name, socket } = config;
  const hooks = new Hooks(scripts, { node, name, socket, log, nowMs: monotonicMs });
  if (scripts.size === 0) return hooks;
  for (const event of driver.eventsAfter(0)) hooks.event(event);
  driver.onEvent((event) => hooks.event(event));
  driver.attach(hooks);
  return hooks;
}

async function announceLeft(driver: Driver, log: Log): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${LEAVE_TIMEOUT_MS} ms`)), LEAVE_TIMEOUT_MS);
  });
  try {
    await Promise.race([driver.leave({ release: false }), timeout]);
  } catch (error) {
    log.warn({}, `leaving was not announced to everybody: ${(error as Error).message}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Fewer could be guessed. */
const TOKEN_CHARS = { min: 32, max: 1024 };

/** @throws ShoalError `bad-token-file` */
export function readToken(path: string): string {
  const bad = (message: string): ShoalError =>
    new ShoalError('bad-token-file', `http_token_file: ${message}`, 'http_token_file');
  const text = readSecretFile(path, 'token', bad).trim();
  if (text.length < TOKEN_CHARS.min || text.length > TOKEN_CHARS.max || !/^[\x21-\x7e]+$/.test(text)) {
    throw bad(
      `${path} must hold one token of ${TOKEN_CHARS.min} to ${TOKEN_CHARS.max} printable characters without spaces; openssl rand -hex 32 makes one`,
    );
  }
  return text;
}
