import type { RangeView } from '../../node/contract.ts';
import { EXIT } from '../errors.ts';
import { columns } from '../layout.ts';
import { checkNode, rangeRow } from '../ranges.ts';
import { textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const ranges: Verb = {
  usage: 'ranges',
  summary: 'the registrations: node, start, end, priority',
  examples: [
    ['shoal ranges', 'of every node'],
    ['shoal ranges --node board-7', 'of one'],
  ],
  asksDaemon: true,
  options: (command) => command.option('--node <node>', 'only those of this node, by name or id'),
  run: async (shell, _args, options) => {
    const node = textOption(options, 'node');
    const query = node === undefined ? '' : `?node=${encodeURIComponent(checkNode(node, '--node'))}`;
    const answer = (await shell.client(true).call('GET', `/v1/ranges${query}`)) as { ranges: RangeView[] };
    shell.answer(answer, () => {
      const rows = answer.ranges.map(rangeRow);
      return shell.io.isTerminal ? columns([['NODE', 'START', 'END', 'PRIORITY'], ...rows]) : columns(rows);
    });
    return EXIT.done;
  },
};
