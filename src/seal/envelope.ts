import { createCipheriv, createDecipheriv } from 'node:crypto';
import { utf8 } from '../base/index.ts';
import { KEY_ID_BYTES } from './key.ts';

/** First byte of everything sealed; an unsealed message's is 1 (wire/message.ts). */
export const SEALED = 0x81;
export const SALT_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const ALGORITHM = 'chacha20-poly1305';

/** version, key id, boot salt, counter, mix. The nonce is the last 12 bytes: two of the salt, counter, mix. */
const SALT_AT = 1 + KEY_ID_BYTES;
const COUNTER_AT = SALT_AT + SALT_BYTES;
const MIX_AT = COUNTER_AT + 6;
export const HEADER_BYTES = MIX_AT + 4;
/** Inside the seal, in front of the content: its kind, the digest of the sender's ring, the sender's clock. */
export const INNER_BYTES = 9;
/** What sealing adds to a message in a datagram. */
export const OVERHEAD_BYTES = HEADER_BYTES + INNER_BYTES + TAG_BYTES;
export const MIN_DATAGRAM_BYTES = OVERHEAD_BYTES;

/** What follows the inner header. Append only. */
export const CONTENT = { message: 0, ring: 1, challenge: 2, proof: 3 } as const;

export interface Header {
  readonly keyId: string;
  /** The boot salt as text: a key for maps. */
  readonly boot: string;
  readonly counter: number;
}

export interface Opened {
  readonly kind: number;
  readonly ringDigest: number;
  /** The sender's clock: see freshness.ts. */
  readonly stamp: number;
  readonly content: Uint8Array;
}

export function readHeader(bytes: Uint8Array): Header {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  return {
    keyId: data.toString('hex', 1, SALT_AT),
    boot: data.toString('latin1', SALT_AT, COUNTER_AT),
    counter: data.readUIntBE(COUNTER_AT, 6),
  };
}

/** Seals and opens single datagrams of one cluster, with keys that belong to one boot of their sender. */
export class Envelope {
  /** Header, then the cluster's name: what the tag covers beside the content. */
  readonly #associated: Buffer;

  constructor(cluster: string) {
    const name = utf8(cluster);
    this.#associated = Buffer.alloc(HEADER_BYTES + name.length);
    this.#associated.set(name, HEADER_BYTES);
  }

  /** `subkey` is derived from the named key and the salt; one counter is used once with it. */
  seal(
    subkey: Uint8Array,
    head: { keyId: string; salt: Uint8Array; counter: number; mix: number },
    inner: Opened,
  ): Uint8Array {
    const plain = Buffer.allocUnsafe(INNER_BYTES + inner.content.length);
    plain[0] = inner.kind;
    plain.writeUInt32BE(inner.ringDigest, 1);
    plain.writeUInt32BE(inner.stamp, 5);
    plain.set(inner.content, INNER_BYTES);
    // Not from the pool: what is sent later must not be written over, and is the socket's to keep.
    const out = Buffer.from(new ArrayBuffer(HEADER_BYTES + plain.length + TAG_BYTES));
    out[0] = SEALED;
    out.write(head.keyId, 1, 'hex');
    out.set(head.salt, SALT_AT);
    out.writeUIntBE(head.counter, COUNTER_AT, 6);
    out.writeUInt32BE(head.mix, MIX_AT);
    this.#associated.set(out.subarray(0, HEADER_BYTES));
    const nonce = out.subarray(HEADER_BYTES - NONCE_BYTES, HEADER_BYTES);
    const cipher = createCipheriv(ALGORITHM, subkey, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#associated, { plaintextLength: plain.length });
    out.set(cipher.update(plain), HEADER_BYTES);
    cipher.final();
    out.set(cipher.getAuthTag(), HEADER_BYTES + plain.length);
    return asPlain(out);
  }

  /** Null when the tag is not good. The length was checked. */
  open(subkey: Uint8Array, bytes: Uint8Array): Opened | null {
    const end = bytes.length - TAG_BYTES;
    this.#associated.set(bytes.subarray(0, HEADER_BYTES));
    const nonce = bytes.subarray(HEADER_BYTES - NONCE_BYTES, HEADER_BYTES);
    const plain = decrypt(
      subkey,
      nonce,
      this.#associated,
      bytes.subarray(HEADER_BYTES, end),
      bytes.subarray(end),
    );
    if (plain === null) return null;
    const kind = plain[0] as number;
    const [ringDigest, stamp] = [plain.readUInt32BE(1), plain.readUInt32BE(5)];
    return { kind, ringDigest, stamp, content: asPlain(plain.subarray(INNER_BYTES)) };
  }
}

/** One direction of a stream: frames in order, each with the next counter as its nonce. */
export class FrameCipher {
  readonly #key: Uint8Array;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  readonly #associated: Uint8Array;
  #counter = 0;

  constructor(key: Uint8Array, cluster: string) {
    this.#key = key;
    this.#associated = utf8(cluster);
  }

  seal(kind: number, content: Uint8Array): Uint8Array {
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#next(), { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#associated, { plaintextLength: content.length + 1 });
    const out = Buffer.from(new ArrayBuffer(1 + content.length + TAG_BYTES));
    out.set(cipher.update(Uint8Array.of(kind)));
    out.set(cipher.update(content), 1);
    cipher.final();
    out.set(cipher.getAuthTag(), 1 + content.length);
    return asPlain(out);
  }

  open(frame: Uint8Array): { kind: number; content: Uint8Array } | null {
    const end = frame.length - TAG_BYTES;
    if (end < 1) return null;
    const nonce = this.#next();
    const plain = decrypt(this.#key, nonce, this.#associated, frame.subarray(0, end), frame.subarray(end));
    return plain === null ? null : { kind: plain[0] as number, content: asPlain(plain.subarray(1)) };
  }

  #next(): Buffer {
    this.#nonce.writeUIntBE(++this.#counter, NONCE_BYTES - 6, 6);
    return this.#nonce;
  }
}

/** What sealing adds to a frame. */
export const FRAME_OVERHEAD_BYTES = 1 + TAG_BYTES;

function decrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  body: Uint8Array,
  tag: Uint8Array,
): Buffer | null {
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(tag);
  decipher.setAAD(associated, { plaintextLength: body.length });
  const plain = decipher.update(body);
  try {
    decipher.final();
  } catch {
    return null;
  }
  return plain;
}

/** Not a Buffer, whose `slice` does not copy. */
function asPlain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
