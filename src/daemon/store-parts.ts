/** What the daemon takes of the store's rooms, in one file that is loaded when the store is first used. */
export { createGroupServer, ROLE } from '../resp/index.ts';
export { Store } from '../store/index.ts';
export { storeMetrics } from './store-metrics.ts';
export { scanStore } from './store-scan.ts';
export { slowCommands } from './store-slow.ts';
