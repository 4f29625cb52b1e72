import type { StatusView } from '../../node/contract.ts';
import { EXIT } from '../errors.ts';
import { clean, duration, plural, shareOfKeySpace } from '../layout.ts';
import type { Shell } from '../shell.ts';
import type { Verb } from '../verb.ts';
import { watch } from '../watch.ts';

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
    if (options.watch === true) return watch(shell, fetch, (view) => statusLines(shell, view));
    const view = await fetch();
    shell.answer(view, () => statusLines(shell, view));
    return EXIT.done;
  },
};

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
