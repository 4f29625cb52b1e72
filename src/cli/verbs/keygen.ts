import { systemReason } from '../../base/index.ts';
import { clip } from '../../config/index.ts';
import { generateKey } from '../../seal/index.ts';
import { EXIT, usage, VerbError } from '../errors.ts';
import { textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const keygen: Verb = {
  usage: 'keygen',
  summary: 'make a key that seals the traffic of a group, and print it',
  details:
    'It asks no daemon and keeps nothing: the key is what it prints, or the one line of --out FILE. Every node of the group gets the same one. ' +
    'Where a shell redirects it (> or tee), run umask 077 first, so that the file has mode 0600: the agent takes no other.',
  examples: [
    ['shoal keygen --out /etc/shoal/keys', 'a file for --key-file, with mode 0600'],
    ['(umask 077; shoal keygen > keys)', 'the same'],
  ],
  asksDaemon: false,
  options: (command) =>
    command.option('--out <file>', 'write it to this new file, with mode 0600, and print nothing'),
  run: async (shell, _args, options) => {
    const path = textOption(options, 'out');
    if (path === '') throw usage('--out: a path may not be empty');
    const line = `${generateKey()}\n`;
    if (path === undefined) shell.io.stdout(line);
    else write(shell.io.writeSecret, path, line);
    return EXIT.done;
  },
};

function write(writeSecret: (path: string, text: string) => void, path: string, line: string): void {
  try {
    writeSecret(path, line);
  } catch (error) {
    const advice =
      (error as { code?: unknown }).code === 'EEXIST'
        ? 'it may hold a key that is in use: name a new file'
        : 'name a file in a directory that this user can write';
    throw new VerbError(EXIT.no, `--out: cannot make ${clip(path)} (${systemReason(error)}): ${advice}`);
  }
}
