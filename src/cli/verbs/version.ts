import { EXIT } from '../errors.ts';
import type { Verb } from '../verb.ts';
import { PROTOCOL_VERSION, VERSION } from '../version.ts';

export const version: Verb = {
  usage: 'version',
  summary: 'version of this program, and of the protocol between nodes',
  examples: [['shoal version', '']],
  asksDaemon: false,
  run: async (shell) => {
    const answer = { version: VERSION, protocol: PROTOCOL_VERSION };
    shell.answer(answer, () => [`shoal ${VERSION}, protocol ${PROTOCOL_VERSION}`]);
    return EXIT.done;
  },
};
