import { LIMITS } from '../../base/index.ts';
import { parseWhole } from '../../config/index.ts';
import type { RangeView } from '../../node/contract.ts';
import { EXIT } from '../errors.ts';
import { columns } from '../layout.ts';
import { nodeOption, POSITIONS_HELP, rangeBody, rangeRow } from '../ranges.ts';
import { textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const register: Verb = {
  usage: 'register <start> <end>',
  summary: 'register a range of positions, or set its priority',
  details: POSITIONS_HELP,
  examples: [
    ['shoal register 0 0x7fffffff --priority 2', 'the lower half, with priority 2'],
    ['shoal register slot:0 slot:99', 'the first hundred Redis Cluster slots, with priority 1'],
  ],
  asksDaemon: true,
  options: (command) => nodeOption(command.option('--priority <n>', `1 to ${LIMITS.priority}; default 1`)),
  run: async (shell, args, options) => {
    const range = rangeBody(args, options);
    const text = textOption(options, 'priority') ?? '1';
    const priority = parseWhole(text, '--priority', 1, LIMITS.priority, 'bad-priority');
    const entry = (await shell.client(false).call('PUT', '/v1/ranges', { ...range, priority })) as RangeView;
    shell.answer(entry, () => columns([rangeRow(entry)]));
    return EXIT.done;
  },
};
