import { Args, BenchError } from '../bench/args.ts';
import { KINDS, type Kind } from './faults.ts';

export const USAGE = `npm run chaos -- [--seconds 60] [--seed N] [--nodes 8] [--changes 50] [--ranges N] [--kinds ${KINDS.join(',')}] [--quiet]
npm run chaos -- --soak [--minutes 30]     long, a line a minute, watches memory, sockets and timers
npm run chaos -- --flap 3 [--seconds 300]  nothing but a split of the group in two, made and healed every so many seconds

--kinds    the faults to draw from; without it each round draws half of them
--changes  changes a second, over all nodes; --ranges: ranges of each node (24; soak and flap: 200)
--quiet    tell the outcome only; --verbose: all, in a soak too
Needs root, iproute2, iptables, nftables and python3, and 'npm ci' or 'npm run build' before. Exit code 1: something that must not be.`;

export interface Options {
  readonly seed: number;
  readonly seconds: number;
  readonly nodes: number;
  readonly changes: number;
  readonly ranges: number;
  /** Null: drawn for each round. */
  readonly kinds: readonly Kind[] | null;
  readonly soak: boolean;
  /** Seconds between splitting and healing; 0: no flapping. */
  readonly flap: number;
  readonly quiet: boolean;
}

const NAMES = [
  'seconds',
  'minutes',
  'seed',
  'nodes',
  'changes',
  'ranges',
  'kinds',
  'soak',
  'flap',
  'quiet',
  'verbose',
];

/** @throws BenchError */
export function parse(args: readonly string[]): Options {
  const given = new Args(args, NAMES);
  const soak = given.has('soak');
  const kinds = given.texts('kinds', []);
  for (const kind of kinds) {
    if (!(KINDS as readonly string[]).includes(kind)) {
      throw new BenchError(`--kinds: there is no '${kind}': there are ${KINDS.join(', ')}`);
    }
  }
  const minutes = given.number('minutes', soak ? 30 : 1);
  const nodes = given.number('nodes', 8);
  if (!Number.isInteger(nodes) || nodes < 3 || nodes > 64) throw new BenchError('--nodes must be 3 to 64');
  return {
    seed: given.number('seed', 1 + Math.floor(Math.random() * 1e9)),
    seconds: given.number('seconds', minutes * 60),
    nodes,
    changes: given.number('changes', 50),
    // Within one round an amount is used once in its range, so long rounds need many.
    ranges: given.number('ranges', soak || given.has('flap') ? 200 : 24),
    kinds: kinds.length === 0 ? null : (kinds as Kind[]),
    soak,
    flap: given.has('flap') ? given.number('flap', 3) : 0,
    quiet: given.has('quiet') || (soak && !given.has('verbose')),
  };
}
