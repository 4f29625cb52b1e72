import type { StatusView } from '../../node/contract.ts';
import { EXIT } from '../errors.ts';
import { clean, duration, plural, shareOfKeySpace } from '../layout.ts';
import type { Shell } from '../shell.ts';
import type { Verb } from '../verb.ts';
import { pause } from '../wait.ts';

const REDRAW_MS = 1000;
/** Home, then erase from there down: what has scrolled off stays. */
const CLEAR_SCREEN = '\x1b[H\x1b[J';

export const status: Verb = {
  usage: 'status',
  summary: 'this node, the group, coverage, digest',
  examples: [
    ['shoal status', 'once'],
    ['shoal status --watch', 'every second, until Ctrl-C'],
    ['shoal status --json | jq -r .digest', 'one field'],
  ],
  asksDaemon: true,
  options: (command) => command.option('--watch', 'redraw every second until Ctrl-C'),
  run: async (shell, _args, options) => {
    const client = shell.client(true);
    const fetch = async (): Promise<StatusView> => (await client.call('GET', '/v1/status')) as StatusView;
    if (options.watch === true) return watch(shell, fetch);
    const view = await fetch();
    shell.answer(view, () => statusLines(shell, view));
    return EXIT.done;
  },
};

/** Ends at Ctrl-C. A daemon that goes away later may come back: it is asked on. */
async function watch(shell: Shell, fetch: () => Promise<StatusView>): Promise<number> {
  const stop = shell.io.interrupted();
  let view = await fetch();
  let trouble: string | null = null;
  while (!stop.aborted) {
    const clear = shell.io.isTerminal && !shell.json ? CLEAR_SCREEN : '';
    if (trouble !== null) {
      // Not to standard error, which may be a file.
      shell.io.stdout(clear);
      shell.note(trouble);
    } else if (shell.json) shell.printJson(view);
    else shell.io.stdout(`${clear}${statusLines(shell, view).join('\n')}\n${clear === '' ? '\n' : ''}`);
    await pause(REDRAW_MS, stop);
    if (stop.aborted) break;
    try {
      view = await fetch();
      trouble = null;
    } catch (error) {
      trouble = (error as Error).message;
    }
  }
  return EXIT.done;
}

function statusLines(shell: Shell, view: StatusView): string[] {
  const { node, members, ranges, health, multicast } = view;
  const { paint } = shell;
  const { gossip, http, resp } = node.addresses;
  const rows: [string, string][] = [
    ['node', `${clean(node.name)}  ${node.id}, incarnation ${node.incarnation}`],
    ['version', `${clean(node.version)}, up ${duration(node.uptimeSeconds)}, since ${node.startedAt}`],
    ['addresses', `gossip ${gossip}, http ${http ?? 'off'}, resp ${resp ?? 'off'}`],
    ['cluster', `${clean(view.cluster)}, ${view.encrypted ? 'encrypted' : paint.yellow('not encrypted')}`],
    ['members', memberCounts(shell, members)],
    ['ranges', `${plural(ranges.registrations, 'registration')}, ${plural(ranges.segments, 'segment')}`],
    ['coverage', coverage(shell, ranges.unownedPositions)],
    ['digest', view.digest],
    ['health', `score ${health.score}, event loop ${Number(health.eventLoopLagMs.toFixed(1))} ms late`],
    [
      'multicast',
      multicast.enabled ? `hears ${multicast.hears.length}, heard by ${multicast.heardBy.length}` : 'off',
    ],
  ];
  for (const warning of view.warnings) rows.push(['warning', paint.yellow(clean(warning))]);
  return rows.map(([label, text]) => `${paint.dim(label.padEnd(11))}${text}`);
}

function memberCounts(shell: Shell, counts: StatusView['members']): string {
  const { paint } = shell;
  const suspect = `${counts.suspect} suspect`;
  const down = `${counts.down} down`;
  return [
    paint.green(`${counts.alive} alive`),
    counts.suspect > 0 ? paint.yellow(suspect) : suspect,
    counts.down > 0 ? paint.red(down) : down,
    `${counts.left} left`,
  ].join(', ');
}

function coverage(shell: Shell, unowned: number): string {
  if (unowned === 0) return shell.paint.green('every position has an owner');
  return shell.paint.red(
    `${plural(unowned, 'position')} without an owner (${shareOfKeySpace(unowned)}); see shoal coverage`,
  );
}
