import type { Delta } from '../crdt/index.ts';
import type { MemberRecord } from '../members/index.ts';
import { deltaEntry, membersEntry, type Restored, readEntry, readSnapshot, snapshotOf } from './journal.ts';
import type { Boot, Outputs } from './machine.ts';
import type { GroupState } from './state.ts';

/**
 * The journal is folded into a snapshot when it has outgrown this, and twice the last snapshot; preferably while no change
 * waits for the disk, but not for ever: at so many times that size it is folded in any case.
 */
const JOURNAL_BYTES = 256 * 1024;
const JOURNAL_PATIENCE = 2;

/** What the node writes and reads back: journal records, snapshots, and when to fold the one into the other. */
export class Disk {
  readonly counters = { snapshots: 0, malformedParts: 0 };
  readonly #outputs: Outputs;
  #journalBytes = 0;
  #snapshotBytes = 0;

  constructor(outputs: Outputs) {
    this.#outputs = outputs;
  }

  /** Writes and syncs; `persisted` comes in with the token. */
  persist(record: Uint8Array, token: number): void {
    this.#journalBytes += record.length;
    this.#outputs.persist(record, token);
  }

  noteDelta(delta: Delta): void {
    this.note(deltaEntry(delta));
  }

  noteMember(record: MemberRecord): void {
    this.note(membersEntry([record]));
  }

  /** Writes without waiting: what is elsewhere already. */
  note(record: Uint8Array): void {
    this.#journalBytes += record.length;
    this.#outputs.note(record);
  }

  snapshotIfDue(state: GroupState, idle: boolean): void {
    const dueBytes = Math.max(JOURNAL_BYTES, 2 * this.#snapshotBytes);
    if (this.#journalBytes <= (idle ? dueBytes : JOURNAL_PATIENCE * dueBytes)) return;
    const bytes = snapshotOf(state);
    this.counters.snapshots++;
    this.#journalBytes = 0;
    this.#snapshotBytes = bytes.length;
    this.#outputs.snapshot(bytes);
  }

  /** Brings the state up to what the directory held. This node's own record is made anew at each start. */
  restore(boot: Boot, state: GroupState): void {
    const restored: Restored = { deltas: [], records: [], malformed: 0 };
    if (boot.snapshot !== null) {
      this.#snapshotBytes = boot.snapshot.length;
      readSnapshot(boot.snapshot, restored);
    }
    for (const record of boot.journal) {
      this.#journalBytes += record.length;
      readEntry(record, restored);
    }
    for (const delta of restored.deltas) state.restoreDelta(delta);
    for (const record of restored.records) if (record.id !== boot.id) state.restoreMember(record);
    this.counters.malformedParts = restored.malformed;
    if (restored.malformed > 0) {
      const message = 'parts of the saved state could not be read and were left out; peers have them';
      this.#outputs.log('warn', message, { parts: restored.malformed });
    }
  }
}
