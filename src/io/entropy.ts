import { randomBytes } from 'node:crypto';
import { type NodeId, nodeIdFromBytes } from '../base/index.ts';

export function randomNodeId(): NodeId {
  return nodeIdFromBytes(randomBytes(8));
}

/** For seeds and boot nonces. */
export function randomU32(): number {
  return randomBytes(4).readUInt32BE();
}
