import type { Call } from '../call.ts';
import type { Command, CommandFlag, KeyFlag, KeyRange } from '../command.ts';

/** Makes the entries of one group; flags are words with spaces between. */
export function entries(group: string, categories?: readonly string[]) {
  return (
    name: string,
    arity: number,
    flags: string,
    keys: KeyRange | null,
    since: string,
    summary: string,
    run: (call: Call) => void,
    more: Partial<Command> = {},
  ): Command => ({
    name,
    arity,
    flags: words(flags) as CommandFlag[],
    keys,
    group,
    since,
    summary,
    run,
    ...(categories === undefined ? {} : { categories }),
    ...more,
  });
}

/** Keys from `first` to `last` (negative: from the end), with what is done to them: `RW access update`. */
export function keys(flags: string, first = 1, last = first, step = 1): KeyRange {
  return { first, last, step, flags: words(flags) as KeyFlag[] };
}

function words(text: string): string[] {
  return text === '' ? [] : text.split(' ');
}
