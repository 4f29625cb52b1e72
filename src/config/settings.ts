import { LOG_FORMATS, LOG_LEVELS, STORE_BACKENDS } from './agent-config.ts';
import {
  acksKind,
  booleanKind,
  choiceKind,
  contactKind,
  contactsKind,
  groupKind,
  hooksKind,
  type Kind,
  listenKind,
  nameKind,
  numberKind,
  pathKind,
  rangesKind,
  socketPathKind,
  tagsKind,
  textKind,
  wholeKind,
} from './kinds.ts';

/** One setting, told once: flags, environment, file, help, README and sample file are all made from this. */
export interface Setting<T> {
  readonly kind: Kind<T>;
  /** What stands for the value in help; empty for a switch. */
  readonly placeholder: string;
  /** The default as text, or null when it is computed or there is none. */
  readonly default: string | null;
  /** The default in words, where the text is not the whole story. */
  readonly defaultWords?: string;
  /** What it is, with its unit: one line. */
  readonly help: string;
  /** How to choose it. */
  readonly choose: string;
  /** A value for the sample file, in TOML. */
  readonly example: string;
  /** May be given several times. */
  readonly repeatable?: boolean;
  /** The switch that turns this one off. */
  readonly off?: 'no_multicast' | 'no_http' | 'no_resp' | 'no_proxy';
}

function setting<T>(kind: Kind<T>, rest: Omit<Setting<T>, 'kind'>): Setting<T> {
  return { kind, ...rest };
}

function offSwitch(help: string, choose: string): Setting<boolean> {
  return { kind: booleanKind, placeholder: '', default: 'false', help, choose, example: 'true' };
}

/** Below, a busy board's own delays are taken for losses; above, nobody can wait for it. */
const PROBE_PERIOD_MS = { min: 100, max: 60_000 } as const;
const SUSPICION_PERIODS = { min: 0.5, max: 100 } as const;

