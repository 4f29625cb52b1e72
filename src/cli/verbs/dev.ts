import { ShoalError } from '../../base/index.ts';
import { parseWhole } from '../../config/index.ts';
import { EXIT, VerbError } from '../errors.ts';
import { textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

const DEFAULT_NODES = '5';
const MAX_NODES = 64;

export const dev: Verb = {
  usage: 'dev',
  summary: 'run a local group of several agents, and stream its events until Ctrl-C',
  details:
    'Everything is on loopback and free ports; at the end no process and, without --keep, no file is left. ' +
    'Prints the line that points the verbs at its first node.',
  examples: [
    ['shoal dev', 'five nodes, with the status page'],
    ['shoal dev --nodes 3 --keep /tmp/group', 'three nodes whose state is kept for the next time'],
  ],
  asksDaemon: false,
  options: (command) =>
    command
      .option('--nodes <n>', `how many nodes, 1 to ${MAX_NODES}; default ${DEFAULT_NODES}`)
      .option('--keep <dir>', 'keep the state in this directory'),
  run: async (shell, _args, options) => {
    const text = textOption(options, 'nodes') ?? DEFAULT_NODES;
    const nodes = parseWhole(text, '--nodes', 1, MAX_NODES, 'bad-nodes');
    const { runDev } = await shell.io.daemon();
    try {
      return await runDev({ nodes, keep: textOption(options, 'keep') ?? null });
    } catch (error) {
      // What was typed is checked above; the rest is a node that did not start.
      if (error instanceof ShoalError && !error.code.startsWith('bad-'))
        throw new VerbError(EXIT.no, error.message);
      throw error;
    }
  },
};
