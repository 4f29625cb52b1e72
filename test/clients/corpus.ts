import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { HOME_TAG, SPLIT_TAGS } from './group.ts';

const PAIRS = 2_000;
/** Not multiples of anything a buffer may be. */
const LARGE = [1_100_003, 2_500_009];

export interface Pair {
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * The keys and values one client writes, drawn from the seed: any bytes, some keys with hash tags (also of the slot that is split
 * between owners), some values over a megabyte. Every program reads it from a file: key length, key, value length, value, the
 * lengths as 4 bytes, the highest first.
 */
export class Corpus {
  readonly name: string;
  readonly path: string;
  readonly pairs: readonly Pair[];

  constructor(directory: string, name: string, seed: string) {
    this.name = name;
    this.path = `${directory}/${name}.pairs`;
    this.pairs = pairsOf(`${seed}/${name}`, name);
    const parts = this.pairs.flatMap(({ key, value }) => [lengthOf(key), key, lengthOf(value), value]);
    writeFileSync(this.path, Buffer.concat(parts));
  }
}

function pairsOf(seed: string, name: string): Pair[] {
  const pairs: Pair[] = [];
  const bytes = new Bytes(seed);
  for (let i = 0; i < PAIRS; i++) {
    // The number keeps keys of one client apart, the name those of two.
    const unique = Buffer.from(`${name}:${i}:`);
    const rest = bytes.take(bytes.below(40));
    const tag = tagOf(i);
    const key = Buffer.concat(tag === '' ? [rest, unique] : [Buffer.from(`{${tag}}`), unique, rest]);
    pairs.push({ key, value: bytes.take(i % 10 === 0 ? bytes.below(5_000) : bytes.below(120)) });
  }
  for (const length of LARGE)
    pairs.push({ key: Buffer.from(`${name}:large:${length}`), value: bytes.take(length) });
  return pairs;
}

function tagOf(i: number): string {
  if (i % 16 === 0) return SPLIT_TAGS[(i / 16) % SPLIT_TAGS.length] ?? '';
  return i % 16 === 1 ? HOME_TAG : '';
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}

/** Random bytes from a seed: SHAKE's output. */
class Bytes {
  readonly #pool: Buffer;
  #at = 0;

  constructor(seed: string) {
    this.#pool = createHash('shake128', { outputLength: 8_000_000 }).update(seed).digest();
  }

  take(length: number): Buffer {
    const bytes = this.#pool.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new Error('the pool of random bytes is too small');
    this.#at += length;
    return bytes;
  }

  below(limit: number): number {
    return this.take(4).readUInt32BE() % limit;
  }
}
