import type { Address } from '../base/index.ts';
import type { PositionRange } from './position.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevelName = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export const STORE_BACKENDS = ['memory', 'log', 'leveldb'] as const;
export type StoreBackend = (typeof STORE_BACKENDS)[number];

/** A share of the key space that an agent registers at start where it has not yet. */
export interface RangeSetting extends PositionRange {
  readonly priority: number;
}

/** Types of event, as in the node contract; a test keeps the two lists equal. */
export const EVENT_NAMES = [
  'member-join',
  'member-leave',
  'member-suspect',
  'member-down',
  'member-update',
  'range-registered',
  'range-released',
  'range-priority',
  'owners-changed',
  'keys-changed',
] as const;

/** A script, and the type of event it is for; null: every type. */
export interface HookSetting {
  readonly type: string | null;
  readonly script: string;
}

/** What an agent runs with: every setting decided and checked. Null means off, or not given. */
export interface AgentConfig {
  readonly name: string;
  readonly cluster: string;
  readonly dataDir: string;
  /** Gossip, UDP and TCP. The host is never empty; port 0 picks a free one. */
  readonly bind: Address;
  /** Null: the bound address, or the interface's when bound to all. */
  readonly advertise: Address | null;
  readonly join: readonly Address[];
  /** Name or address of the network interface for multicast; null: chosen by the bind address. */
  readonly interface: string | null;
  /** Null when switched off. */
  readonly multicast: Address | null;
  readonly multicastTtl: number;
  readonly http: Address | null;
  readonly httpTokenFile: string | null;
  readonly resp: Address | null;
  readonly proxy: Address | null;
  readonly respPasswordFile: string | null;
  readonly store: StoreBackend;
  readonly storeDir: string;
  /** Megabytes; null: decided by what the machine has. */
  readonly storeMemoryMb: number | null;
  /** Megabytes; null: as much as the disk has. */
  readonly storeDiskMb: number | null;
  readonly storeSalvage: boolean;
  /** Default ack level, as in `1m0d`. */
  readonly acks: string;
  /** Path of the admin socket. */
  readonly socket: string;
  readonly keyFile: string | null;
  readonly insecure: boolean;
  readonly probePeriodMs: number;
  readonly suspicionPeriods: number;
  /** Null: never. */
  readonly forgetAfterMs: number | null;
  readonly ranges: readonly RangeSetting[];
  readonly tags: Readonly<Record<string, string>>;
  readonly onEvent: readonly HookSetting[];
  readonly logLevel: LogLevelName;
  readonly logFormat: LogFormat;
  /** The file that was read, or null when there was none. */
  readonly configFile: string | null;
  /** Where each setting that was given comes from, by its name in the file: `environment variable SHOAL_SOCKET`. */
  readonly origins: Readonly<Record<string, string>>;
}
