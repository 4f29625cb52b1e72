import { LIMITS } from '../base/index.ts';
import {
  type ActorRecord,
  type ActorsMessage,
  LISTING_COUNTERS,
  type Listing,
  MAX_COUNTER,
  type PartsMessage,
  type Print,
  type ReadonlyIntervals,
  type ReconcileMessage,
  type Span,
} from '../crdt/index.ts';
import { inOrder, packEntries, unpackEntries, unpackSpan } from './delta.ts';
import { Ascending, Packer, Unpacker } from './packing.ts';

/** Append-only. */
const BUCKETS = 0;
const ACTORS = 1;
const PARTS = 2;

const MAX_BUCKETS = 256;
/** Fewest bytes of each part. */
const RECORD_BYTES = 6;
const RUN_BYTES = 7;
const HASH_BYTES = 4;
const LISTING_BYTES = 4;

/** A reconciliation message as packed bytes, to stand as one element of a message. */
export function reconcileToWire(message: ReconcileMessage): Uint8Array {
  const packer = new Packer(256);
  switch (message.kind) {
    case 'buckets':
      packer.uint(BUCKETS);
      packer.u32(message.salt);
      packer.uint(message.hashes.length);
      for (const hash of message.hashes) packer.u32(hash);
      break;
    case 'actors':
      packer.uint(ACTORS);
      packer.u32(message.salt);
      packActors(packer, message);
      break;
    case 'parts':
      packer.uint(PARTS);
      packer.u32(message.salt);
      packParts(packer, message);
      break;
  }
  return packer.finish();
}

/** Null when it is malformed in any way. Never throws; allocates no more than a small multiple of the input. */
export function reconcileFromWire(value: unknown): ReconcileMessage | null {
  if (!(value instanceof Uint8Array)) return null;
  const reader = new Unpacker(value);
  const kind = reader.uint(PARTS);
  const salt = reader.u32();
  if (reader.bad) return null;
  const message =
    kind === BUCKETS
      ? unpackBuckets(reader, salt)
      : kind === ACTORS
        ? unpackActors(reader, salt)
        : unpackParts(reader, salt);
  return reader.bad || !reader.done ? null : message;
}

function unpackBuckets(reader: Unpacker, salt: number): ReconcileMessage {
  const count = bucketCount(reader);
  const hashes: number[] = [];
  for (let i = 0; i < count && !reader.bad; i++) hashes.push(reader.u32());
  return { kind: 'buckets', salt, hashes };
}

function bucketCount(reader: Unpacker): number {
  const count = reader.uint(MAX_BUCKETS);
  if (count === 0 || (count & (count - 1)) !== 0) reader.bad = true;
  return count;
}

// --- Actors. ---

function packActors(packer: Packer, message: ActorsMessage): void {
  packer.uint(message.of);
  packer.uint(message.buckets.length);
  for (const { bucket, records } of message.buckets) {
    packer.uint(bucket);
    packRecords(packer, records);
  }
}

function unpackActors(reader: Unpacker, salt: number): ActorsMessage {
  const of = bucketCount(reader);
  const count = reader.count(2);
  const buckets: { bucket: number; records: ActorRecord[] }[] = [];
  const told = new Set<string>();
  let above = -1;
  for (let i = 0; i < count && !reader.bad; i++) {
    const bucket = reader.uint(of - 1);
    if (bucket <= above) reader.bad = true;
    above = bucket;
    buckets.push({ bucket, records: unpackRecords(reader, told) });
  }
  return { kind: 'actors', salt, of, buckets };
}

function packRecords(packer: Packer, records: readonly ActorRecord[]): void {
  packer.uint(records.length);
  for (const { actor, seen, hash } of records) {
    packer.uint(packer.indexOf(actor));
    packIntervals(packer, seen, 0);
    packer.u32(hash);
  }
}

/** `told` holds the actors of earlier records: each has one per message. */
function unpackRecords(reader: Unpacker, told: Set<string>): ActorRecord[] {
  const records: ActorRecord[] = [];
  const count = reader.count(RECORD_BYTES);
  for (let i = 0; i < count && !reader.bad; i++) {
    const actor = reader.id(reader.uint());
    if (told.has(actor)) reader.bad = true;
    told.add(actor);
    const seen = unpackIntervals(reader, 0, MAX_COUNTER);
    records.push({ actor, seen, hash: reader.u32() });
  }
  return records;
}

/** Each interval as the gap before it and its length, from `above` on; gaps are at least 1, so that none are adjacent. */
function packIntervals(packer: Packer, set: ReadonlyIntervals, above: number): void {
  packer.uint(set.length / 2);
  let last = above;
  for (let i = 0; i < set.length; i += 2) {
    packer.uint((set[i] as number) - last);
    last = set[i + 1] as number;
    packer.uint(last - (set[i] as number));
  }
}

function unpackIntervals(reader: Unpacker, above: number, max: number): number[] {
  const count = reader.count(2);
  if (count > LIMITS.contextIntervals) reader.bad = true;
  const set: number[] = [];
  let last = above;
  for (let i = 0; i < count && !reader.bad; i++) {
    const gap = reader.uint(max - last);
    // Between two intervals there is at least one counter.
    if (gap < (i === 0 ? 1 : 2)) reader.bad = true;
    const lo = last + gap;
    last = lo + reader.uint(max - lo);
    set.push(lo, last);
  }
  return set;
}

