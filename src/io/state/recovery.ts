import { join } from 'node:path';
import { isNodeId, LIMITS, type NodeId, ShoalError } from '../../base/index.ts';
import type { Log } from '../log.ts';
import { BOOT_FILES, type BootValues, decodeBoot, newerBoot } from './boot-file.ts';
import { type Disk, replaceFile } from './disk.ts';
import { JOURNAL_MAGIC, newerFormat, readSnapshot, SNAPSHOT_MAGIC, scanJournal } from './frames.ts';
import { journalGeneration, journalName } from './journal.ts';

/** Reading a state directory at start: what is damaged is set aside and named, never thrown away. */
export interface Recovery {
  readonly disk: Disk;
  readonly directory: string;
  readonly log: Log;
  /** ISO time, for the names of files set aside. */
  readonly time: string;
  readonly warnings: string[];
}

export const IDENTITY_FILE = 'identity.json';
export const SNAPSHOT_FILE = 'snapshot';
const JOURNAL_PREFIX = 'journal.';
/** How the names of files set aside begin; the time follows. */
const TORN_JOURNAL = 'journal.torn-';
const CORRUPT_JOURNAL = 'journal.corrupt-';
const CORRUPT_SNAPSHOT = `${SNAPSHOT_FILE}.corrupt-`;

/** Null in a directory that no node ever used. @throws ShoalError `state-corrupt` when counters could be used twice. */
export async function readBoot(r: Recovery, names: readonly string[]): Promise<BootValues | null> {
  const used = names.filter(isStateFile);
  if (used.length === 0) return null;
  let copies: BootValues[] = [];
  for (const name of BOOT_FILES) {
    const bytes = await r.disk.read(join(r.directory, name));
    if (bytes !== null) refuseNewer(r, name, newerBoot(bytes));
    const values = bytes === null ? null : decodeBoot(bytes);
    if (values !== null) copies.push(values);
    else note(r, `${name} is ${bytes === null ? 'missing' : 'damaged'}`, 'the other copy is used');
  }
  // The node had just taken a new id: what still has the old one is to be written again.
  const former = new Set(copies.map((copy) => copy.former));
  copies = copies.filter((copy) => !former.has(copy.id));
  const named = await readIdentity(r);
  const identity = named !== null && former.has(named) ? null : named;
  const first = copies[0];
  if (first === undefined) {
    throw new ShoalError(
      'state-corrupt',
      `${r.directory}: boot and boot.bak are both missing or damaged, so change counters could be used twice: restore one of them, or move the directory away to start as a new node (the state comes back from the peers)`,
      'data-dir',
    );
  }
  const ids = new Set(copies.map((copy) => copy.id));
  if (identity !== null) ids.add(identity);
  if (ids.size > 1) {
    throw new ShoalError(
      'state-corrupt',
      `${r.directory}: its files belong to different nodes (${[...ids].join(', ')}): put the right ones back, or move the directory away to start as a new node`,
      'data-dir',
    );
  }
  if (identity === null) note(r, `${IDENTITY_FILE} is missing or damaged`, 'written again from boot');
  return {
    id: first.id,
    leaseTo: Math.max(...copies.map((copy) => copy.leaseTo)),
    incarnation: Math.max(...copies.map((copy) => copy.incarnation)),
    former: first.former ?? null,
  };
}

async function readIdentity(r: Recovery): Promise<NodeId | null> {
  const bytes = await r.disk.read(join(r.directory, IDENTITY_FILE));
  if (bytes === null) return null;
  try {
    const { id } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { id?: unknown };
    return typeof id === 'string' && isNodeId(id) ? id : null;
  } catch {
    return null;
  }
}

/** How much of a snapshot can be read by those whose it is. */
export type Soundness = 'whole' | 'parts' | 'none';

export async function readSnapshotFile(
  r: Recovery,
  soundness: (payload: Uint8Array) => Soundness,
): Promise<{ generation: number; payload: Uint8Array } | null> {
  const path = join(r.directory, SNAPSHOT_FILE);
  const bytes = await r.disk.read(path);
  if (bytes === null) return null;
  refuseNewer(r, SNAPSHOT_FILE, newerFormat(bytes, SNAPSHOT_MAGIC));
  const snapshot = readSnapshot(bytes);
  const sound = snapshot === null ? 'none' : soundness(snapshot.payload);
  if (sound === 'whole') return snapshot;
  const aside = `${CORRUPT_SNAPSHOT}${fileTime(r.time)}`;
  if (sound === 'parts') {
    // Its good parts are in no other file yet: it stays until the next snapshot, and a copy for longer.
    await replaceFile(r.disk, join(r.directory, aside), [bytes]);
    note(
      r,
      `parts of the snapshot (${bytes.length} bytes) cannot be read; a copy was set aside as ${aside}`,
      'what was in them comes from the journal and the peers',
    );
    return snapshot;
  }
  await r.disk.rename(path, join(r.directory, aside));
  note(
    r,
    `the snapshot (${bytes.length} bytes) is ${snapshot === null ? 'damaged' : 'not readable'} and was set aside as ${aside}`,
    'state comes from the journal and the peers',
  );
  return null;
}

