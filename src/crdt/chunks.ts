import type { Actor } from './actor.ts';
import { compareIds, type Delta, type DeltaEntry, type LiveDot, type RangeKey, type Span } from './delta.ts';
import type { Entry, StoredDot } from './entry.ts';
import type { ReadonlyIntervals } from './intervals.ts';

/** What a part of a delta takes on the wire, on the safe side: sizes of chunks are meant, not promised. */
const DOT_COST_BYTES = 18;
const SPAN_COST_BYTES = 8;
const ACTOR_COST_BYTES = 8;

interface OpenEntry {
  readonly key: RangeKey;
  readonly live: LiveDot[];
}

/**
 * Cuts a part of a state into deltas of about `chunkBytes`. Each stands alone: the context it claims is of dots that
 * it carries live or that are dead, so a lost chunk loses nothing but its own content.
 */
export class Chunker {
  readonly #chunkBytes: number;
  readonly #emit: (delta: Delta) => void;
  #entries = new Map<Entry, OpenEntry>();
  #context: Span[] = [];
  #bytes = 0;
  #chunksLeft: number;

  constructor(chunkBytes: number, emit: (delta: Delta) => void, maxChunks = Number.POSITIVE_INFINITY) {
    this.#chunkBytes = chunkBytes;
    this.#emit = emit;
    this.#chunksLeft = maxChunks;
  }

  /** Adds the actor's dots within `spans`, all of which it has seen; false when not all had room in the last chunk. */
  add(actor: Actor, spans: ReadonlyIntervals): boolean {
    if (this.#chunksLeft === 0) return false;
    this.#bytes += ACTOR_COST_BYTES;
    for (let i = 0; i < spans.length; i += 2) {
      let from = spans[i] as number;
      const hi = spans[i + 1] as number;
      actor.forEachIn(from, hi, (dot) => {
        if (this.#bytes >= this.#chunkBytes) {
          if (from < dot.counter) this.#context.push({ actor: actor.id, lo: from, hi: dot.counter - 1 });
          from = dot.counter;
          this.flush();
        }
        if (this.#chunksLeft > 0) this.#addDot(dot);
      });
      if (this.#chunksLeft === 0) return false;
      this.#context.push({ actor: actor.id, lo: from, hi });
      this.#bytes += SPAN_COST_BYTES;
      if (this.#bytes >= this.#chunkBytes) this.flush();
    }
    return true;
  }

  /** Adds dots that are dead here. */
  addDead(spans: readonly Span[]): void {
    if (this.#chunksLeft === 0) return;
    for (const span of spans) this.#context.push(span);
    this.#bytes += SPAN_COST_BYTES * spans.length;
  }

  flush(): void {
    if (this.#context.length === 0) return;
    this.#emit({ entries: sortEntries(this.#entries.values()), context: this.#context });
    this.#entries = new Map();
    this.#context = [];
    this.#bytes = 0;
    this.#chunksLeft--;
  }

  #addDot(dot: StoredDot): void {
    this.#bytes += DOT_COST_BYTES;
    const open = this.#entries.get(dot.entry);
    if (open !== undefined) open.live.push(dot.toLive());
    else this.#entries.set(dot.entry, { key: dot.entry, live: [dot.toLive()] });
  }
}

function sortEntries(open: Iterable<OpenEntry>): DeltaEntry[] {
  const entries: DeltaEntry[] = [];
  for (const { key, live } of open)
    entries.push({ node: key.node, start: key.start, end: key.end, live, removed: [] });
  return entries.sort((a, b) => compareIds(a.node, b.node) || a.start - b.start || a.end - b.end);
}
