export { copySpan, equalSpan, Span } from './span.ts';
export { Stamps } from './stamps.ts';
export { Store } from './store.ts';
export { AHEAD, type ChangeSink, MessageTable } from './table.ts';
