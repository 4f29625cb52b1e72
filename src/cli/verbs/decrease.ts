import { adjust, nodeOption, POSITIONS_HELP } from '../ranges.ts';
import type { Verb } from '../verb.ts';

export const decrease: Verb = {
  usage: 'decrease <start> <end> <n>',
  summary: 'take from the priority of a range; prints the new priority, or released',
  details: `A priority that falls to zero or below is a release. ${POSITIONS_HELP}`,
  examples: [['shoal decrease 0 0x7fffffff 3', 'three less']],
  asksDaemon: true,
  options: nodeOption,
  run: (shell, args, options) => adjust(shell, args, options, -1),
};