// --- Parts. ---

function packParts(packer: Packer, message: PartsMessage): void {
  packEntries(packer, message.delta);
  const context = inOrder(message.delta.context);
  packer.uint(context.length);
  for (const span of context) packer.span(span.actor, span.lo, span.hi);
  packRecords(packer, message.records);
  packPrints(packer, message.prints);
  packer.uint(message.listings.length);
  for (const listing of message.listings) packListing(packer, listing);
}

function unpackParts(reader: Unpacker, salt: number): PartsMessage {
  const entries = unpackEntries(reader);
  const contextCount = reader.count(2);
  const context: Span[] = [];
  const ascending = new Ascending(reader);
  for (let i = 0; i < contextCount && !reader.bad; i++) context.push(ascending.check(unpackSpan(reader)));
  const records = unpackRecords(reader, new Set());
  const prints = unpackPrints(reader);
  const listingCount = reader.count(LISTING_BYTES);
  const listings: Listing[] = [];
  ascending.restart();
  for (let i = 0; i < listingCount && !reader.bad; i++)
    listings.push(unpackListing(reader, ascending.check(unpackSpan(reader))));
  return { kind: 'parts', salt, delta: { entries, context }, records, prints, listings };
}

/** Adjoining ranges of one actor as a run: the whole range, how many, then each one's length (not the last's) and hash. */
function packPrints(packer: Packer, prints: readonly Print[]): void {
  const runs: Print[][] = [];
  for (const print of prints) {
    const run = runs[runs.length - 1];
    const last = run?.[run.length - 1];
    if (last !== undefined && last.actor === print.actor && last.hi + 1 === print.lo) run?.push(print);
    else runs.push([print]);
  }
  packer.uint(runs.length);
  for (const run of runs) {
    const { actor, lo } = run[0] as Print;
    const { hi } = run[run.length - 1] as Print;
    packer.span(actor, lo, hi);
    packer.uint(run.length);
    for (const print of run) {
      if (print.hi !== hi) packer.uint(print.hi - print.lo);
      packer.u32(print.hash);
    }
  }
}

function unpackPrints(reader: Unpacker): Print[] {
  const prints: Print[] = [];
  const ascending = new Ascending(reader);
  const runs = reader.count(RUN_BYTES);
  for (let r = 0; r < runs && !reader.bad; r++) {
    const { actor, lo, hi } = ascending.check(unpackSpan(reader));
    const count = reader.count(HASH_BYTES);
    if (count === 0) reader.bad = true;
    let from = lo;
    for (let i = 1; i <= count && !reader.bad; i++) {
      const to = i === count ? hi : from + reader.uint(hi - from);
      if (i < count && to === hi) reader.bad = true;
      prints.push({ actor, lo: from, hi: to, hash: reader.u32() });
      from = to + 1;
    }
  }
  return prints;
}

/** The range; what was seen of it (0: all); the live counters, as gaps or as a bitmap from the first to the last. */
function packListing(packer: Packer, { actor, lo, hi, seen, live }: Listing): void {
  packer.span(actor, lo, hi);
  if (seen.length === 2 && seen[0] === lo && seen[1] === hi) packer.uint(0);
  else {
    packer.uint(1);
    packIntervals(packer, seen, lo - 1);
  }
  const first = live[0] ?? lo;
  const last = live[live.length - 1] ?? lo;
  const bitmap = Math.ceil((last - first + 1) / 8);
  if (bitmap < live.length) {
    packer.uint(bitmap * 2 + 1);
    packer.uint(first - lo);
    const bits = new Uint8Array(bitmap);
    for (const counter of live) {
      const bit = counter - first;
      bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7));
    }
    packer.raw(bits);
    return;
  }
  packer.uint(live.length * 2);
  let above = lo - 1;
  for (const counter of live) {
    packer.uint(counter - above - 1);
    above = counter;
  }
}

function unpackListing(reader: Unpacker, { actor, lo, hi }: Span): Listing {
  const partly = reader.uint(1) === 1;
  const seen = partly ? unpackIntervals(reader, lo - 1, hi) : [lo, hi];
  const head = reader.uint(LISTING_COUNTERS * 2 + 1);
  const live: number[] = [];
  if (head % 2 === 1) {
    const first = lo + reader.uint(hi - lo);
    const bits = reader.raw((head - 1) / 2);
    for (let bit = 0; bit < bits.length * 8; bit++)
      if (((bits[bit >> 3] as number) & (1 << (bit & 7))) !== 0) live.push(first + bit);
  } else {
    let above = lo - 1;
    for (let i = 0; i < head / 2 && !reader.bad; i++) {
      if (above === hi) reader.bad = true;
      else above += 1 + reader.uint(hi - above - 1);
      live.push(above);
    }
  }
  if (live.length > LISTING_COUNTERS || (live[live.length - 1] ?? lo) > hi) reader.bad = true;
  return { actor, lo, hi, seen, live };
}
