import { LIMITS } from '../../base/index.ts';
import { parseEnds, parseWhole } from '../../config/index.ts';
import type { StoreInfoView, StoreScanView } from '../../node/contract.ts';
import { EXIT, usage } from '../errors.ts';
import { columns, plural } from '../layout.ts';
import type { OptionValues } from '../shell.ts';
import { type Shell, textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const STORE_OPERATIONS = ['info', 'scan'];
/** What is asked for at once; a scan is as many calls as it takes. */
const PAGE = 500;
const MB = 2 ** 20;

export const store: Verb = {
  usage: 'store <what>',
  summary: 'the messages of this node: info, scan',
  details:
    'info: fill, slots, clients. scan: the messages this node holds in a range of positions: position, key, bytes of the value, ' +
    'when it expires, the beginning of the value; bytes that are not printable are shown as \\xNN. Scanning needs the admin socket.',
  examples: [
    ['shoal store info', 'how full it is, and which slots it serves'],
    ['shoal store scan --range slot:7-slot:7', 'what it holds of one slot'],
    ['shoal store scan --limit 20', 'some of what it holds'],
  ],
  asksDaemon: true,
  options: (command) =>
    command
      .option('--range <start-end>', 'scan: positions, decimal, 0x hex or slot:N; default all')
      .option('--limit <n>', 'scan: so many messages at most; default 1000'),
  run: async (shell, args, options) => {
    const [what = '', surplus] = args;
    if (surplus !== undefined || !STORE_OPERATIONS.includes(what))
      throw usage("write 'shoal store info' or 'shoal store scan'");
    return what === 'info' ? info(shell, options) : scan(shell, options);
  },
};

async function info(shell: Shell, options: OptionValues): Promise<number> {
  for (const name of ['range', 'limit'])
    if (textOption(options, name) !== undefined) throw usage(`--${name} is for shoal store scan`);
  const view = (await shell.client(true).call('GET', '/v1/store')) as StoreInfoView;
  shell.answer(view, () => infoLines(view));
  return EXIT.done;
}

function infoLines(view: StoreInfoView): string[] {
  const mb = (bytes: number): string => `${(bytes / MB).toFixed(1)} MB`;
  const { slots } = view;
  const held = slots.held > 0 ? `, ${slots.held} of them with data elsewhere` : '';
  const unsettled = slots.unsettled > 0 ? `, ${slots.unsettled} of them not settled yet` : '';
  const rows = [
    ['ports', `${view.resp} (cluster)${view.proxy === null ? '' : `, ${view.proxy} (plain)`}`],
    ['kept in', view.directory === null ? view.backend : `${view.backend}, ${view.directory}`],
    ['messages', `${view.keys}${view.expiring > 0 ? `, ${view.expiring} with an expiry` : ''}`],
    [
      'memory',
      `${mb(view.usedBytes)} used, ${mb(view.heldBytes)} held, of ${mb(view.memoryLimitBytes)}${view.full ? ': full' : ''}`,
    ],
    ['disk', `${mb(view.diskBytes)}${view.diskLimitBytes === null ? '' : ` of ${mb(view.diskLimitBytes)}`}`],
    [
      'slots',
      view.awake
        ? `${slots.served} served${held}${unsettled}, ${slots.elsewhere} elsewhere, ${slots.unowned} unowned`
        : 'not in use yet',
    ],
    ['clients', `${view.clients}, ${plural(view.commands, 'command')}, ${view.forwarded} forwarded`],
  ];
  return [...columns(rows), ...view.warnings.map((warning) => `warning: ${warning}`)];
}

async function scan(shell: Shell, options: OptionValues): Promise<number> {
  const { start, end } = rangeOf(textOption(options, 'range') ?? '0-0xffffffff');
  const limit = parseWhole(
    textOption(options, 'limit') ?? '1000',
    '--limit',
    1,
    LIMITS.priority,
    'bad-amount',
  );
  const entries: StoreScanView['entries'][number][] = [];
  let cursor = 0;
  do {
    const count = Math.min(PAGE, limit - entries.length);
    const query = `start=${start}&end=${end}&cursor=${cursor}&count=${count}`;
    const page = (await shell.client(false).call('GET', `/v1/store/messages?${query}`)) as StoreScanView;
    entries.push(...page.entries);
    cursor = page.cursor;
  } while (cursor !== 0 && entries.length < limit);
  const messages = entries.slice(0, limit);
  shell.answer({ messages, more: cursor !== 0 || entries.length > limit }, () => {
    const rows = messages.map((one) => [
      String(one.position),
      one.key,
      String(one.bytes),
      one.expiresAt ?? '',
      one.value,
    ]);
    return shell.io.isTerminal
      ? columns([['POSITION', 'KEY', 'BYTES', 'EXPIRES', 'VALUE'], ...rows])
      : columns(rows);
  });
  return EXIT.done;
}

const RANGE = /^(slot:[0-9]+|0x[0-9a-f]+|[0-9]+)-(slot:[0-9]+|0x[0-9a-f]+|[0-9]+)$/i;

function rangeOf(text: string): { readonly start: number; readonly end: number } {
  const found = RANGE.exec(text);
  if (found === null) throw usage('--range: write START-END, like 0-0x7fffffff or slot:7-slot:7');
  return parseEnds(found[1] ?? '', found[2] ?? '');
}
