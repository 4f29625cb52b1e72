import { LIMITS, ShoalError } from '../base/index.ts';
import type { Seal, SealFactory } from '../io/index.ts';
import type { MetricFamily } from '../node/contract.ts';
import { GroupSeal, parseKey } from '../seal/index.ts';
import { readSecretFile } from './secret-file.ts';

/**
 * The keys of a file: one a line, the first is the primary of a new ring; empty lines and those with # are skipped.
 * @throws ShoalError `bad-key-file`, which names the file and the line and never holds what is in it
 */
export function readKeyFile(path: string): Uint8Array[] {
  const text = readSecretFile(path, 'key', bad);
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
export function sealWith(
  keys: readonly Uint8Array[],
  keyFile?: string,
  reread?: () => readonly Uint8Array[],
): SealFactory {
  return (surroundings): Seal => {
    const seal = new GroupSeal({
      ...{ ...surroundings, keys },
      ...(keyFile !== undefined && { keyFile }),
      ...(reread && { reread }),
    });
    return {
      outgoing: seal.outgoing,
      incoming: seal.incoming,
      keys: () => seal.list(),
      keysFail: () => seal.keysFail,
      change: (operation, key) => seal.change(operation, key),
      warnings: () => seal.warnings(),
      metrics: () => sealMetrics(seal),
      derive: (label) => seal.derive(label),
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
    'keys-offered': datagrams.offers.counters.tries,
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
