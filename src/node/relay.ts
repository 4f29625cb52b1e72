import type { Rng } from '../base/index.ts';
import type { BroadcastOutputs } from '../gossip/index.ts';
import { KIND } from '../wire/index.ts';
import type { DetectionOutputs } from './detection.ts';
import type { Outputs } from './machine.ts';
import type { NodeCore } from './node.ts';
import { publicDigest } from './state.ts';
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
    deliver: (payload, from, ageMs, nowMs) => node.intake.deliver(payload, from, ageMs, nowMs),
  };
}

/** What the failure detector asks of the rest. */
export function detectionOutputs(node: NodeCore): DetectionOutputs {
  return {
    hears: (id, nowMs) => node.multicast.weHear(id, nowMs),
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
