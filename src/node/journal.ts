import { ShoalError } from '../base/index.ts';
import type { Delta } from '../crdt/index.ts';
import type { MemberRecord } from '../members/index.ts';
import {
  decodeValue,
  deltaFromWire,
  deltaToWire,
  encodeValue,
  isCount,
  isList,
  recordFromWire,
  recordToWire,
  stateToWire,
} from '../wire/index.ts';
import type { GroupState } from './state.ts';

/** Kinds of journal records; append only. */
const ENTRY = { delta: 1, members: 2 } as const;
const LAST_ENTRY = Math.max(...Object.values(ENTRY));
/** First element of a snapshot. */
const SNAPSHOT_VERSION = 1;

export function deltaEntry(delta: Delta): Uint8Array {
  return encodeValue([ENTRY.delta, deltaToWire(delta)]);
}

export function membersEntry(records: readonly MemberRecord[]): Uint8Array {
  return encodeValue([ENTRY.members, records.map(recordToWire)]);
}

/** Map and members, whole. All members known, not only live ones: a group switched off as a whole finds itself again. */
export function snapshotOf(state: GroupState, withoutSelf = false): Uint8Array {
  const records: unknown[] = [];
  for (const { record } of state.members.all()) {
    if (!withoutSelf || record.id !== state.members.self) records.push(recordToWire(record));
  }
  return encodeValue([SNAPSHOT_VERSION, stateToWire(state.map), records]);
}

/** What a snapshot or a record holds. */
export interface Restored {
  readonly deltas: Delta[];
  readonly records: MemberRecord[];
  /** Parts that could not be read, left out. */
  malformed: number;
}

/** @throws ShoalError `state-newer`, for what would be left out would be lost with the next snapshot. */
export function readSnapshot(bytes: Uint8Array, into: Restored): void {
  const value = decodeValue(bytes);
  if (isList(value) && isCount(value[0]) && value[0] > SNAPSHOT_VERSION)
    refuseNewer(`a snapshot of version ${value[0]}`);
  if (!isList(value) || value[0] !== SNAPSHOT_VERSION || !isList(value[1]) || !isList(value[2])) {
    into.malformed++;
    return;
  }
  for (const part of value[1]) readDelta(part, into);
  for (const part of value[2]) readRecord(part, into);
}

/**
 * How much of a snapshot can be read back: all, parts of it, or nothing. For the state directory, which knows checksums
 * only. One of a newer version is all there: it is refused elsewhere, and not to be set aside.
 */
export function snapshotSoundness(bytes: Uint8Array): 'whole' | 'parts' | 'none' {
  const into: Restored = { deltas: [], records: [], malformed: 0 };
  try {
    readSnapshot(bytes, into);
  } catch {
    return 'whole';
  }
  if (into.malformed === 0) return 'whole';
  return into.deltas.length + into.records.length > 0 ? 'parts' : 'none';
}

/** @throws ShoalError `state-newer` */
export function readEntry(bytes: Uint8Array, into: Restored): void {
  const value = decodeValue(bytes);
  if (isList(value) && isCount(value[0]) && value[0] > LAST_ENTRY)
    refuseNewer(`a journal record of kind ${value[0]}`);
  if (isList(value) && value[0] === ENTRY.delta) readDelta(value[1], into);
  else if (isList(value) && value[0] === ENTRY.members && isList(value[1])) {
    for (const part of value[1]) readRecord(part, into);
  } else into.malformed++;
}

function refuseNewer(what: string): never {
  throw new ShoalError(
    'state-newer',
    `the state directory holds ${what}, written by a newer version of shoal: install that version again, or move the directory away to start as a new node (the state comes back from the peers)`,
    'data-dir',
  );
}

function readDelta(part: unknown, into: Restored): void {
  const delta = deltaFromWire(part);
  if (delta === null) into.malformed++;
  else into.deltas.push(delta);
}

function readRecord(part: unknown, into: Restored): void {
  const record = recordFromWire(part);
  if (record === null) into.malformed++;
  else into.records.push(record);
}
