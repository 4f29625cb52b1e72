/**
 * The seal of protocol 1 as it was on 21 November 2026: what an old node seals and opens. Imports nothing of src.
 *
 * Datagram: 0x81, key id 4, boot salt 12, counter 6, mix 4; sealed: kind 1, ring digest 4, clock 4 (units of 8 ms), content;
 * tag 16. The nonce is the last 12 bytes of the header, the header and the cluster's name are authenticated too.
 * Stream: two greetings in the clear, then frames sealed with keys made of both, each with the next counter as its nonce.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';

const HEADER = 27;
const TAG = 16;
const ALGORITHM = 'chacha20-poly1305';

/** Kinds of what is sealed. */
export const MESSAGE = 0;
export const RING = 1;
export const CHALLENGE = 2;
export const PROOF = 3;

export function keyId(key: Uint8Array, cluster: string): string {
  return createHmac('sha256', key).update('shoal key id\0').update(cluster).digest('hex').slice(0, 8);
}

function derive(key: Uint8Array, label: string, salt: Uint8Array, cluster: string): Uint8Array {
  return createHmac('sha256', key).update(`shoal 1 ${label}\0`).update(salt).update(cluster).digest();
}

/** A ring of one key from a key file. */
export function ringOf(key: Uint8Array, cluster: string): Buffer {
  const stamp = Buffer.alloc(14);
  return Buffer.concat([
    ...[Buffer.of(1, 1), stamp, Buffer.from(keyId(key, cluster), 'hex')],
    ...[Buffer.of(2), stamp, key],
  ]);
}

export interface Datagram {
  readonly kind: number;
  readonly counter: number;
  readonly content: Uint8Array;
}

/** One boot of an old node with one key. */
export class OldBoot {
  readonly salt = Buffer.from('00112233445566778899aabb', 'hex');
  readonly #key: Uint8Array;
  readonly #cluster: string;
  #counter = 0;

  constructor(key: Uint8Array, cluster: string) {
    this.#key = key;
    this.#cluster = cluster;
  }

  /** The counter of the last datagram sealed. */
  get counter(): number {
    return this.#counter;
  }

  seal(kind: number, content: Uint8Array, clock = 100): Uint8Array {
    const header = Buffer.alloc(HEADER);
    header[0] = 0x81;
    header.write(keyId(this.#key, this.#cluster), 1, 'hex');
    header.set(this.salt, 5);
    header.writeUIntBE(++this.#counter, 17, 6);
    header.writeUInt32BE(0xabcdef01, 23);
    const inner = Buffer.alloc(9);
    inner[0] = kind;
    createHash('sha256').update(ringOf(this.#key, this.#cluster)).digest().copy(inner, 1, 0, 4);
    inner.writeUInt32BE(clock, 5);
    const plain = Buffer.concat([inner, content]);
    const subkey = derive(this.#key, 'datagram', this.salt, this.#cluster);
    const cipher = createCipheriv(ALGORITHM, subkey, header.subarray(15), { authTagLength: TAG });
    cipher.setAAD(Buffer.concat([header, Buffer.from(this.#cluster)]), { plaintextLength: plain.length });
    return Uint8Array.from(
      Buffer.concat([header, cipher.update(plain), cipher.final(), cipher.getAuthTag()]),
    );
  }

  /** Throws when it was not sealed rightly. */
  open(bytes: Uint8Array): Datagram {
    const data = Buffer.from(bytes);
    const header = data.subarray(0, HEADER);
    const subkey = derive(this.#key, 'datagram', header.subarray(5, 17), this.#cluster);
    const body = data.subarray(HEADER, data.length - TAG);
    const cipher = createDecipheriv(ALGORITHM, subkey, header.subarray(15), { authTagLength: TAG });
    cipher.setAuthTag(data.subarray(data.length - TAG));
    cipher.setAAD(Buffer.concat([header, Buffer.from(this.#cluster)]), { plaintextLength: body.length });
    const plain = Buffer.concat([cipher.update(body), cipher.final()]);
    return {
      kind: plain[0] as number,
      counter: header.readUIntBE(17, 6),
      content: Uint8Array.from(plain.subarray(9)),
    };
  }
}

/** One stream of an old node that calls. */
export class OldCall {
  readonly hello: Uint8Array;
  readonly #key: Uint8Array;
  readonly #cluster: string;
  #calls: Uint8Array | null = null;
  #answers: Uint8Array | null = null;
  #sent = 0;
  #got = 0;

  constructor(key: Uint8Array, cluster: string) {
    this.#key = key;
    this.#cluster = cluster;
    const id = Buffer.from(keyId(key, cluster), 'hex');
    this.hello = Uint8Array.from([0x81, 1, ...Buffer.alloc(16, 0x5a), 1, ...id]);
  }

  /** The other's greeting; gives the id of the key that it picked. */
  agreed(greeting: Uint8Array): string {
    const transcript = createHash('sha256').update(this.hello).update(greeting).digest();
    this.#calls = derive(this.#key, 'stream calls', transcript, this.#cluster);
    this.#answers = derive(this.#key, 'stream answers', transcript, this.#cluster);
    return Buffer.from(greeting.subarray(18)).toString('hex');
  }

  /** The first frame: this boot, its counter and clock, and the ring. */
  introduction(boot: OldBoot): Uint8Array {
    const numbers = Buffer.alloc(10);
    numbers.writeUIntBE(boot.counter, 0, 6);
    numbers.writeUInt32BE(100, 6);
    return this.seal(RING, Buffer.concat([boot.salt, numbers, ringOf(this.#key, this.#cluster)]));
  }

  seal(kind: number, content: Uint8Array): Uint8Array {
    const plain = Buffer.concat([Buffer.of(kind), content]);
    const options = { authTagLength: TAG };
    const cipher = createCipheriv(ALGORITHM, this.#calls as Uint8Array, nonce(++this.#sent), options);
    cipher.setAAD(Buffer.from(this.#cluster), { plaintextLength: plain.length });
    return Uint8Array.from(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
  }

  open(frame: Uint8Array): { kind: number; content: Uint8Array } {
    const body = frame.subarray(0, frame.length - TAG);
    const options = { authTagLength: TAG };
    const cipher = createDecipheriv(ALGORITHM, this.#answers as Uint8Array, nonce(++this.#got), options);
    cipher.setAuthTag(frame.subarray(frame.length - TAG));
    cipher.setAAD(Buffer.from(this.#cluster), { plaintextLength: body.length });
    const plain = Buffer.concat([cipher.update(body), cipher.final()]);
    return { kind: plain[0] as number, content: Uint8Array.from(plain.subarray(1)) };
  }
}

function nonce(counter: number): Buffer {
  const out = Buffer.alloc(12);
  out.writeUIntBE(counter, 6, 6);
  return out;
}