export interface RecoveredJournal {
  readonly records: Uint8Array[];
  readonly generation: number;
  /** Sound bytes of the last file; 0: it is to be made anew. */
  readonly lengthBytes: number;
  /** Every journal file that is there. */
  readonly generations: number[];
}

/** Reads the journals that the snapshot does not contain, oldest first, and cuts off what is not sound. */
export async function readJournals(
  r: Recovery,
  names: readonly string[],
  fromGeneration: number,
): Promise<RecoveredJournal> {
  const generations: number[] = [];
  for (const name of names) {
    const generation = journalGeneration(name);
    if (generation !== null) generations.push(generation);
  }
  generations.sort((a, b) => a - b);
  const records: Uint8Array[] = [];
  let lengthBytes = 0;
  for (const generation of generations) {
    if (generation < fromGeneration) continue;
    const name = journalName(generation);
    const bytes = await r.disk.read(join(r.directory, name));
    if (bytes === null) continue;
    refuseNewer(r, name, newerFormat(bytes, JOURNAL_MAGIC));
    const scan = scanJournal(bytes);
    for (const record of scan.records) records.push(record);
    lengthBytes = scan.soundBytes;
    // Shorter than the magic: the crash came while it was made, nothing was in it.
    if (scan.soundBytes < bytes.length && bytes.length > JOURNAL_MAGIC.length) {
      await cut(r, name, bytes, scan.soundBytes, scan.damaged);
    }
  }
  const last = generations.at(-1);
  const generation = Math.max(fromGeneration, last ?? 0);
  return { records, generation, lengthBytes: generation === last ? lengthBytes : 0, generations };
}

/** What a later version wrote is not damaged, and is not to be set aside: its changes may be nowhere else. */
function refuseNewer(r: Recovery, name: string, format: number | null): void {
  if (format === null) return;
  throw new ShoalError(
    'state-newer',
    `${r.directory}: ${name} was written by a newer version of shoal (format ${format}): install that version again, or move the directory away to start as a new node (the state comes back from the peers)`,
    'data-dir',
  );
}

async function cut(r: Recovery, name: string, bytes: Uint8Array, sound: number, damaged: boolean) {
  // Torn is what a power cut does, and lost nothing that was confirmed; damaged is what no crash does.
  const aside = `${damaged ? CORRUPT_JOURNAL : TORN_JOURNAL}${fileTime(r.time)}-${name.slice(JOURNAL_PREFIX.length)}`;
  await replaceFile(r.disk, join(r.directory, aside), [bytes.subarray(sound)]);
  const file = await r.disk.open(join(r.directory, name));
  try {
    await file.truncate(sound);
    await file.sync();
  } finally {
    await file.close();
  }
  const what = `${name} is ${damaged ? 'damaged' : 'torn'} after byte ${sound}; the last ${bytes.length - sound} bytes were cut and kept as ${aside}`;
  if (damaged) note(r, what, 'changes in them come back from the peers, where they had spread');
  else r.log.warn({ file: name, bytes: bytes.length - sound, keptAs: aside }, what);
}

/**
 * What an earlier start set aside is named at each start until somebody has removed it: that start may have failed in
 * the end, or nobody may have looked.
 */
export function noteSetAside(r: Recovery, names: readonly string[]): void {
  const kept = names.filter((name) => isCorrupt(name) && !name.endsWith('.tmp')).sort();
  if (kept.length === 0) return;
  note(
    r,
    `set aside as damaged at an earlier start: ${kept.join(', ')}`,
    'find out why (a bad card, a bad copy), then remove what was set aside',
  );
}

/** Removes what a crash left half-made, and all but the newest of the files set aside. */
export async function tidy(disk: Disk, directory: string, names: readonly string[]): Promise<void> {
  const remove = (name: string): Promise<void> => disk.remove(join(directory, name)).catch(() => {});
  for (const name of names) if (isLeftover(name)) await remove(name);
  for (const kind of [TORN_JOURNAL, CORRUPT_JOURNAL, CORRUPT_SNAPSHOT]) {
    const aside = names.filter((name) => name.startsWith(kind) && !name.endsWith('.tmp')).sort();
    for (const name of aside.slice(0, -LIMITS.setAsideFiles)) await remove(name);
  }
}

function isStateFile(name: string): boolean {
  return (
    name === IDENTITY_FILE ||
    name === SNAPSHOT_FILE ||
    (BOOT_FILES as readonly string[]).includes(name) ||
    journalGeneration(name) !== null
  );
}

function isLeftover(name: string): boolean {
  if (!name.endsWith('.tmp')) return false;
  return isStateFile(name.slice(0, -4)) || name.startsWith(TORN_JOURNAL) || isCorrupt(name);
}

function isCorrupt(name: string): boolean {
  return name.startsWith(CORRUPT_JOURNAL) || name.startsWith(CORRUPT_SNAPSHOT);
}

function note(r: Recovery, what: string, then: string): void {
  const message = `state directory ${r.directory}: ${what}; ${then}`;
  r.log.warn({ path: r.directory }, message);
  r.warnings.push(message);
}

function fileTime(iso: string): string {
  return iso.replaceAll(':', '-');
}
