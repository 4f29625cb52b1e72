import { adjust, nodeOption, POSITIONS_HELP } from '../ranges.ts';
import type { Verb } from '../verb.ts';

export const increase: Verb = {
  usage: 'increase <start> <end> <n>',
  summary: 'add to the priority of a range, registering it when absent; prints the new priority',
  details: POSITIONS_HELP,
  examples: [['shoal increase 0 0x7fffffff 3', 'three more']],
  asksDaemon: true,
  options: nodeOption,
  run: (shell, args, options) => adjust(shell, args, options, 1),
};
