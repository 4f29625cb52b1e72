import { type Address, fold32, mix32, type NodeId } from '../base/index.ts';

/** A member's state by rank: within one incarnation the higher rank wins a join. Numbers are wire format: append only. */
export const STATE = { alive: 0, suspect: 1, down: 2, left: 3 } as const;
export type MemberState = (typeof STATE)[keyof typeof STATE];
export const STATE_NAMES = ['alive', 'suspect', 'down', 'left'] as const;

/**
 * What the group knows of one node. Everything but `state` and the reach pair is written by the node itself, and only
 * together with a higher incarnation; others may raise `state`; the node raises `reachVersion` when `reach` changes.
 */
export interface MemberRecord {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly state: MemberState;
  /** Orders changes of `reach` within one incarnation. */
  readonly reachVersion: number;
  /** Label of the set of nodes that hear each other's multicast: the lowest id in it. Its own id: nobody is known to. */
  readonly reach: NodeId;
  readonly name: string;
  /** Where its gossip listens, preferred first; at least one. */
  readonly addresses: readonly Address[];
  readonly resp: Address | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly capacity: Readonly<Record<string, number>>;
  readonly version: string;
  /** Random per start: two live processes with one id differ in it. */
  readonly bootNonce: number;
}

/**
 * The lattice join: the record of the higher incarnation; within one incarnation the higher state rank and the later
 * reach. Two different records of one incarnation can only come from a cloned identity or a forger: the larger boot nonce
 * wins, then the larger text of all the rest, so that all agree on one of them until the clone is found out.
 */
export function joinRecords(a: MemberRecord, b: MemberRecord): MemberRecord {
  if (a.incarnation !== b.incarnation) return a.incarnation > b.incarnation ? a : b;
  const author =
    b.bootNonce > a.bootNonce || (b.bootNonce === a.bootNonce && contentKey(b) > contentKey(a)) ? b : a;
  const state = Math.max(a.state, b.state) as MemberState;
  const later = laterReach(a, b);
  if (author.state === state && author.reachVersion === later.reachVersion && author.reach === later.reach) {
    return author;
  }
  return { ...author, state, reachVersion: later.reachVersion, reach: later.reach };
}

function laterReach(a: MemberRecord, b: MemberRecord): MemberRecord {
  if (a.reachVersion !== b.reachVersion) return a.reachVersion > b.reachVersion ? a : b;
  return a.reach <= b.reach ? a : b;
}

/** True when `b` tells nothing that `a` does not. */
export function covers(a: MemberRecord, b: MemberRecord): boolean {
  return joinRecords(a, b) === a || sameStanding(joinRecords(a, b), a);
}

function sameStanding(a: MemberRecord, b: MemberRecord): boolean {
  return (
    a.incarnation === b.incarnation &&
    a.state === b.state &&
    a.reachVersion === b.reachVersion &&
    a.reach === b.reach &&
    a.bootNonce === b.bootNonce &&
    contentKey(a) === contentKey(b)
  );
}

const sortedPairs = (map: Readonly<Record<string, string | number>>): string =>
  Object.keys(map)
    .sort()
    .map((key) => `${key}\u0001${map[key]}`)
    .join('\u0002');

/** The lasting part of a record as text: what the digest people see is made of, besides whether it left. */
export function lastingKey(r: MemberRecord): string {
  return [r.id, r.name, r.addresses.join(','), sortedPairs(r.tags)].join('\u0003');
}

/** All that only the node itself writes, but for incarnation and boot nonce, as text: what no join may leave undecided. */
function contentKey(r: MemberRecord): string {
  return `${lastingKey(r)}\u0004${r.resp ?? '-'}.${r.version}\u0004${sortedPairs(r.capacity)}`;
}

/** Two 32-bit lanes of hash over text. */
export function hashText(text: string): { hi: number; lo: number } {
  let hi = 0x2545f491;
  let lo = 0x6c078965;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    hi = fold32(hi, code);
    lo = fold32(lo, code ^ 0x5bd1e995);
  }
  return { hi: mix32(hi ^ text.length), lo: mix32(lo ^ text.length) };
}

type Lanes = { readonly hi: number; readonly lo: number };

/** Each record is hashed once: a join hashes it when it comes and again when it goes, and most are never looked at again. */
function remembered(hash: (r: MemberRecord) => Lanes): (r: MemberRecord) => Lanes {
  const known = new WeakMap<MemberRecord, Lanes>();
  return (r) => {
    let lanes = known.get(r);
    if (lanes === undefined) {
      lanes = hash(r);
      known.set(r, lanes);
    }
    return lanes;
  };
}

/** Hash of the lasting part: id, name, addresses, tags, left. */
export const lastingHash = remembered((r) =>
  hashText(`${lastingKey(r)}\u0004${r.state === STATE.left ? 'left' : 'in'}`),
);

/** Hash of everything that a join compares: equal sums mean that nothing is to be exchanged. */
export const standingHash = remembered((r) => {
  const resp = r.resp ?? '-';
  const rest = `${r.incarnation}.${r.state}.${r.reachVersion}.${r.reach}.${r.bootNonce}.${resp}.${r.version}`;
  return hashText(`${lastingKey(r)}\u0004${rest}\u0004${sortedPairs(r.capacity)}`);
});

/** Hash of a live member's place in the view. */
export const seatHash = remembered((r) => hashText(r.id + r.reach));
