/**
 * The part of msgpack that protocol 1 uses, written out once more: what an old node speaks must not change because a
 * library or a helper of today does. Imports nothing. Not for hostile bytes.
 */
export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };

export function pack(value: Value): Uint8Array {
  const out: number[] = [];
  write(value, out);
  return Uint8Array.from(out);
}

function write(value: Value, out: number[]): void {
  if (value === null) out.push(0xc0);
  else if (typeof value === 'boolean') out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === 'number') writeNumber(value, out);
  else if (typeof value === 'string') {
    const bytes = new TextEncoder().encode(value);
    if (bytes.length < 32) out.push(0xa0 | bytes.length);
    else head(out, bytes.length, [0xd9, 0xda, 0xdb]);
    out.push(...bytes);
  } else if (value instanceof Uint8Array) {
    head(out, value.length, [0xc4, 0xc5, 0xc6]);
    for (const byte of value) out.push(byte);
  } else if (Array.isArray(value)) {
    if (value.length < 16) out.push(0x90 | value.length);
    else head(out, value.length, [null, 0xdc, 0xdd]);
    for (const item of value) write(item, out);
  } else {
    const entries = Object.entries(value);
    out.push(0x80 | entries.length);
    for (const [key, item] of entries) {
      write(key, out);
      write(item, out);
    }
  }
}

/** A length in 1, 2 or 4 bytes, behind the code for that many; null: there is no such code. */
function head(out: number[], length: number, codes: readonly (number | null)[]): void {
  const size = length < 256 && codes[0] !== null ? 0 : length < 65536 ? 1 : 2;
  out.push(codes[size] as number);
  for (let byte = (1 << size) - 1; byte >= 0; byte--) out.push((length >>> (8 * byte)) & 255);
}

function writeNumber(value: number, out: number[]): void {
  if (!Number.isInteger(value) || value < 0) {
    const data = new DataView(new ArrayBuffer(8));
    data.setFloat64(0, value);
    out.push(0xcb);
    for (let at = 0; at < 8; at++) out.push(data.getUint8(at));
  } else if (value < 128) out.push(value);
  else if (value < 2 ** 32) head(out, value, [0xcc, 0xcd, 0xce]);
  else {
    out.push(0xcf);
    for (let byte = 7; byte >= 0; byte--) out.push(Math.floor(value / 2 ** (8 * byte)) % 256);
  }
}

export function unpack(bytes: Uint8Array): Value {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new Error('bytes behind the value');
  return value;
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  value(): Value {
    const code = this.#number(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.#map(code & 15);
    if (code < 0xa0) return this.#list(code & 15);
    if (code < 0xc0) return this.#text(code & 31);
    if (code >= 0xe0) return code - 256;
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return code === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#raw(this.#number(1 << (code - 0xc4)));
      case 0xcb:
        return this.#float();
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#number(1 << (code - 0xcc));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#number(1 << (code - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#number(2 << (code - 0xdc)));
    }
    throw new Error(`protocol 1 has no code 0x${code.toString(16)}`);
  }

  #number(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + (this.#bytes[this.at++] ?? Number.NaN);
    return value;
  }

  #float(): number {
    const raw = this.#raw(8);
    return new DataView(raw.buffer).getFloat64(0);
  }

  #raw(length: number): Uint8Array {
    this.at += length;
    return this.#bytes.slice(this.at - length, this.at);
  }

  #text(length: number): string {
    return new TextDecoder().decode(this.#raw(length));
  }

  #list(length: number): Value[] {
    return Array.from({ length }, () => this.value());
  }

  #map(length: number): Record<string, Value> {
    const out: Record<string, Value> = {};
    for (let i = 0; i < length; i++) {
      const key = this.value() as string;
      out[key] = this.value();
    }
    return out;
  }
}
