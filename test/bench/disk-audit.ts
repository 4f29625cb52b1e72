import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeId } from '../../src/base/index.ts';
import { AworMap, type Delta } from '../../src/crdt/index.ts';
import { readSnapshot as readSnapshotFrame, scanJournal } from '../../src/io/state/frames.ts';
import { journalGeneration } from '../../src/io/state/journal.ts';
import { type Restored, readEntry, readSnapshot } from '../../src/node/journal.ts';

/** What a state directory holds, by the product's own readers; the files are not touched. */
export interface Found {
  readonly map: AworMap;
  readonly deltas: readonly Delta[];
  /** Parts that could not be read: there are none after a kill. */
  readonly malformed: number;
}

export function readState(directory: string): Found {
  const restored: Restored = { deltas: [], records: [], malformed: 0 };
  // The snapshot is replaced and the journals it contains are removed while we look: begin again when one is gone.
  for (let attempt = 0; ; attempt++) {
    restored.deltas.length = 0;
    restored.malformed = 0;
    try {
      readFiles(directory, restored);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt > 20) throw error;
    }
  }
  const map = new AworMap();
  for (const delta of restored.deltas) map.join(delta);
  return { map, deltas: restored.deltas, malformed: restored.malformed };
}

function readFiles(directory: string, restored: Restored): void {
  const names = readdirSync(directory);
  let from = 0;
  if (names.includes('snapshot')) {
    const snapshot = readSnapshotFrame(readFileSync(join(directory, 'snapshot')));
    if (snapshot === null) restored.malformed++;
    else {
      from = snapshot.generation;
      readSnapshot(snapshot.payload, restored);
    }
  }
  const generations = names.map(journalGeneration).filter((g) => g !== null);
  for (const generation of generations.sort((a, b) => a - b)) {
    if (generation < from) continue;
    const scan = scanJournal(readFileSync(join(directory, `journal.${generation}`)));
    if (scan.damaged) restored.malformed++;
    for (const record of scan.records) readEntry(record, restored);
  }
}

/** Every dot ever seen on any disk, and what it stood for: a dot that stands for two things was used twice. */
export class DotLedger {
  readonly reused: string[] = [];
  readonly #dots = new Map<NodeId, Map<number, string>>();
  size = 0;

  note(deltas: readonly Delta[]): void {
    for (const { entries } of deltas) {
      for (const { node, start, end, live } of entries) {
        for (const { actor, counter, kind, amount } of live) {
          this.#note(actor, counter, `${node} ${start}-${end} ${kind} ${amount}`);
        }
      }
    }
  }

  #note(actor: NodeId, counter: number, content: string): void {
    let dots = this.#dots.get(actor);
    if (dots === undefined) {
      dots = new Map();
      this.#dots.set(actor, dots);
    }
    const before = dots.get(counter);
    if (before === undefined) {
      dots.set(counter, content);
      this.size++;
    } else if (before !== content) {
      this.reused.push(`(${actor}, ${counter}) was ${before} and is ${content}`);
    }
  }
}
