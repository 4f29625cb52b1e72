import { ShoalError } from '../base/index.ts';
import { type AgentConfig, resolveConfig } from '../config/index.ts';

/** Settings of an agent inside a program: those of `shoal agent`, with the same checks and defaults. */
export interface AgentOptions {
  /** For people; unique in the group. Default: the host name. */
  readonly name?: string;
  /** Name of the group. Default `shoal`. */
  readonly cluster?: string;
  /** Identity, journal and snapshots. Default `~/.local/state/shoal/<name>`. One agent each. */
  readonly dataDir?: string;
  /** Gossip address, `HOST:PORT`; port 0 picks a free one. Default `127.0.0.1:29999`. */
  readonly bind?: string;
  /** Where peers reach this node, when that is not the bound address. */
  readonly advertise?: string;
  /** Nodes to contact at start. */
  readonly join?: readonly string[];
  /** Network interface for multicast, by name or address. */
  readonly interface?: string;
  /** Multicast group; `false`: none. Default `239.77.29.99:29998`. */
  readonly multicast?: string | false;
  /** Status page and API; `false`: none. Default `127.0.0.1:29980`. */
  readonly http?: string | false;
  /** The store's Redis Cluster port; `false`, the default: no store. */
  readonly resp?: string | false;
  /** The store's plain Redis port, with `resp` only; `false`, the default: none. */
  readonly proxy?: string | false;
  /** Where messages are kept: `log` (the default) or `memory`. */
  readonly store?: 'memory' | 'log' | 'leveldb';
  /** File with the password of the store's clients. */
  readonly respPasswordFile?: string;
  /** Admin socket for the verbs of `shoal`. Default `<dataDir>/shoal.sock`. */
  readonly socket?: string;
  /** File with the keys that seal everything on the network, one a line; mode 0600. */
  readonly keyFile?: string;
  /** Allows other addresses than loopback although nothing is sealed. */
  readonly insecure?: boolean;
  /** Milliseconds between two probes of this node, 100 to 60000; the same on every node. Default 800. */
  readonly probePeriod?: number;
  /** How long a suspected member has to answer, in probe periods, 0.5 to 100; the same on every node. Default 1.25. */
  readonly suspicionPeriods?: number;
  /** Seconds, 60 to 315360000, after which a member that is down is marked left. Default: never. */
  readonly forgetAfter?: number;
  /** Registered at start where absent. */
  readonly ranges?: readonly RangeOption[];
  readonly tags?: Readonly<Record<string, string>>;
  /** Where log lines go. Default: nowhere. */
  readonly log?: (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: object) => void;
}

export interface RangeOption {
  readonly start: number;
  readonly end: number;
  /** Default 1. */
  readonly priority?: number;
}

const NAMES = new Set<string>([
  'name',
  'cluster',
  'dataDir',
  'bind',
  'advertise',
  'join',
  'interface',
  'multicast',
  'http',
  'resp',
  'proxy',
  'store',
  'respPasswordFile',
  'socket',
  'keyFile',
  'insecure',
  'probePeriod',
  'suspicionPeriods',
  'forgetAfter',
  'ranges',
  'tags',
  'log',
] satisfies (keyof AgentOptions)[]);

/** What the process around it knows; the environment variables of the daemon do not count in a library. */
export interface Surroundings {
  readonly hostname: string;
  readonly homedir: string;
}

/**
 * The options as the settings of `shoal agent`, so that one set of checks judges both.
 * @throws ShoalError that names the option.
 */
export function configOf(options: AgentOptions, around: Surroundings): AgentConfig {
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw new ShoalError('unknown-setting', `${name}: there is no such option`, name);
  }
  const flags: Record<string, string[]> = {};
  const put = (setting: string, value: unknown): void => {
    if (value !== undefined) flags[setting] = [String(value)];
  };
  put('name', options.name);
  put('cluster', options.cluster);
  put('data_dir', options.dataDir);
  put('bind', options.bind);
  put('advertise', options.advertise);
  put('interface', options.interface);
  put('socket', options.socket);
  put('key_file', options.keyFile);
  put('insecure', options.insecure);
  put('probe_period', options.probePeriod);
  put('suspicion_periods', options.suspicionPeriods);
  put('forget_after', options.forgetAfter);
  put(
    options.multicast === false ? 'no_multicast' : 'multicast',
    options.multicast === false || options.multicast,
  );
  put(options.http === false ? 'no_http' : 'http', options.http === false || options.http);
  // A program that wants the store says so: two agents in it would want the same ports.
  const { resp = false, proxy = false } = options;
  put(resp === false ? 'no_resp' : 'resp', resp === false || resp);
  if (resp !== false) put(proxy === false ? 'no_proxy' : 'proxy', proxy === false || proxy);
  put('store', options.store);
  put('resp_password_file', options.respPasswordFile);
  if (options.join !== undefined && options.join.length > 0) flags.join = [...options.join];
  if (options.ranges !== undefined && options.ranges.length > 0) {
    flags.range = options.ranges.map(({ start, end, priority }) => `${start}-${end}:${priority ?? 1}`);
  }
  const tags = Object.entries(options.tags ?? {});
  if (tags.length > 0) flags.tag = tags.map(([key, value]) => `${key}=${value}`);
  return resolveConfig({ flags, env: {}, readFile: noFile, ...around });
}

/** The daemon's file is the daemon's. */
function noFile(path: string): never {
  throw Object.assign(new Error(`${path} is not read by the library`), { code: 'ENOENT' });
}
