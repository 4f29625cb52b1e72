import type { NodeId } from '../base/index.ts';

/** One entry of an ordered owner list. */
export interface Owner {
  readonly node: NodeId;
  readonly priority: number;
}

/** What the view holds of one node that has a registration. */
export class Registrant {
  readonly id: NodeId;
  /** The node id's two halves, for the rendezvous hash. */
  readonly hi: number;
  readonly lo: number;
  readonly registrations = new Map<string, Registration>();

  constructor(id: NodeId) {
    this.id = id;
    this.hi = Number.parseInt(id.slice(0, 8), 16);
    this.lo = Number.parseInt(id.slice(8), 16);
  }
}

/** A registration at one priority; immutable, because snapshots hold it: another priority is another object. */
export class Registration {
  readonly by: Registrant;
  readonly start: number;
  readonly end: number;
  readonly owner: Owner;

  constructor(by: Registrant, start: number, end: number, priority: number) {
    this.by = by;
    this.start = start;
    this.end = end;
    this.owner = { node: by.id, priority };
  }
}

/** Highest priority first; then by node and range, so that a set of registrations has one order only. */
export function compareRegistrations(a: Registration, b: Registration): number {
  if (a === b) return 0;
  if (a.owner.priority !== b.owner.priority) return b.owner.priority - a.owner.priority;
  if (a.by !== b.by) return a.by.id < b.by.id ? -1 : 1;
  return a.start !== b.start ? a.start - b.start : a.end - b.end;
}

export function sameOwners(a: readonly Owner[], b: readonly Owner[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as Owner;
    const y = b[i] as Owner;
    if (x !== y && (x.node !== y.node || x.priority !== y.priority)) return false;
  }
  return true;
}
