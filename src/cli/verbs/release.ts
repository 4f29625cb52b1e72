import { EXIT } from '../errors.ts';
import { nodeOption, POSITIONS_HELP, rangeBody } from '../ranges.ts';
import type { Verb } from '../verb.ts';

export const release: Verb = {
  usage: 'release <start> <end>',
  summary: 'remove a registration',
  details: POSITIONS_HELP,
  examples: [
    ['shoal release 0 0x7fffffff', 'start and end as they were registered'],
    ['shoal release slot:0 slot:99 --node board-7', 'on behalf of a board that is gone'],
  ],
  asksDaemon: true,
  options: nodeOption,
  run: async (shell, args, options) => {
    const range = rangeBody(args, options);
    const answer = await shell.client(false).call('DELETE', '/v1/ranges', range);
    shell.answer(answer, () => ['released']);
    return EXIT.done;
  },
};
