import { type MemberList, STATE } from '../members/index.ts';

/** Who heard nobody for so long, and a few probe periods more, is alone. */
const HEARD_MS = 3000;
const HEARD_PERIODS = 4;
/** A start at which nobody is heard is held for one of a node that is cut off, for so long. */
const ALONE_MS = 60_000;

/**
 * Whether this node knows what the others know; null: it does, else what is missing. Members that left do not count. While
 * others live or are suspected, one of them must have been heard of late. Are all of them down, this node is the last of its
 * group: one that is cut off cannot be told from it, so it is ready; but at a start at which nobody was heard only after a minute.
 */
export function notReady(
  members: MemberList,
  at: {
    readonly synced: boolean;
    readonly startMs: number;
    readonly nowMs: number;
    readonly probePeriodMs: number;
  },
): string | null {
  let [others, down, heardMs] = [0, 0, -Infinity];
  for (const member of members.all()) {
    const { id, state } = member.record;
    if (id === members.self || state === STATE.left) continue;
    others++;
    if (state === STATE.down) down++;
    heardMs = Math.max(heardMs, member.heardMs);
  }
  if (others === 0) return null;
  if (at.nowMs - heardMs <= HEARD_MS + HEARD_PERIODS * at.probePeriodMs && down < others)
    return at.synced ? null : 'comparing state with a member';
  const who = others === 1 ? 'the other member' : `any of the ${others} other members`;
  if (down < others) return `nothing is heard of ${who}: this node may be cut off`;
  if (heardMs !== -Infinity || at.nowMs - at.startMs >= ALONE_MS) return null;
  return `nothing was heard of ${who} since the start: this node may be cut off`;
}
