import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { LIMITS, ShoalError, systemReason } from '../base/index.ts';
import type { Seal, SealFactory } from '../io/index.ts';
import type { MetricFamily } from '../node/contract.ts';
import { GroupSeal, parseKey } from '../seal/index.ts';

/** Permissions nobody but the owner may have on a file with keys. */
const OTHERS = 0o077;
/** systemd lets the service read a credential by an access list, whose mask shows as the group's right to read. */
const OTHERS_IN_CREDENTIALS = 0o037;
const MAX_FILE_BYTES = 64 * 1024;

/**
 * The keys of a file: one a line, the first is the primary of a new ring; empty lines and those with # are skipped.
 * @throws ShoalError `bad-key-file`, which names the file and the line and never holds what is in it
 */
export function readKeyFile(path: string): Uint8Array[] {
  let text: string;
  let file: number | null = null;
  try {
    // One file throughout: what is read is what was looked at. Not waiting, as for a pipe nobody writes to.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode, size } = fstatSync(file);
    const credentials = process.env.CREDENTIALS_DIRECTORY;
    const isCredential = credentials !== undefined && path.startsWith(`${credentials}/`);
    if ((mode & (isCredential ? OTHERS_IN_CREDENTIALS : OTHERS)) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw bad(`${path} has mode ${shown}, so others can read or change it: chmod 600 ${path}`);
    }
    if (size > MAX_FILE_BYTES) throw bad(`${path} is too long for a key file`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ShoalError) throw error;
    throw bad(`cannot read ${path} (${systemReason(error)}): give a file that this user can read`);
  } finally {
    if (file !== null) closeSync(file);
  }
  const keys: Uint8Array[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    try {
      keys.push(parseKey(content));
    } catch {
      throw bad(
        `${path}:${i + 1} is not a key: a key is 44 characters of base64, as 'shoal keygen' prints it`,
      );
    }
  }
  if (keys.length === 0) throw bad(`${path} holds no key: shoal keygen > ${path}`);
  if (keys.length > LIMITS.keys) throw bad(`${path} holds ${keys.length} keys: at most ${LIMITS.keys}`);
  return keys;
}

function bad(message: string): ShoalError {
  return new ShoalError('bad-key-file', `key_file: ${message}`, 'key_file');
}

/** The seal that io puts between machine and sockets. */
export function sealWith(keys: readonly Uint8Array[], reread?: () => readonly Uint8Array[]): SealFactory {
  return (surroundings): Seal => {
    const seal = new GroupSeal({ ...surroundings, keys, ...(reread && { reread }) });
    return {
      outgoing: seal.outgoing,
      incoming: seal.incoming,
      keys: () => seal.list(),
      keysFail: () => seal.keysFail,
      change: (operation, key) => seal.change(operation, key),
      warnings: () => seal.warnings(),
      metrics: () => sealMetrics(seal),
    };
  };
}

export function sealMetrics(seal: GroupSeal): MetricFamily[] {
  const family = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    label: string,
    values: Readonly<Record<string, number>>,
  ): MetricFamily => ({
    name,
    help,
    type,
    samples: Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value })),
  });
  const { datagrams, streams, counters } = seal;
  const { challenges, proofs, ringsSent } = datagrams.counters;
  const events = {
    challenges,
    proofs,
    'rings-sent': ringsSent,
    'ring-changes': counters.ringChanges,
    'streams-agreed': streams.counters.agreed,
    'streams-without-common-key': streams.counters.noCommonKey,
    rekeys: datagrams.own.rekeys,
  };
  const sizes = { boots: datagrams.boots.size, streams: streams.open, keys: seal.ring.ids().length };
  return [
    family('counter', 'shoal_seal_dropped_total', 'Dropped by the seal, by reason.', 'reason', seal.drops),
    family(
      'counter',
      'shoal_seal_total',
      'Proofs of life, keyring exchanges, sealed streams.',
      'what',
      events,
    ),
    family('gauge', 'shoal_seal_known', 'Boots with a replay window, streams, keys.', 'what', sizes),
  ];
}
