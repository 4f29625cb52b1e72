import type { StoreSlowView } from '../node/contract.ts';
import type { GroupServer } from '../resp/index.ts';
import { textOf } from './store-scan.ts';

type State = GroupServer['server']['state'];
type Entry = ReturnType<State['slowLog']['newest']>[number];

/** The newest slow commands, with their keys where those may be shown, and never another argument: those are values and secrets. */
export function slowCommands(state: State, count: number, showKeys: boolean): StoreSlowView {
  const { slowLog } = state;
  return {
    slowerThanMs: state.settings.slowerThanUsec / 1000,
    entries: slowLog.newest(count).map((entry) => ({
      id: entry.id,
      time: new Date(entry.atMs).toISOString(),
      ms: entry.usec / 1000,
      ...named(state, entry, showKeys),
      client: entry.address,
      clientName: textOf(Buffer.from(entry.clientName, 'latin1')),
    })),
  };
}

/** What an entry's words say: the command's name as we know it, and which of the others are keys. */
function named(
  state: State,
  { words }: Entry,
  showKeys: boolean,
): { command: string; keys: string[] | null } {
  const [first = '', second = ''] = words;
  const known = state.commands.named(first.toLowerCase());
  const inner = known?.subcommands?.named(second.toLowerCase());
  // Of a long command the last word says how much more there was.
  const count = /^\.\.\. \(\d+ more arguments\)$/.test(words.at(-1) ?? '') ? words.length - 1 : words.length;
  const keys = ((inner ?? known)?.keysOf(count) ?? []).map((i) => words[i] ?? '');
  return {
    command: (inner ?? known)?.name ?? 'unknown',
    keys: showKeys ? keys.map((key) => textOf(Buffer.from(key, 'latin1'))) : null,
  };
}
