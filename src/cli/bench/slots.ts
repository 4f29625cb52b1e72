import { keyOf } from './plan.ts';
import type { Value } from './values.ts';

export const SLOTS = 16384;
/** Keys that a load draws from when it must know whose they are: 16 MB of numbers. */
const MAX_SAMPLED = 1 << 22;

/** The Redis Cluster slot of a key without braces: CRC16/XMODEM. */
export function slotOf(key: string): number {
  let crc = 0;
  for (let i = 0; i < key.length; i++) {
    crc ^= key.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc & (SLOTS - 1);
}

export interface Master {
  readonly host: string;
  readonly port: number;
  readonly slots: number;
  /** Numbers of keys it serves. */
  readonly keys: Uint32Array;
}

/** Who serves which keys, of the answer to CLUSTER SLOTS; a node that does not say its host is the one asked. */
export function readSlots(answer: Value, asked: string, keys: number): Master[] {
  if (!Array.isArray(answer)) throw new Error('CLUSTER SLOTS was not answered with a list');
  const masters = new Map<string, { host: string; port: number; slots: number }>();
  const owners = new Map<number, string>();
  for (const entry of answer as Value[]) {
    const [start, end, master] = Array.isArray(entry) ? (entry as Value[]) : [];
    const [host, port] = Array.isArray(master) ? (master as Value[]) : [];
    const whole = Number.isInteger(start) && Number.isInteger(end) && Number.isInteger(port);
    if (!whole || (start as number) < 0 || (end as number) >= SLOTS)
      throw new Error('CLUSTER SLOTS has an entry that cannot be');
    const name = typeof host === 'string' && host !== '' && host !== '?' ? host : asked;
    const id = `${name} ${port}`;
    const known = masters.get(id) ?? { host: name, port: port as number, slots: 0 };
    known.slots += (end as number) - (start as number) + 1;
    masters.set(id, known);
    for (let slot = start as number; slot <= (end as number); slot++) owners.set(slot, id);
  }
  const numbers = new Map<string, number[]>([...masters.keys()].map((id) => [id, []]));
  const sampled = Math.min(keys, MAX_SAMPLED);
  for (let i = 0; i < sampled; i++) {
    const number = Math.floor((i * keys) / sampled);
    const owner = owners.get(slotOf(keyOf(number)));
    if (owner !== undefined) numbers.get(owner)?.push(number);
  }
  return [...masters].map(([id, master]) => ({ ...master, keys: Uint32Array.from(numbers.get(id) ?? []) }));
}

/** Which master each of so many clients works with: in proportion to its slots, each master with keys at least once. */
export function share(masters: readonly Master[], clients: number): number[] {
  const serving = [...masters.keys()].filter((i) => (masters[i] as Master).keys.length > 0);
  const chosen = serving.slice(0, clients);
  const counts = new Map(chosen.map((i) => [i, 1]));
  while (chosen.length > 0 && chosen.length < clients) {
    let neediest = chosen[0] as number;
    const need = (i: number): number => (masters[i] as Master).slots / (counts.get(i) ?? 1);
    for (const i of serving) if (need(i) > need(neediest)) neediest = i;
    counts.set(neediest, (counts.get(neediest) ?? 0) + 1);
    chosen.push(neediest);
  }
  return chosen;
}
