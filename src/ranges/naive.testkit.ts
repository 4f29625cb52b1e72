/** The ownership view as one would write it without a thought for cost: what the real one is compared with. */
import { type NodeId, nodeIdFromBytes } from '../base/index.ts';
import { KEY_SPACE_END, type Owner, rendezvousWeight, type Segment } from './index.ts';

interface Entry {
  readonly node: NodeId;
  readonly start: number;
  readonly end: number;
  readonly priority: number;
}

export class NaiveView {
  entries: Entry[] = [];
  readonly live = new Set<NodeId>();

  setRegistration(node: NodeId, start: number, end: number, priority: number): void {
    this.entries = this.entries.filter((e) => e.node !== node || e.start !== start || e.end !== end);
    if (priority > 0) this.entries.push({ node, start, end, priority });
  }

  setLive(node: NodeId, live: boolean): void {
    if (live) this.live.add(node);
    else this.live.delete(node);
  }

  ownersAt(position: number): Owner[] {
    const best = new Map<NodeId, number>();
    for (const { node, start, end, priority } of this.entries) {
      if (start <= position && position <= end && this.live.has(node)) {
        best.set(node, Math.max(priority, best.get(node) ?? 0));
      }
    }
    const tile = Math.floor(position / 2 ** 24);
    const weight = (node: NodeId): number =>
      rendezvousWeight(tile, Number.parseInt(node.slice(0, 8), 16), Number.parseInt(node.slice(8), 16));
    return [...best]
      .map(([node, priority]) => ({ node, priority }))
      .sort(
        (a, b) => b.priority - a.priority || weight(b.node) - weight(a.node) || (a.node < b.node ? -1 : 1),
      );
  }

  /** Where owners may change: every end of a registration, every tile border. Sorted. */
  borders(): number[] {
    const borders = new Set<number>([0]);
    for (let tile = 1; tile < 256; tile++) borders.add(tile * 2 ** 24);
    for (const { start, end } of this.entries) {
      borders.add(start);
      if (end < KEY_SPACE_END) borders.add(end + 1);
    }
    return [...borders].sort((a, b) => a - b);
  }

  segments(): Segment[] {
    const borders = this.borders();
    const segments: Segment[] = [];
    borders.forEach((start, i) => {
      const end = i + 1 < borders.length ? (borders[i + 1] as number) - 1 : KEY_SPACE_END;
      const owners = this.ownersAt(start);
      const last = segments.at(-1);
      if (last !== undefined && JSON.stringify(last.owners) === JSON.stringify(owners)) {
        segments[segments.length - 1] = { start: last.start, end, owners };
      } else {
        segments.push({ start, end, owners });
      }
    });
    return segments;
  }
}

export function nodeId(n: number): NodeId {
  return nodeIdFromBytes(Uint8Array.from([n * 37, n * 11, 3, n >> 8, 200, n, n * 5, 1]));
}

/** The span of positions whose owners differ between two segment tables, by brute force. */
export function changedSpan(
  before: readonly Segment[],
  after: readonly Segment[],
): { start: number; end: number } | null {
  const starts = new Set([...before, ...after].map((segment) => segment.start));
  const sorted = [...starts].sort((a, b) => a - b);
  let span: { start: number; end: number } | null = null;
  let i = 0;
  let j = 0;
  sorted.forEach((start, k) => {
    while ((before[i] as Segment).end < start) i++;
    while ((after[j] as Segment).end < start) j++;
    const end = k + 1 < sorted.length ? (sorted[k + 1] as number) - 1 : KEY_SPACE_END;
    if (JSON.stringify((before[i] as Segment).owners) !== JSON.stringify((after[j] as Segment).owners)) {
      span = { start: span?.start ?? start, end };
    }
  });
  return span;
}
