export { Reaper } from './reaper.ts';
export type { ChangeSink } from './sink.ts';
export { copySpan, equalSpan, Span } from './span.ts';
export { Stamps } from './stamps.ts';
export { Store } from './store.ts';
export { AHEAD, MessageTable } from './table.ts';
export { showRandom, Walk } from './walk.ts';
