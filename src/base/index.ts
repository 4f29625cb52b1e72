/**
 * base: what every room may use and nothing else may be below. Branded ids, errors and assertions, seeded randomness,
 * hashing, bounded containers, named limits. Knows nothing of shoal's own nouns. Its tests are beside it.
 */
export { BoundedMap } from './bounded.ts';
export { assert, ShoalError, unreachable } from './errors.ts';
export { fold32, hex64, mix32, murmur32, SetHash } from './hash.ts';
export { DeadlineHeap, type Due } from './heap.ts';
export {
  type Address,
  type Brand,
  isNodeId,
  joinAddress,
  type NodeId,
  nodeIdFromBytes,
  nodeIdToBytes,
  parseAddress,
  parseNodeId,
  splitAddress,
} from './ids.ts';
export { LIMITS } from './limits.ts';
export { hostOf, SourceLimits, type SourceRates, TokenBucket } from './rates.ts';
export { jitter, type Rng, SeededRng } from './rng.ts';
export { systemReason } from './system-error.ts';
export { utf8 } from './text.ts';
export { ReplayWindow } from './window.ts';
