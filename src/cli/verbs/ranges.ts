import type { MemberView, RangeView } from '../../node/contract.ts';
import { EXIT } from '../errors.ts';
import { columns } from '../layout.ts';
import { checkNode, rangeRow, sharedNames } from '../ranges.ts';
import { type Shell, textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const ranges: Verb = {
  usage: 'ranges',
  summary: 'the registrations: node, start, end, priority',
  details:
    'A node whose name another one has, too, is shown by its id. At a terminal it also says of which nodes they do not count, as those are down or left.',
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
    const isForPeople = shell.io.isTerminal && !shell.json;
    const states = isForPeople ? await absent(shell) : new Map<string, string>();
    shell.answer(answer, () => {
      const shared = sharedNames(answer.ranges);
      const rows = answer.ranges.map((range) => [...rangeRow(range, shared), states.get(range.node) ?? '']);
      if (!isForPeople) return columns(answer.ranges.map((range) => rangeRow(range, shared)));
      const isNoted = rows.some((row) => row.at(-1) !== '');
      const header = ['NODE', 'START', 'END', 'PRIORITY', 'NOTE'];
      return columns([header, ...rows].map((row) => (isNoted ? row : row.slice(0, -1))));
    });
    return EXIT.done;
  },
};

/** Members whose registrations do not count, by id, with why. */
async function absent(shell: Shell): Promise<Map<string, string>> {
  const { members } = (await shell.client(true).call('GET', '/v1/members')) as { members: MemberView[] };
  const gone = members.filter(({ status }) => status === 'down' || status === 'left');
  return new Map(gone.map(({ id, status }) => [id, `${status}: does not count`]));
}
