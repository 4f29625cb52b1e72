import { type Address, ShoalError, splitAddress, systemReason } from '../base/index.ts';
import type { AgentConfig } from './agent-config.ts';
import { checkSocketPath } from './kinds.ts';
import { flagOf, SETTINGS, type SettingName, type SettingValue } from './settings.ts';
import {
  explain,
  type FlagValues,
  failed,
  type Given,
  LEVEL,
  readDocument,
  readEnvironment,
  readFlags,
  Sources,
} from './sources.ts';

export const DEFAULT_CONFIG_FILE = '/etc/shoal/shoal.toml';

export interface ConfigInputs {
  readonly flags: FlagValues;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a text file; throws as node:fs does, with `code` ENOENT when there is none. */
  readonly readFile: (path: string) => string;
  readonly hostname: string;
  readonly homedir: string;
}

/**
 * Decides every setting.
 * @throws ShoalError that names the setting and where it came from.
 */
export function resolveConfig(inputs: ConfigInputs): AgentConfig {
  const sources = new Sources();
  const configFile = readConfigFile(sources, inputs);
  readEnvironment(sources, inputs.env);
  readFlags(sources, inputs.flags);
  const security = decideSecurity(sources);
  const ports = decidePorts(sources);
  const places = decidePlaces(sources, inputs);
  const config: AgentConfig = {
    name: places.name,
    cluster: decided(sources, 'cluster').value,
    dataDir: places.dataDir,
    bind: sources.get('bind')?.value ?? (security.open ? ALL_INTERFACES : LOOPBACK),
    advertise: sources.get('advertise')?.value ?? null,
    join: sources.get('join')?.value ?? [],
    interface: sources.get('interface')?.value ?? null,
    multicast: ports.multicast,
    multicastTtl: decided(sources, 'multicast_ttl').value,
    http: ports.http,
    httpTokenFile: sources.get('http_token_file')?.value ?? null,
    resp: ports.resp,
    proxy: ports.proxy,
    respPasswordFile: sources.get('resp_password_file')?.value ?? null,
    store: decided(sources, 'store').value,
    storeDir: sources.get('store_dir')?.value ?? `${places.dataDir}/store`,
    storeMemoryMb: sources.get('store_memory')?.value ?? null,
    storeDiskMb: sources.get('store_disk')?.value ?? null,
    storeSalvage: sources.get('store_salvage')?.value ?? false,
    acks: decided(sources, 'acks').value,
    socket: places.socket,
    keyFile: security.keyFile,
    insecure: security.insecure,
    probePeriodMs: decided(sources, 'probe_period').value,
    suspicionPeriods: decided(sources, 'suspicion_periods').value,
    forgetAfterMs: forgetAfterMs(sources),
    ranges: sources.get('range')?.value ?? [],
    tags: sources.get('tag')?.value ?? {},
    onEvent: sources.get('on_event')?.value ?? [],
    logLevel: decided(sources, 'log_level').value,
    logFormat: decided(sources, 'log_format').value,
    configFile,
    origins: { ...places.origins, ...sources.origins() },
  };
  checkReachable(sources, config);
  return config;
}

function forgetAfterMs(sources: Sources): number | null {
  const seconds = sources.get('forget_after')?.value;
  return seconds === undefined ? null : seconds * 1000;
}

const LOOPBACK = '127.0.0.1:29999' as Address;
const ALL_INTERFACES = '0.0.0.0:29999' as Address;

function readConfigFile(sources: Sources, inputs: ConfigInputs): string | null {
  const flag = inputs.flags.config?.at(-1);
  const variable = inputs.env.SHOAL_CONFIG || undefined;
  const path = flag ?? variable ?? DEFAULT_CONFIG_FILE;
  let text: string;
  try {
    text = inputs.readFile(path);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === 'ENOENT' && flag === undefined && variable === undefined) return null;
    const origin =
      flag !== undefined
        ? 'flag --config'
        : variable !== undefined
          ? 'environment variable SHOAL_CONFIG'
          : 'default';
    const message = `cannot read ${path} (${systemReason(error)}): name a file that this user can read`;
    throw failed('config', origin, message, 'bad-config-file');
  }
  readDocument(sources, text, path);
  return path;
}

/** A setting with a literal default: what was given, or the table's. */
function decided<N extends SettingName>(sources: Sources, name: N): Given<SettingValue<N>> {
  const given = sources.get(name);
  if (given !== undefined) return given;
  const { kind, default: text } = SETTINGS[name];
  return {
    value: kind.fromTexts([text ?? '']) as SettingValue<N>,
    level: LEVEL.default,
    origin: 'default',
  };
}

function decideSecurity(sources: Sources): { keyFile: string | null; insecure: boolean; open: boolean } {
  const keyFile = sources.get('key_file');
  const insecure = sources.get('insecure');
  if (keyFile !== undefined && insecure?.value === true) {
    throw contradiction('key_file', keyFile, 'insecure', insecure, 'one of them has to go');
  }
  const isInsecure = insecure?.value === true;
  return { keyFile: keyFile?.value ?? null, insecure: isInsecure, open: isInsecure || keyFile !== undefined };
}

interface Ports {
  readonly multicast: Address | null;
  readonly http: Address | null;
  readonly resp: Address | null;
  readonly proxy: Address | null;
}

type SwitchedName = 'multicast' | 'http' | 'resp' | 'proxy';

