import { generateKey } from '../../seal/index.ts';
import { EXIT } from '../errors.ts';
import type { Verb } from '../verb.ts';

export const keygen: Verb = {
  usage: 'keygen',
  summary: 'make a key that seals the traffic of a group, and print it',
  details:
    'It asks no daemon and keeps nothing: the key is what it prints. Every node of the group gets the same one.',
  examples: [
    [
      'shoal keygen > /etc/shoal/keys',
      'a file for --key-file; run umask 077 first, so that it has mode 0600',
    ],
  ],
  asksDaemon: false,
  run: async (shell) => {
    shell.line(generateKey());
    return EXIT.done;
  },
};
