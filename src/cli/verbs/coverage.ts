import { LIMITS } from '../../base/index.ts';
import { parseWhole } from '../../config/index.ts';
import type { CoverageView } from '../../node/contract.ts';
import { EXIT } from '../errors.ts';
import { columns, plural, shareOfKeySpace } from '../layout.ts';
import { type Shell, textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const coverage: Verb = {
  usage: 'coverage',
  summary: 'whether every position has enough live owners; exit code 1 and the gaps when not',
  details: 'Per gap: start, end, live owners.',
  examples: [
    ['shoal coverage', 'at least one owner everywhere'],
    ['shoal coverage --copies 3', 'at least three'],
  ],
  asksDaemon: true,
  options: (command) => command.option('--copies <r>', 'how many live owners are enough; default 1'),
  run: async (shell, _args, options) => {
    const text = textOption(options, 'copies') ?? '1';
    const copies = parseWhole(text, '--copies', 1, LIMITS.members, 'bad-copies');
    const view = (await shell.client(true).call('GET', `/v1/coverage?copies=${copies}`)) as CoverageView;
    shell.answer(view, () => coverageLines(shell, view));
    return view.covered ? EXIT.done : EXIT.no;
  },
};

function coverageLines(shell: Shell, view: CoverageView): string[] {
  const enough = plural(view.copies, 'live owner');
  if (view.covered) return [shell.paint.green(`covered: every position has at least ${enough}`)];
  const summary =
    `not covered: ${plural(view.missingPositions, 'position')} ` +
    `(${shareOfKeySpace(view.missingPositions)}) with fewer than ${enough}`;
  const gaps = columns(view.gaps.map((gap) => [String(gap.start), String(gap.end), String(gap.owners)]));
  return [shell.paint.red(summary), ...gaps];
}
