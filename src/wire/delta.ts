import { LIMITS, type NodeId } from '../base/index.ts';
import {
  AworMap,
  type Delta,
  type DeltaEntry,
  type LiveDot,
  REMOVED_SPAN_COUNTERS,
  type Span,
} from '../crdt/index.ts';
import { Ascending, amountCode, MAX_AMOUNT_CODE, Packer, Unpacker } from './packing.ts';

/** Fewest bytes of an entry: start, end, counts, one dot. Of a dot: actor, distance, amount. Of a span: the first two. */
const ENTRY_BYTES = 11;
const DOT_BYTES = 3;
const SPAN_BYTES = 2;

/**
 * A delta as packed bytes, to stand as one element of a message:
 * ids; groups of (node, entries of (start, end, live dots, removed spans)); context spans up to the end.
 */
export function deltaToWire(delta: Delta): Uint8Array {
  const packer = new Packer(64 + 20 * delta.entries.length + 8 * delta.context.length);
  packEntries(packer, delta);
  for (const span of inOrder(delta.context)) packer.span(span.actor, span.lo, span.hi);
  return packer.finish();
}

/** Null when it is malformed in any way. Never throws; allocates no more than a small multiple of the input. */
export function deltaFromWire(value: unknown): Delta | null {
  if (!(value instanceof Uint8Array)) return null;
  const reader = new Unpacker(value);
  const entries = unpackEntries(reader);
  const context: Span[] = [];
  const ascending = new Ascending(reader);
  while (!reader.bad && !reader.done) context.push(ascending.check(unpackSpan(reader)));
  return reader.bad ? null : { entries, context };
}

/** The entries of a delta, without its context. */
export function packEntries(packer: Packer, delta: Delta): void {
  const groups = new Map<NodeId, DeltaEntry[]>();
  for (const entry of delta.entries) {
    const group = groups.get(entry.node);
    if (group === undefined) groups.set(entry.node, [entry]);
    else group.push(entry);
  }
  packer.uint(groups.size);
  for (const [node, group] of groups) {
    packer.uint(packer.indexOf(node));
    packer.uint(group.length);
    for (const entry of group) packEntry(packer, entry);
  }
}

function packEntry(packer: Packer, entry: DeltaEntry): void {
  packer.u32(entry.start);
  packer.u32(entry.end);
  const { live, removed } = entry;
  packer.uint(live.length * 4 + Math.min(removed.length, 3));
  if (removed.length >= 3) packer.uint(removed.length - 3);
  for (const dot of live) {
    packer.span(dot.actor, dot.counter, dot.counter);
    packer.uint(amountCode(dot.kind === 'base', dot.amount));
  }
  for (const span of removed) packer.span(span.actor, span.lo, span.hi);
}

/** The same dots as spans that ascend and do not overlap, per actor. */
export function inOrder(spans: readonly Span[]): readonly Span[] {
  if (spans.length < 2) return spans;
  const sorted = [...spans].sort((a, b) => (a.actor < b.actor ? -1 : a.actor > b.actor ? 1 : a.lo - b.lo));
  const out: Span[] = [];
  for (const span of sorted) {
    const last = out[out.length - 1];
    if (last !== undefined && last.actor === span.actor && span.lo <= last.hi + 1)
      out[out.length - 1] = { actor: last.actor, lo: last.lo, hi: Math.max(last.hi, span.hi) };
    else out.push(span);
  }
  return out;
}

export function unpackEntries(reader: Unpacker): DeltaEntry[] {
  const entries: DeltaEntry[] = [];
  const groups = reader.count(2 + ENTRY_BYTES);
  for (let g = 0; g < groups && !reader.bad; g++) {
    const node = reader.id(reader.uint());
    const count = reader.count(ENTRY_BYTES);
    for (let i = 0; i < count && !reader.bad; i++) entries.push(unpackEntry(reader, node));
  }
  return entries;
}

function unpackEntry(reader: Unpacker, node: NodeId): DeltaEntry {
  const start = reader.u32();
  const end = reader.u32();
  const counts = reader.uint();
  const liveCount = Math.floor(counts / 4);
  const removedCount = counts % 4 < 3 ? counts % 4 : 3 + reader.count(SPAN_BYTES);
  if (start > end || counts === 0 || !reader.fits(liveCount, DOT_BYTES)) reader.bad = true;
  const live: LiveDot[] = [];
  for (let i = 0; i < liveCount && !reader.bad; i++) live.push(unpackDot(reader));
  const removed: Span[] = [];
  for (let i = 0; i < removedCount && !reader.bad; i++) {
    const span = unpackSpan(reader);
    if (span.hi - span.lo >= REMOVED_SPAN_COUNTERS) reader.bad = true;
    removed.push(span);
  }
  return { node, start, end, live, removed };
}

function unpackDot(reader: Unpacker): LiveDot {
  const counter = reader.span();
  const actor = reader.spanActor;
  if (counter !== reader.spanHi) reader.bad = true;
  const code = reader.uint(MAX_AMOUNT_CODE);
  const size = Math.floor(code / 4);
  const negative = (code & 2) !== 0;
  const base = (code & 1) !== 0;
  if (size === 0 || (base && negative)) reader.bad = true;
  return { actor, counter, kind: base ? 'base' : 'increment', amount: negative ? -size : size };
}

export function unpackSpan(reader: Unpacker): Span {
  const lo = reader.span();
  return { actor: reader.spanActor, lo, hi: reader.spanHi };
}

/** A whole map for a snapshot: deltas in chunks, whose join is the map. */
export function stateToWire(map: AworMap): Uint8Array[] {
  return map.chunks(LIMITS.syncChunkBytes).map(deltaToWire);
}

/** Null when any part is malformed or refused. */
export function stateFromWire(value: unknown): AworMap | null {
  if (!Array.isArray(value)) return null;
  const map = new AworMap();
  for (const part of value) {
    const delta = deltaFromWire(part);
    if (delta === null || map.join(delta).refused !== null) return null;
  }
  return map;
}