/** In the order of the README. Names are contract: INTERFACE.md, `shoal agent`. */
export const SETTINGS = {
  name: setting(nameKind, {
    placeholder: 'NAME',
    default: null,
    defaultWords: 'the host name',
    help: 'name of this node, for people; 1 to 64 bytes',
    choose: 'Unique in the group. Keep it when the hardware is replaced.',
    example: '"board-7"',
  }),
  cluster: setting(nameKind, {
    placeholder: 'NAME',
    default: 'shoal',
    help: 'name of the group; messages of any other group are dropped',
    choose: 'One per group, as soon as two groups can hear each other.',
    example: '"shoal"',
  }),
  data_dir: setting(pathKind, {
    placeholder: 'DIR',
    default: null,
    defaultWords: '`$STATE_DIRECTORY`, else `~/.local/state/shoal/<name>`',
    help: 'directory of identity, journal and snapshots',
    choose: 'On storage that survives a restart. One per agent: a second agent on it refuses to start.',
    example: '"/var/lib/shoal"',
  }),
  bind: setting(listenKind, {
    placeholder: 'HOST:PORT',
    default: null,
    defaultWords: '`127.0.0.1:29999`; with `key_file` or `insecure` `0.0.0.0:29999`',
    help: 'gossip, UDP and TCP; port 0 picks a free one',
    choose:
      'All interfaces unless the board has one that must stay silent. Not loopback needs `key_file` (or `insecure`).',
    example: '"0.0.0.0:29999"',
  }),
  advertise: setting(contactKind, {
    placeholder: 'HOST:PORT',
    default: null,
    defaultWords:
      "the bound address; of all interfaces up to four of this machine's, followed when they change",
    help: 'where the other nodes reach this one',
    choose: 'Needed behind address translation, or to name one of several networks.',
    example: '"192.0.2.7:29999"',
  }),
  join: setting(contactsKind, {
    placeholder: 'HOST:PORT',
    default: null,
    defaultWords: 'none',
    repeatable: true,
    help: 'a node to contact at start',
    choose: 'One or two on each network that multicast does not reach; none on a single network.',
    example: '["192.0.2.1:29999", "192.0.2.2:29999"]',
  }),
  interface: setting(textKind, {
    placeholder: 'NAME|ADDR',
    default: null,
    defaultWords: 'chosen by the bind address',
    help: 'network interface for multicast, by name or address',
    choose: 'Needed when the board has several networks.',
    example: '"eth0"',
  }),
  multicast: setting(groupKind, {
    placeholder: 'HOST:PORT',
    default: '239.77.29.99:29998',
    off: 'no_multicast',
    help: 'multicast group for discovery and for spreading changes',
    choose: 'The same on every node. Give a group of its own to each of two clusters on one network.',
    example: '"239.77.29.99:29998"',
  }),
  no_multicast: offSwitch(
    'do not use multicast',
    'Where the network does not carry it: spares a datagram per change. Then at least one `join` is needed.',
  ),
  multicast_ttl: setting(wholeKind(0, 255), {
    placeholder: 'N',
    default: '4',
    help: 'how far a multicast goes: 0 stays on this host, 1 on the link, more passes routers',
    choose: '1 where all nodes are on one link; more only where routers forward multicast.',
    example: '4',
  }),
  http: setting(listenKind, {
    placeholder: 'HOST:PORT',
    default: '127.0.0.1:29980',
    off: 'no_http',
    help: 'HTTP: status page, API, metrics; port 0 picks a free one',
    choose: 'Loopback, unless monitoring on another machine must read it.',
    example: '"127.0.0.1:29980"',
  }),
  no_http: offSwitch('no HTTP over TCP', 'Saves a port; the admin socket serves everything still.'),
  http_token_file: setting(pathKind, {
    placeholder: 'FILE',
    default: null,
    defaultWords: 'none: HTTP over TCP is read-only',
    help: 'file with the bearer token that allows writes by HTTP over TCP; mode 0600',
    choose:
      'Only when programs on other machines must write. At least 32 random characters, readable by the agent only.',
    example: '"/etc/shoal/http.token"',
  }),
  resp: setting(listenKind, {
    placeholder: 'HOST:PORT',
    default: '127.0.0.1:29979',
    off: 'no_resp',
    help: "the store's Redis Cluster port, which the other nodes use as well; port 0 picks a free one",
    choose:
      'An address that clients and the other nodes reach, the same port everywhere; not loopback needs `resp_password_file` (or `insecure`).',
    example: '"127.0.0.1:29979"',
  }),
  no_resp: offSwitch('close both ports of the store', 'Where the agent only keeps membership.'),
  proxy: setting(listenKind, {
    placeholder: 'HOST:PORT',
    default: '127.0.0.1:29978',
    off: 'no_proxy',
    help: "the store's plain Redis port: the whole group as one server; port 0 picks a free one",
    choose: 'Where clients that know only a single Redis server reach the group.',
    example: '"127.0.0.1:29978"',
  }),
  no_proxy: offSwitch("close the store's plain Redis port", 'Where every client speaks Redis Cluster.'),
  resp_password_file: setting(pathKind, {
    placeholder: 'FILE',
    default: null,
    defaultWords: 'none: whoever reaches the ports may use the store',
    help: "file with the password that the store's clients give (AUTH, HELLO); mode 0600",
    choose:
      'The same on every node. At least 16 characters; it passes the network unsealed, as the data does.',
    example: '"/etc/shoal/resp.password"',
  }),
  store: setting(choiceKind(STORE_BACKENDS), {
    placeholder: STORE_BACKENDS.join('|'),
    default: 'log',
    help: 'where messages are kept: memory only, memory and a log on disk, or LevelDB with memory as its cache',
    choose:
      '`memory` for what may be lost with the process; nothing is written then. `leveldb` for more messages than memory holds: 11 to 25 bytes of memory a message, and what was not used lately is read from the disk.',
    example: '"log"',
  }),
  store_dir: setting(pathKind, {
    placeholder: 'DIR',
    default: null,
    defaultWords: '`<data-dir>/store`',
    help: "directory of the store's files",
    choose: 'Another disk than the state directory, where messages should not wear out the system card.',
    example: '"/mnt/data/shoal"',
  }),
  store_memory: setting(wholeKind(8, 65_536), {
    placeholder: 'MB',
    default: null,
    defaultWords: 'half of what the machine, or its control group, has beyond 64 MB',
    help: 'memory for messages, in MB; a write beyond it is refused (OOM); 8 to 65536',
    choose: 'What the board can spare. The process needs about 60 MB besides.',
    example: '256',
  }),
  store_disk: setting(wholeKind(16, 16_777_216), {
    placeholder: 'MB',
    default: null,
    defaultWords: 'what the disk has',
    help: "disk for the store's files, in MB; a write beyond it is refused; 16 to 16777216",
    choose:
      'With `log` at least three times the memory for messages: while a snapshot is written, the old one is kept. With `leveldb` somewhat more than the messages.',
    example: '4096',
  }),
  store_salvage: setting(booleanKind, {
    placeholder: '',
    default: 'false',
    help: "start though the store's files are damaged, with what of them can be read; they are kept as `*.damaged`",
    choose:
      'Only after a start that said what is damaged and how much would be lost, and where there is no backup; then take it out again.',
    example: 'true',
  }),
  acks: setting(acksKind, {
    placeholder: 'LEVEL',
    default: '1m0d',
    help: 'what is true before a write is answered, unless the client asks otherwise: owners that hold it in memory, and on disk',
    choose: '`1m1d` where an acknowledged write must survive a crash of the process and the machine.',
    example: '"1m1d"',
  }),
  socket: setting(socketPathKind, {
    placeholder: 'PATH',
    default: null,
    defaultWords: '`$RUNTIME_DIRECTORY/shoal.sock`, else `<data-dir>/shoal.sock`',
    help: 'admin socket; whoever may open it may do everything (mode 0600); at most 107 bytes',
    choose:
      'Where the operator looks for it. An exported SHOAL_SOCKET tells the verbs where it is and, being a setting, an agent as well.',
    example: '"/run/shoal/shoal.sock"',
  }),
  key_file: setting(pathKind, {
    placeholder: 'FILE',
    default: null,
    defaultWords: 'none',
    help: 'file with the keys that seal everything on the network, one a line, the first seals; mode 0600',
    choose:
      'One key for the whole group, made by `shoal keygen`. It begins the keyring; changes after that are made by `shoal keys`.',
    example: '"/etc/shoal/keys"',
  }),
  insecure: setting(booleanKind, {
    placeholder: '',
    default: 'false',
    help: 'allow other addresses than loopback without a key',
    choose: 'Only on a network where every machine is trusted: whoever reaches the port can change the map.',
    example: 'true',
  }),
  probe_period: setting(wholeKind(PROBE_PERIOD_MS.min, PROBE_PERIOD_MS.max), {
    placeholder: 'MS',
    default: '800',
    help: 'pause between two probes of this node, in milliseconds; 100 to 60000',
    choose:
      'The same on every node. Halving it halves the time to find a dead member (see Failure detection) and doubles idle traffic, about 112 bytes a period and node.',
    example: '800',
  }),
  suspicion_periods: setting(numberKind(SUSPICION_PERIODS.min, SUSPICION_PERIODS.max), {
    placeholder: 'N',
    default: '1.25',
    help: 'how long a suspected member has to answer, in probe periods, when others confirm the suspicion; 0.5 to 100',
    choose: 'The same on every node. More where boards stall for seconds, or the network does.',
    example: '1.25',
  }),
  forget_after: setting(wholeKind(60, 315_360_000), {
    placeholder: 'SECONDS',
    default: null,
    defaultWords: 'never',
    help: 'a member that was down for so long is marked left, as by force-leave; 60 to 315360000',
    choose:
      'Never, unless boards are replaced without a word; then weeks. Two halves of a group that both forgot meet again only by multicast or `shoal join`.',
    example: '2592000',
  }),
  range: setting(rangesKind, {
    placeholder: 'START-END[:PRIORITY]',
    default: null,
    defaultWords: 'none',
    repeatable: true,
    help: 'range of positions to register at start where absent; decimal, 0x hex or slot:N; priority 1 unless given',
    choose: "This node's share of the key space, with a priority in proportion to its strength.",
    example: '["0-0x7fffffff:2", "slot:8192-slot:16383"]',
  }),
  tag: setting(tagsKind, {
    placeholder: 'K=V',
    default: null,
    defaultWords: 'none',
    repeatable: true,
    help: 'a tag every member sees; at most 32, key and value at most 128 bytes each',
    choose: 'What people filter by: rack, room, board type.',
    example: '{ rack = "3", board = "rpi4" }',
  }),
  on_event: setting(hooksKind, {
    placeholder: '[TYPE=]SCRIPT',
    default: null,
    defaultWords: 'none',
    repeatable: true,
    help: 'a script to run for each event, or for each of one type; the event is in its environment and, as JSON, its input',
    choose:
      'For what a person or another program must hear of: `member-down`, `owners-changed`. Ten seconds a run, one at a time.',
    example:
      '{ member-down = "/usr/local/lib/shoal/page-me", owners-changed = ["/usr/local/lib/shoal/reroute"] }',
  }),
  log_level: setting(choiceKind(LOG_LEVELS), {
    placeholder: 'LEVEL',
    default: 'info',
    help: `least serious message that is logged: ${LOG_LEVELS.join(', ')}`,
    choose: '`info` in operation, `debug` to follow every decision.',
    example: '"info"',
  }),
  log_format: setting(choiceKind(LOG_FORMATS), {
    placeholder: 'json|pretty',
    default: 'json',
    help: 'one JSON object a line, or text for people',
    choose: '`json` for a log collector or journald, `pretty` at a terminal.',
    example: '"json"',
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export type SettingValue<N extends SettingName> = (typeof SETTINGS)[N] extends Setting<infer T> ? T : never;

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** The table's row with its optional columns. */
export function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name];
}

export function flagOf(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

export function variableOf(name: string): string {
  return `SHOAL_${name.toUpperCase()}`;
}
