import type { NodeId } from '../../src/base/index.ts';
import type { NodeEvent } from '../../src/node/machine.ts';
import type { SimHost } from './host.ts';
import type { Watcher, World } from './world.ts';

/** How long a command may go unanswered on a host that is well, besides the wait it asks for itself. */
export const ANSWER_WITHIN_MS = 15_000;

/**
 * True when all running hosts show one digest and take each other for live. A suspect is live until it is called down: under
 * loss somebody is always suspected somewhere, for the time it takes to answer.
 */
export function agree(world: World): boolean {
  let digest: string | null = null;
  let alive = -1;
  let running = 0;
  for (const host of world.hosts) {
    const machine = host.machine;
    if (machine === null) continue;
    running++;
    const own = machine.digest();
    if (digest === null) digest = own;
    else if (digest !== own) return false;
    const counts = machine.memberCounts();
    const live = counts.alive + counts.suspect;
    if (alive < 0) alive = live;
    else if (alive !== live) return false;
  }
  // Nodes that are down for good stay listed, so there may be more.
  return running === 0 || alive >= running;
}

/** Who disagrees, for the message of a failed run. */
export function disagreement(world: World): string {
  const groups = new Map<string, number[]>();
  for (const host of world.running()) {
    const machine = host.machine;
    if (machine === null) continue;
    const counts = machine.memberCounts();
    const text = `${machine.digest()} with ${counts.alive} alive, ${counts.left} left, ${machine.rangeCounts().registrations} ranges`;
    const group = groups.get(text);
    if (group === undefined) groups.set(text, [host.index]);
    else group.push(host.index);
  }
  return [...groups]
    .map(
      ([text, hosts]) =>
        `n${hosts.slice(0, 8).join(',n')}${hosts.length > 8 ? ` and ${hosts.length - 8} more` : ''}: ${text}`,
    )
    .join('; ');
}

/** At the end: equal digests mean equal maps, and everybody lists everybody who runs. */
export function checkAgreement(world: World, left: ReadonlySet<SimHost>): void {
  const running = world.running();
  const first = running[0];
  if (first?.machine == null) return;
  const ranges = JSON.stringify(first.machine.ranges());
  for (const host of running) {
    const machine = host.machine;
    if (machine === null) continue;
    if (JSON.stringify(machine.ranges()) !== ranges) {
      world.violate('convergence', `${host.address} and ${first.address} have one digest and different maps`);
    }
    checkMembers(world, host, running, left);
    checkSegments(world, host);
  }
}

function checkMembers(
  world: World,
  host: SimHost,
  running: readonly SimHost[],
  left: ReadonlySet<SimHost>,
): void {
  const machine = host.machine;
  if (machine === null) return;
  const listed = new Map(machine.members(host.localMs()).map((member) => [member.id, member]));
  for (const other of running) {
    const member = other.id === null ? undefined : listed.get(other.id);
    if (member === undefined) {
      world.violate('members', `${host.address} does not list ${other.address}, which runs`);
    } else if (member.status !== 'alive' && member.status !== 'suspect') {
      world.violate('members', `${host.address} lists ${other.address} as ${member.status}, and it runs`);
    } else if (member.address !== other.address) {
      world.violate('members', `${host.address} lists ${other.address} at ${member.address}`);
    }
  }
  for (const other of left) {
    const member = other.id === null ? undefined : listed.get(other.id);
    if (member !== undefined && member.status !== 'left') {
      world.violate('members', `${host.address} lists ${other.address} as ${member.status}, and it has left`);
    }
  }
}

/** The segment table covers the key space without holes, in order. */
function checkSegments(world: World, host: SimHost): void {
  let next = 0;
  for (const segment of host.machine?.segments() ?? []) {
    if (segment.start !== next || segment.end < segment.start) {
      world.violate(
        'segments',
        `${host.address}: a segment ${segment.start}-${segment.end} where ${next} is next`,
      );
      return;
    }
    next = segment.end + 1;
  }
  if (next !== 2 ** 32) world.violate('segments', `${host.address}: the segments end at ${next - 1}`);
}

/** Commands on hosts that are well are answered in time. */
export function checkAnswered(world: World): void {
  for (const host of world.running()) {
    for (const { command, sinceMs } of host.waiting.values()) {
      const wait = command.kind === 'converged' ? command.waitMs : 0;
      if (world.nowMs - sinceMs <= ANSWER_WITHIN_MS + wait) continue;
      world.violate(
        'answers',
        `${host.address}: no answer to ${JSON.stringify(command)} of ${sinceMs.toFixed(0)} ms`,
      );
    }
  }
}

/**
 * Nobody is believed gone who did not go: only those that said so, or were forced, may be `left`. Suspicions and verdicts
 * of `down` are counted, and are violations for whom a scenario says that there can be no reason.
 */
export class MemberWatch implements Watcher {
  readonly #world: World;
  readonly #mayLeave = new Set<NodeId>();

  suspicions = 0;
  downs = 0;
  /** Who must not be suspected, who must not be called down; a scenario sets them. */
  mustNotSuspect: (subject: NodeId) => boolean = () => false;
  mustNotDown: (subject: NodeId) => boolean = () => false;
  /** Called for every suspicion and verdict. `by`: the host that tells of it; the maker is the event's origin. */
  onVerdict: (by: SimHost, event: NodeEvent) => void = () => {};
  /** Called for every member that a host lists as left from now on. */
  onLeave: (by: SimHost, event: NodeEvent) => void = () => {};

  constructor(world: World) {
    this.#world = world;
  }

  /** A node was told to leave, or somebody was told to mark it so. */
  leaving(id: NodeId | null): void {
    if (id !== null) this.#mayLeave.add(id);
  }

  happened(host: SimHost, event: NodeEvent): void {
    const down = event.type === 'member-down';
    if (down || event.type === 'member-suspect') {
      this[down ? 'downs' : 'suspicions']++;
      this.onVerdict(host, event);
      if (!(down ? this.mustNotDown : this.mustNotSuspect)(event.subject)) return;
      this.#world.violate(
        'members',
        `${host.address} believes ${event.name} (${event.subject}) ${event.type.slice(7)}`,
      );
    }
    if (event.type === 'member-leave') this.onLeave(host, event);
    if (event.type === 'member-leave' && !this.#mayLeave.has(event.subject)) {
      this.#world.violate(
        'members',
        `${host.address} believes ${event.name} (${event.subject}) left: it never did`,
      );
    }
  }
}