function decidePorts(sources: Sources): Ports {
  const multicast = switched(sources, 'multicast', ['no_multicast']);
  const http = switched(sources, 'http', ['no_http']);
  const token = sources.get('http_token_file');
  const noHttp = sources.get('no_http');
  if (http === null && token !== undefined && noHttp !== undefined && token.level >= noHttp.level) {
    throw contradiction('http_token_file', token, 'no_http', noHttp, 'the token would open nothing');
  }
  return {
    multicast,
    http,
    resp: switched(sources, 'resp', ['no_resp']),
    // Without the Redis Cluster port there is nothing to be a proxy for.
    proxy: switched(sources, 'proxy', ['no_proxy', 'no_resp']),
  };
}

/** An address with a switch that turns it off: of one level both are a contradiction, else the higher level counts. */
function switched(
  sources: Sources,
  name: SwitchedName,
  offNames: readonly ('no_multicast' | 'no_http' | 'no_resp' | 'no_proxy')[],
): Address | null {
  const address = decided(sources, name);
  let result: Address | null = address.value;
  for (const offName of offNames) {
    for (const off of sources.all(offName)) {
      const twin = sources.all(name).find((given) => given.level === off.level);
      if (off.value === true && twin !== undefined) {
        throw contradiction(name, twin, offName, off, 'keep one of them');
      }
    }
    const off = sources.get(offName);
    if (off?.value === true && off.level > address.level) result = null;
  }
  return result;
}

function contradiction(
  a: string,
  fromA: Given<unknown>,
  b: string,
  fromB: Given<unknown>,
  advice: string,
): ShoalError {
  return new ShoalError(
    'contradiction',
    `${a} (from ${fromA.origin}) contradicts ${b} (from ${fromB.origin}): ${advice}`,
    a,
  );
}

interface Places {
  readonly name: string;
  readonly dataDir: string;
  readonly socket: string;
  /** Of those that the service manager's variables decided. */
  readonly origins: Readonly<Record<string, string>>;
}

function decidePlaces(sources: Sources, inputs: ConfigInputs): Places {
  const name =
    sources.get('name')?.value ??
    explain('name', 'the host name; give --name', () => SETTINGS.name.kind.fromTexts([inputs.hostname]));
  const stateDir = firstDirectory(inputs.env.STATE_DIRECTORY);
  const dataDir =
    sources.get('data_dir')?.value ?? stateDir ?? `${inputs.homedir}/.local/state/shoal/${name}`;
  const runtimeDir = firstDirectory(inputs.env.RUNTIME_DIRECTORY);
  const socket =
    sources.get('socket')?.value ??
    explain('socket', runtimeDir === undefined ? 'data_dir' : 'RUNTIME_DIRECTORY', () =>
      checkSocketPath(`${runtimeDir ?? dataDir}/shoal.sock`),
    );
  const origins = {
    ...(stateDir === undefined ? {} : { data_dir: 'environment variable STATE_DIRECTORY' }),
    ...(runtimeDir === undefined ? {} : { socket: 'environment variable RUNTIME_DIRECTORY' }),
  };
  return { name, dataDir, socket, origins };
}

/** Where the verbs look for a daemon when nothing says where it is: what an agent without flags would use. */
export function defaultSocketPath(inputs: Pick<ConfigInputs, 'env' | 'hostname' | 'homedir'>): string {
  const runtimeDir = firstDirectory(inputs.env.RUNTIME_DIRECTORY);
  if (runtimeDir !== undefined) return `${runtimeDir}/shoal.sock`;
  const stateDir = inputs.env.SHOAL_DATA_DIR || firstDirectory(inputs.env.STATE_DIRECTORY);
  const name = inputs.env.SHOAL_NAME || inputs.hostname;
  return `${stateDir ?? `${inputs.homedir}/.local/state/shoal/${name}`}/shoal.sock`;
}

/** systemd separates several directories by colons; the first is ours. */
function firstDirectory(list: string | undefined): string | undefined {
  return list?.split(':')[0] || undefined;
}

/** Without a key nothing may listen where strangers are, unless the operator says that there are none. */
function checkReachable(sources: Sources, config: AgentConfig): void {
  if (config.insecure) return;
  for (const name of ['bind', 'http', 'resp', 'proxy'] as const) {
    const address = config[name];
    if (address === null || isLoopback(address)) continue;
    const ofStore = name === 'resp' || name === 'proxy';
    if (ofStore ? config.respPasswordFile !== null : config.keyFile !== null) continue;
    const why =
      name === 'http'
        ? `${address} is not loopback, and HTTP is neither sealed nor asks who reads (writes need the bearer token of ${flagOf('http-token-file')}): ` +
          `use 127.0.0.1 and put a proxy before it; an agent with ${flagOf('key-file')} or ${flagOf('insecure')} may open it to all who reach it`
        : ofStore
          ? `${address} is not loopback, and without a password anyone there could read and write the store; use 127.0.0.1, or give ` +
            `${flagOf('resp-password-file')}, or ${flagOf('insecure')} if every machine on that network is trusted`
          : `${address} is not loopback, and without a key anyone there could reach it; use 127.0.0.1, or give ` +
            `${flagOf('key-file')} (shoal keygen makes a key), or ${flagOf('insecure')} if every machine on that network is trusted`;
    throw failed(name, sources.get(name)?.origin ?? 'default', why, 'not-loopback');
  }
}

export function isLoopback(address: string): boolean {
  const host = splitAddress(address)?.host ?? '';
  return /^127(\.[0-9]{1,3}){3}$/.test(host) || host === '::1' || host.toLowerCase() === 'localhost';
}
