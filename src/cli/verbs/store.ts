import { LIMITS } from '../../base/index.ts';
import { parseEnds, parseWhole } from '../../config/index.ts';
import type {
  MemberView,
  StoreCountView,
  StoreInfoView,
  StoreScanView,
  StoreSlowView,
} from '../../node/contract.ts';
import { EXIT, usage } from '../errors.ts';
import { columns, plural } from '../layout.ts';
import { ProgressLine } from '../progress.ts';
import type { OptionValues } from '../shell.ts';
import { type Shell, textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';
import { watch } from '../watch.ts';

const OPERATIONS = { info, scan, slowlog } as const;
export const STORE_OPERATIONS = Object.keys(OPERATIONS);
type Operation = keyof typeof OPERATIONS;
/** What is asked for at once; a scan is as many calls as it takes. */
const PAGE = 500;
const MB = 2 ** 20;
const SLOT_POSITIONS = 2 ** 18;
/** After this time a scan says how far it is. */
const PATIENCE_MS = 1000;

type Message = StoreScanView['entries'][number];

/** Options, with the operations that take them. */
const TAKEN: Readonly<Record<string, readonly Operation[]>> = {
  watch: ['info'],
  all: ['info'],
  range: ['scan'],
  count: ['scan'],
  limit: ['scan', 'slowlog'],
};

export const store: Verb = {
  usage: 'store <operation>',
  summary: 'the messages of this node: info, scan, slowlog',
  details:
    'info: fill, slots, clients, commands a second. scan: the messages this node holds in a range of positions, in order of slots: position, ' +
    'key, bytes of the value, when it expires, its first 64 bytes; bytes that are not printable are shown as \\xNN. slowlog: commands that took ' +
    'longest to run, with their keys, newest first. Scanning needs the admin socket, but for --count.',
  examples: [
    ['shoal store info', 'how full it is, and which slots it serves'],
    ['shoal store info --watch', 'every second, until Ctrl-C'],
    ['shoal store info --all', 'how full every node is, as it last told the group'],
    ['shoal store scan --range slot:7-slot:7', 'what it holds of one slot'],
    ['shoal store scan --limit 20', 'some of what it holds'],
    ['shoal store scan --range 0-0x7fffffff --count', 'how many messages it holds there'],
    ['shoal store slowlog --limit 5', 'the last five commands that were slow'],
  ],
  asksDaemon: true,
  options: (command) =>
    command
      .option('--watch', 'info: redraw every second until Ctrl-C')
      .option('--all', 'info: every member of the group, in a line each')
      .option('--range <start-end>', 'scan: positions, decimal, 0x hex or slot:N; default all')
      .option('--count', 'scan: only how many, of whole slots')
      .option('--limit <n>', 'so many at most; default of a scan 1000, of the slow log 50'),
  run: async (shell, [what = '', surplus], options) => {
    if (surplus !== undefined || !Object.hasOwn(OPERATIONS, what))
      throw usage("write 'shoal store info', 'shoal store scan' or 'shoal store slowlog'");
    for (const [name, takers] of Object.entries(TAKEN))
      if (options[name] !== undefined && !takers.includes(what as Operation))
        throw usage(`--${name} is for shoal store ${takers.join(' and ')}`);
    return OPERATIONS[what as Operation](shell, options);
  },
};

async function info(shell: Shell, options: OptionValues): Promise<number> {
  const client = shell.client(true);
  const show = async <View>(
    fetch: () => Promise<View>,
    linesOf: (view: View) => string[],
  ): Promise<number> => {
    if (options.watch === true) return watch(shell, fetch, linesOf);
    const view = await fetch();
    shell.answer(view, () => linesOf(view));
    return EXIT.done;
  };
  if (options.all === true)
    return show(
      async () => (await client.call('GET', '/v1/members')) as { members: MemberView[] },
      ({ members }) => fillLines(shell, members),
    );
  return show(async () => (await client.call('GET', '/v1/store')) as StoreInfoView, infoLines);
}

function infoLines(view: StoreInfoView): string[] {
  const mb = (bytes: number): string => `${(bytes / MB).toFixed(1)} MB`;
  const { slots, perSecond } = view;
  const held = slots.held > 0 ? `, ${slots.held} of them with data elsewhere` : '';
  const unsettled = slots.unsettled > 0 ? `, ${slots.unsettled} of them not settled yet` : '';
  const cache = view.backend === 'leveldb' ? ', a cache of the disk' : '';
  const diskFull =
    view.full !== 'disk'
      ? ''
      : view.backend === 'log'
        ? ': full, with the room for the next snapshot'
        : ': full';
  const fill = Math.round((100 * view.heldBytes) / view.memoryLimitBytes);
  const rows = [
    ['ports', `${view.resp} (cluster)${view.proxy === null ? '' : `, ${view.proxy} (plain)`}`],
    ['kept in', view.directory === null ? view.backend : `${view.backend}, ${view.directory}`],
    [
      'messages',
      `${view.keys}${some(view.expiring, 'with an expiry')}${some(view.strays, 'in slots not served here')}`,
    ],
    [
      'memory',
      `${mb(view.usedBytes)} used, ${mb(view.heldBytes)} held, of ${mb(view.memoryLimitBytes)}: ${view.full === 'memory' ? 'full' : `${fill} %`}${cache}`,
    ],
    [
      'disk',
      `${mb(view.diskBytes)}${view.diskLimitBytes === null ? '' : ` of ${mb(view.diskLimitBytes)}`}${diskFull}`,
    ],
    [
      'slots',
      view.awake
        ? `${slots.served} served${held}${unsettled}, ${slots.elsewhere} elsewhere, ${slots.unowned} unowned`
        : 'not in use yet',
    ],
  ];
  const use = [
    [
      'clients',
      `${view.clients - view.links}${some(view.links, view.links === 1 ? 'other node' : 'other nodes')}`,
    ],
    [
      'commands',
      `${perSecond.second} a second, ${perSecond.minute} over a minute; ${view.commands} in all, ${view.forwarded} forwarded`,
    ],
    ['reads', `${view.hits} found, ${view.misses} not there`],
    ...(view.backend === 'log' ? [['snapshot', snapshots(view)]] : []),
    [
      'longest',
      `turn ${view.longestTurnMs.toFixed(1)} ms, step of a snapshot ${view.longestStepMs.toFixed(1)} ms`,
    ],
    ['slow', view.slow === 0 ? 'none' : `${plural(view.slow, 'command')}: shoal store slowlog`],
  ];
  return [
    ...columns(view.awake ? [...rows, ...use] : rows),
    ...view.warnings.map((warning) => `warning: ${warning}`),
  ];
}

/** A part of a line, or nothing. */
function some(count: number, what: string): string {
  return count > 0 ? `, ${count} ${what}` : '';
}

function snapshots({ snapshots, snapshotAt }: StoreInfoView): string {
  return snapshotAt === null
    ? 'none since the start'
    : `${snapshots} since the start, the last at ${snapshotAt}`;
}

/** Each member's budgets and how much of them is used, in steps: see `capacity` of its record. */
function fillLines(shell: Shell, members: readonly MemberView[]): string[] {
  const fill = (mb: number | undefined, percent = 0): string =>
    mb === undefined ? '' : `${percent} % of ${mb} MB`;
  const rows = members.map(({ name, status, resp, capacity }) => [
    name,
    status,
    resp ?? '',
    fill(capacity.storeMb, capacity.storePercent),
    fill(capacity.storeDiskMb, capacity.storeDiskPercent),
  ]);
  return columns(shell.io.isTerminal ? [['NAME', 'STATUS', 'RESP', 'MEMORY', 'DISK'], ...rows] : rows);
}

async function scan(shell: Shell, options: OptionValues): Promise<number> {
  const { start, end } = rangeOf(textOption(options, 'range') ?? '0-0xffffffff');
  if (options.count === true) {
    if (options.limit !== undefined) throw usage('--count counts all: without --limit');
    return countIn(shell, start, end);
  }
  const client = shell.client(false);
  const limit = limitOf(options) ?? 1000;
  const line = new ProgressLine(shell.io);
  const begunMs = performance.now();
  const messages: Message[] = [];
  let found = 0;
  let last: Message | undefined;
  let cursor = 0;
  do {
    const count = Math.min(PAGE, limit - found);
    const query = `start=${start}&end=${end}&cursor=${cursor}&count=${count}`;
    const page = (await client.call('GET', `/v1/store/messages?${query}`)) as StoreScanView;
    const entries = page.entries.slice(0, limit - found);
    line.clear();
    // However long it is, people see it as it comes.
    if (shell.json) messages.push(...entries);
    else if (entries.length > 0) shell.lines(scanLines(entries, shell.io.isTerminal && found === 0));
    found += entries.length;
    cursor = entries.length < page.entries.length ? -1 : page.cursor;
    last = page.entries.at(-1) ?? last;
    if (performance.now() - begunMs > PATIENCE_MS) line.show(scanProgress(found, last));
  } while (cursor > 0 && found < limit);
  line.clear();
  if (shell.json) shell.printJson({ messages, more: cursor !== 0 });
  else if (cursor !== 0)
    shell.note(`there may be more than these ${found}: --limit N for N, --count for how many`);
  return EXIT.done;
}

async function countIn(shell: Shell, start: number, end: number): Promise<number> {
  const query = `start=${start}&end=${end}`;
  const view = (await shell.client(true).call('GET', `/v1/store/count?${query}`)) as StoreCountView;
  const { messages, firstSlot, lastSlot } = view;
  const slots = firstSlot === lastSlot ? `slot ${firstSlot}` : `slots ${firstSlot} to ${lastSlot}`;
  shell.answer(view, () => [`${plural(messages, 'message')} in ${slots}`]);
  return EXIT.done;
}

function scanProgress(found: number, last: Message | undefined): string {
  const slot = last === undefined ? '' : `, at slot ${Math.floor(last.position / SLOT_POSITIONS)}`;
  return `${plural(found, 'message')} so far${slot}`;
}

function scanLines(entries: readonly Message[], headed: boolean): string[] {
  const rows = entries.map((one) => [
    String(one.position),
    one.key,
    String(one.bytes),
    one.expiresAt ?? '',
    one.value,
  ]);
  return columns(headed ? [['POSITION', 'KEY', 'BYTES', 'EXPIRES', 'VALUE'], ...rows] : rows);
}

async function slowlog(shell: Shell, options: OptionValues): Promise<number> {
  const limit = limitOf(options);
  const path = `/v1/store/slowlog${limit === null ? '' : `?count=${limit}`}`;
  const view = (await shell.client(true).call('GET', path)) as StoreSlowView;
  shell.answer(view, () => {
    const rows = view.entries.map((one) => [
      one.time,
      one.ms.toFixed(3),
      one.command.replace('|', ' '),
      one.keys === null ? '(keys: on the admin socket)' : one.keys.join(' '),
      one.clientName === '' ? one.client : `${one.clientName} ${one.client}`,
    ]);
    return columns(shell.io.isTerminal ? [['TIME', 'MS', 'COMMAND', 'KEYS', 'CLIENT'], ...rows] : rows);
  });
  return EXIT.done;
}

function limitOf(options: OptionValues): number | null {
  const text = textOption(options, 'limit');
  return text === undefined ? null : parseWhole(text, '--limit', 1, LIMITS.priority, 'bad-amount');
}

const RANGE = /^(slot:[0-9]+|0x[0-9a-f]+|[0-9]+)-(slot:[0-9]+|0x[0-9a-f]+|[0-9]+)$/i;

function rangeOf(text: string): { readonly start: number; readonly end: number } {
  const found = RANGE.exec(text);
  if (found === null) throw usage('--range: write START-END, like 0-0x7fffffff or slot:7-slot:7');
  return parseEnds(found[1] ?? '', found[2] ?? '');
}
