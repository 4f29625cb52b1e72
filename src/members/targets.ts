import type { NodeId, Rng } from '../base/index.ts';
import type { MemberList } from './list.ts';

/**
 * Whom to probe next. Every other probe goes to the next live member in the order of ids, a ring that all with the same
 * view share: so each member is probed by somebody within two periods, where independent choices leave one in a hundred
 * alone for 4.6. The others go round a shuffled list of this node's own (SWIM section 4.3), so that no two nodes with a
 * bad link between them watch each other for ever.
 */
export class Targets {
  readonly #members: MemberList;
  readonly #rng: Rng;
  #list: NodeId[] = [];
  #turn = 0;

  constructor(members: MemberList, rng: Rng) {
    this.#members = members;
    this.#rng = rng;
  }

  /** The next live member that will do, or null. */
  next(willDo: (id: NodeId) => boolean): NodeId | null {
    this.#turn++;
    const ring = this.#turn % 2 === 1 ? this.#successor() : null;
    if (ring !== null && willDo(ring)) return ring;
    for (let tries = 0; tries < 8; tries++) {
      const id = this.#listed();
      if (id === null) return null;
      if (willDo(id)) return id;
    }
    return null;
  }

  /** Up to `count` random live members other than this one and `besides`. */
  helpers(count: number, besides: NodeId): NodeId[] {
    const { ids } = this.#members.view();
    const out: NodeId[] = [];
    for (let tries = 0; tries < 6 * count && out.length < Math.min(count, ids.length); tries++) {
      const id = ids[this.#rng.below(ids.length)] as NodeId;
      if (id !== this.#members.self && id !== besides && !out.includes(id)) out.push(id);
    }
    return out;
  }

  #successor(): NodeId | null {
    const { ids } = this.#members.view();
    const own = this.#members.view().indexOf(this.#members.self);
    const next = ids[(own + 1) % ids.length];
    return next === undefined || next === this.#members.self ? null : next;
  }

  /** The next of the list that still lives; at its end it is drawn anew from the present view. */
  #listed(): NodeId | null {
    for (let fresh = false; ; ) {
      const id = this.#list.pop();
      if (id !== undefined) {
        if (id !== this.#members.self && this.#members.isLive(id)) return id;
        continue;
      }
      if (fresh) return null;
      fresh = true;
      this.#list = this.#shuffled();
    }
  }

  #shuffled(): NodeId[] {
    const ids = [...this.#members.view().ids];
    for (let i = ids.length - 1; i > 0; i--) {
      const j = this.#rng.below(i + 1);
      [ids[i], ids[j]] = [ids[j] as NodeId, ids[i] as NodeId];
    }
    return ids;
  }
}
