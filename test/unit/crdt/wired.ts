/** Two maps reconcile over the codec; every byte is counted. */
import { encode } from '@msgpack/msgpack';
import type { AworMap, ReconcileMessage } from '../../../src/crdt/index.ts';
import { beginReconcile, respondReconcile } from '../../../src/crdt/index.ts';
import { reconcileFromWire, reconcileToWire } from '../../../src/wire/reconcile.ts';

export interface Traffic {
  bytes: number;
  messages: number;
  largest: number;
  /** Serial trips: the opening is one. */
  trips: number;
}

interface Letter {
  to: 0 | 1;
  bytes: Uint8Array;
  sent: ReconcileMessage;
}

/** What the network does to one letter: how many copies arrive. */
export type Fate = () => number;

export function reconcile(a: AworMap, b: AworMap, salt = 1, fate: Fate = () => 1): Traffic {
  const maps = [a, b] as const;
  const traffic: Traffic = { bytes: 0, messages: 0, largest: 0, trips: 0 };
  const send = (to: 0 | 1, message: ReconcileMessage): Letter => {
    const bytes = reconcileToWire(message);
    const size = encode(bytes).length;
    traffic.bytes += size;
    traffic.messages++;
    traffic.largest = Math.max(traffic.largest, size);
    return { to, bytes, sent: message };
  };
  let letters: Letter[] = [send(1, beginReconcile(a, salt))];
  while (letters.length > 0) {
    traffic.trips++;
    if (traffic.trips > 1000) throw new Error('the two never stop talking');
    const next: Letter[] = [];
    for (const { to, bytes, sent } of letters) {
      for (let copies = fate(); copies > 0; copies--) {
        const message = reconcileFromWire(bytes);
        if (message === null) throw new Error(`a message did not survive its codec: ${JSON.stringify(sent)}`);
        const { reply, refused } = respondReconcile(maps[to], message);
        if (refused !== null) throw new Error(`refused: ${refused}`);
        for (const answer of reply ?? []) next.push(send(to === 0 ? 1 : 0, answer));
      }
    }
    letters = next;
  }
  return traffic;
}
