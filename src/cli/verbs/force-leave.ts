import { EXIT } from '../errors.ts';
import { clean } from '../layout.ts';
import { checkNode } from '../ranges.ts';
import type { Verb } from '../verb.ts';

export const forceLeave: Verb = {
  usage: 'force-leave <node>',
  summary: 'mark a node that is down as left, by name or id',
  details:
    'Its registrations stay in the map until they are released (shoal release --node). A node that is alive after all comes back by itself.',
  examples: [['shoal force-leave board-7', 'board-7 will not come back']],
  asksDaemon: true,
  run: async (shell, args) => {
    const node = checkNode(args[0] ?? '', 'NODE');
    const answer = await shell.client(false).call('POST', '/v1/force-leave', { node });
    shell.answer(answer, () => [`${clean(node)} marked left`]);
    return EXIT.done;
  },
};
