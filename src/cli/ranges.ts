import type { Command } from 'commander';
import { LIMITS, utf8 } from '../base/index.ts';
import { parseEnds, parseWhole } from '../config/index.ts';
import type { RangeView } from '../node/contract.ts';
import { EXIT, usage } from './errors.ts';
import { clean } from './layout.ts';
import { type OptionValues, type Shell, textOption } from './shell.ts';

/** What the verbs that change ranges share: arguments, `--node`, and how an entry is printed. */

export const POSITIONS_HELP =
  'Positions are decimal, 0x hex, or slot:N, a whole Redis Cluster slot as start or end. A range includes both ends.';

export interface RangeBody {
  readonly start: number;
  readonly end: number;
  readonly node?: string;
}

export function nodeOption(command: Command): Command {
  return command.option('--node <node>', 'the entry of another node, by name or id; default this node');
}

export function rangeBody(args: readonly string[], options: OptionValues): RangeBody {
  const ends = parseEnds(args[0] ?? '', args[1] ?? '');
  const node = textOption(options, 'node');
  return node === undefined ? ends : { ...ends, node: checkNode(node, '--node') };
}

export function checkNode(text: string, field: string): string {
  const bytes = utf8(text).length;
  if (bytes === 0 || bytes > LIMITS.nameBytes || /[\p{Cc}\s/]/u.test(text)) {
    throw usage(`${field}: '${clean(text.slice(0, 40))}' is not a node's name or id`);
  }
  return text;
}

/** The verbs increase and decrease: PATCH with a signed amount. */
export async function adjust(
  shell: Shell,
  args: readonly string[],
  options: OptionValues,
  sign: 1 | -1,
): Promise<number> {
  const range = rangeBody(args, options);
  const by = sign * parseWhole(args[2] ?? '', 'N', 1, LIMITS.priority, 'bad-amount');
  const answer = (await shell.client(false).call('PATCH', '/v1/ranges', { ...range, by })) as
    | RangeView
    | { released: true };
  shell.answer(answer, () => ['released' in answer ? 'released' : String(answer.priority)]);
  return EXIT.done;
}

/** Names that several nodes have: those are told apart by their ids. */
export function sharedNames(ranges: readonly RangeView[]): Set<string> {
  const ids = new Map<string, string>();
  return new Set(
    ranges
      .filter(({ name, node }) => {
        const first = ids.get(name) ?? node;
        ids.set(name, first);
        return first !== node;
      })
      .map(({ name }) => name),
  );
}

export function rangeRow(range: RangeView, shared?: ReadonlySet<string>): string[] {
  return [
    shared?.has(range.name) ? range.node : range.name,
    String(range.start),
    String(range.end),
    String(range.priority),
  ];
}
