import { parsePosition } from '../../config/index.ts';
import type { OwnerView, PositionView, SegmentView } from '../../node/contract.ts';
import { EXIT, usage } from '../errors.ts';
import { columns } from '../layout.ts';
import { type Shell, textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const owners: Verb = {
  usage: 'owners [key]',
  summary: 'the ordered owners of a key or a position; with neither, the whole segment table',
  details:
    'First the highest priority. Per owner: name, id, priority; per segment: start, end, owners. ' +
    'A position without an owner is no error: a remark and exit code 0, or "owners":[] with --json; shoal coverage finds gaps.',
  examples: [
    ['shoal owners user:17', 'who owns this key, first the one to ask first'],
    ['shoal owners --position slot:42', 'who owns the first position of slot 42'],
    ['shoal owners', 'the whole key space'],
  ],
  asksDaemon: true,
  options: (command) =>
    command.option('--position <p>', 'a position instead of a key: decimal, 0x hex, or slot:N'),
  run: async (shell, args, options) => {
    const key = args[0];
    const position = textOption(options, 'position');
    if (key !== undefined && position !== undefined)
      throw usage('a key and --position are both given: keep one');
    if (key !== undefined) return lookUp(shell, `key=${encodeURIComponent(key)}`);
    if (position !== undefined) return lookUp(shell, `position=${parsePosition(position, '--position')}`);
    const answer = (await shell.client(true).call('GET', '/v1/owners')) as { segments: SegmentView[] };
    shell.answer(answer, () => segmentLines(shell, answer.segments));
    return EXIT.done;
  },
};

async function lookUp(shell: Shell, query: string): Promise<number> {
  const view = (await shell.client(true).call('GET', `/v1/owners?${query}`)) as PositionView;
  const found = view.owners.map((owner) => [owner.name, owner.node, String(owner.priority)]);
  shell.answer(view, () => columns(found));
  if (!shell.json && found.length === 0) {
    shell.note(`position ${view.position} (slot ${view.slot}) has no owner`);
  } else if (!shell.json && shell.io.isTerminal) {
    shell.note(`these own position ${view.position} (slot ${view.slot})`);
  }
  return EXIT.done;
}

function segmentLines(shell: Shell, segments: readonly SegmentView[]): string[] {
  const rows = segments.map((s) => [String(s.start), String(s.end), s.owners.map(ownerText).join(',')]);
  if (!shell.io.isTerminal) return columns(rows);
  const lines = columns([['START', 'END', 'OWNERS'], ...rows]);
  return lines.map((line, i) => (segments[i - 1]?.owners.length === 0 ? shell.paint.red(line) : line));
}

function ownerText(owner: OwnerView): string {
  return `${owner.name}:${owner.priority}`;
}
