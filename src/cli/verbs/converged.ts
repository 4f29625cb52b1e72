import type { ConvergedView } from '../../node/contract.ts';
import { EXIT } from '../errors.ts';
import { columns, plural } from '../layout.ts';
import { parseSeconds, type Shell, textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

/** The daemon's own limit. */
const MAX_WAIT_SECONDS = 300;

export const converged: Verb = {
  usage: 'converged',
  summary: "whether every live member reports this node's digest; exit code 1 when not",
  details: 'Prints the members that differ, with their digests; a dash is a member that did not answer.',
  examples: [
    ['shoal converged', 'at this moment'],
    ['shoal converged --wait 10', 'as soon as they agree, at most 10 s'],
  ],
  asksDaemon: true,
  options: (command) =>
    command.option('--wait <seconds>', `how long they may take, at most ${MAX_WAIT_SECONDS}; default 0`),
  run: async (shell, _args, options) => {
    const waitSeconds = parseSeconds(textOption(options, 'wait') ?? '0', '--wait', MAX_WAIT_SECONDS);
    const client = shell.client(true);
    const path = `/v1/converged?wait=${waitSeconds}`;
    const view = (await client.call('GET', path, undefined, waitSeconds * 1000)) as ConvergedView;
    shell.answer(view, () => convergedLines(shell, view));
    return view.converged ? EXIT.done : EXIT.no;
  },
};

function convergedLines(shell: Shell, view: ConvergedView): string[] {
  if (view.converged) {
    const count = plural(view.members.length + 1, 'live member');
    return [shell.paint.green(`converged: ${count}, digest ${view.digest}`)];
  }
  const differing = view.members.filter((member) => member.digest !== view.digest);
  const summary = `not converged: ${plural(differing.length, 'member')} without this node's digest ${view.digest}`;
  const rows = columns(differing.map((member) => [member.name, member.id, member.digest ?? '']));
  return [shell.paint.red(summary), ...rows];
}
