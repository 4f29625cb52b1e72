import type { Rng } from '../base/index.ts';
import { beginReconcile } from '../crdt/index.ts';
import type { BroadcastOutputs } from '../gossip/index.ts';
import { KIND, MAX_INCARNATION, reconcileToWire } from '../wire/index.ts';
import type { DetectionOutputs } from './detection.ts';
import type { IdentityOutputs } from './identity.ts';
import type { Outputs } from './machine.ts';
import type { NodeCore } from './node.ts';
import { Presence } from './presence.ts';
import type { Reconciler, SessionOutputs } from './sessions.ts';
import { publicDigest } from './state.ts';
import { INCARNATIONS } from './strangers.ts';
import type { TaskOutputs } from './tasks.ts';

/** What the broadcaster sends, as messages. */
export function broadcastOutputs(node: NodeCore, now: () => number): BroadcastOutputs {
  const { link } = node;
  return {
    tree: (to, part, payload) => link.send(to, { kind: KIND.tree, ...part, payload }),
    list: (to, id, ids, ageMs, payload) => link.send(to, { kind: KIND.list, id, ids, ageMs, payload }),
    ack: (to, id, needList) => {
      link.send(to, { kind: KIND.ack, id, needList, hears: node.multicast.weHear(to, now()) });
    },
    multicast: (id, ageMs, payload, nowMs) => node.presence.multicast(id, ageMs, payload, nowMs),
    deliver: (payload, from, ageMs, nowMs, repaired) =>
      node.intake.deliver(payload, from, ageMs, nowMs, repaired),
  };
}

/** What the failure detector asks of the rest. */
export function detectionOutputs(node: NodeCore): DetectionOutputs {
  return {
    hears: (id, nowMs) => node.multicast.weHear(id, nowMs),
    answered: (id, nowMs) => node.strangers.answered(id, nowMs),
    confirmed: (id, hears, nowMs) => node.presence.confirmed(id, hears, nowMs),
    differs: (nowMs) => node.comparison.antiEntropy.changed(nowMs),
  };
}

/** What takes longer than one input asks for. */
export function taskOutputs(node: NodeCore, outputs: Outputs, rng: Rng): TaskOutputs {
  return {
    answer: (token, answer) => outputs.answer(token, answer),
    askDigest: (id, nowMs) => node.comparison.send(KIND.digest, id, rng.u32(), nowMs),
    digest: () => publicDigest(node.state.digests()),
    call: (address, done, nowMs) =>
      node.sessions.call(
        address,
        null,
        (end, endMs) => {
          node.comparison.sessionEnded(end, true, endMs);
          done(end, endMs);
        },
        nowMs,
      ),
    log: (message, fields) => outputs.log('info', message, fields),
  };
}

export function presenceOf(node: NodeCore): Presence {
  return new Presence(node.options, node.boot.bootNonce, node.state, node.multicast, node.link, {
    mergeRecord: (record, from, nowMs) => node.roster.merge(record, from, nowMs),
    raise: (record, nowMs) => node.roster.raise(record, nowMs),
    reported: (id, digests, nowMs) => node.comparison.reported(id, digests, nowMs),
  });
}

/** The map's side of a session. */
export function reconcilerOf(node: NodeCore, rng: Rng, now: () => number): Reconciler {
  return {
    begin: () => [reconcileToWire(beginReconcile(node.state.map, rng.u32()))],
    respond: (step) => node.intake.reconcile(step, now()),
  };
}

export function sessionOutputs(node: NodeCore): SessionOutputs {
  return {
    mergeRecord: (record, from, nowMs) => node.roster.merge(record, from, nowMs),
    digests: () => node.state.digests(),
    heard: (id, nowMs) => {
      node.heard(id, nowMs);
      // A stream is a round trip.
      node.strangers.answered(id, nowMs);
    },
    twinCalled: ({ bootNonce, addresses }, nowMs) =>
      node.identity.twins.suspect(bootNonce, addresses, nowMs, true),
  };
}

/** What becomes of finding another process with this node's id. */
export function identityOutputs(node: NodeCore, outputs: Outputs): IdentityOutputs {
  return {
    send: (to, message) => outputs.send(to, node.link.codec.encode(message)),
    log: (level, message, fields) => outputs.log(level, message, fields),
    reassert: (above, nowMs) => {
      const me = node.roster.me();
      const incarnation = Math.max(above, me.incarnation) + 1;
      const far = node.options.unsealed === true && above > me.incarnation + INCARNATIONS.jump;
      if (!node.identity.yielding && !far && above < MAX_INCARNATION)
        node.roster.raise({ ...me, incarnation }, nowMs);
    },
    release: (start, end, nowMs) => node.mutations.run(null, { kind: 'release', start, end }, nowMs),
  };
}
