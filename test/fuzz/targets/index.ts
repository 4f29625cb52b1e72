import type { Target } from '../target.ts';
import { diskTarget, framesTarget } from './bytes.ts';
import { conversationTarget } from './conversation.ts';
import { httpTarget } from './http.ts';
import { nodeTarget, stateTarget } from './machine.ts';
import { payloadTarget, requestTarget } from './resp.ts';
import { keyringTarget, memberTarget, sealedTarget } from './seal.ts';
import { storeLogTarget } from './store-log.ts';
import { bodyTarget, configTarget, wordsTarget } from './text.ts';
import { codecTarget, deltaTarget, groupTarget, reconcileTarget, recordTarget } from './wire.ts';

/** Everything that reads what others wrote: the network, sealed and not, the disk, HTTP, files and the command line. */
export const TARGETS: Readonly<Record<string, () => Target>> = {
  codec: codecTarget,
  delta: deltaTarget,
  group: groupTarget,
  reconcile: reconcileTarget,
  record: recordTarget,
  node: nodeTarget,
  state: stateTarget,
  sealed: sealedTarget,
  member: memberTarget,
  keyring: keyringTarget,
  frames: framesTarget,
  disk: diskTarget,
  config: configTarget,
  words: wordsTarget,
  body: bodyTarget,
  http: httpTarget,
  resp: requestTarget,
  payload: payloadTarget,
  conversation: conversationTarget,
  'store-log': storeLogTarget,
};
