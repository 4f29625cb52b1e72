import { ShoalError } from './errors.ts';

declare const brand: unique symbol;
/** A nominal type: only the parse functions of this file make one. */
export type Brand<T, B extends string> = T & { readonly [brand]: B };

/** 64 random bits made at a node's first start, written as 16 lower-case hex digits. Never reused for another node. */
export type NodeId = Brand<string, 'NodeId'>;

/** An address as people write it: `host:port`, IPv6 hosts in brackets. */
export type Address = Brand<string, 'Address'>;

const NODE_ID = /^[0-9a-f]{16}$/;

export function isNodeId(text: string): text is NodeId {
  return NODE_ID.test(text);
}

/** @throws ShoalError `bad-node-id` when the text is not 16 lower-case hex digits. */
export function parseNodeId(text: string): NodeId {
  if (!isNodeId(text))
    throw new ShoalError('bad-node-id', `'${text}' is not a node id: 16 hex digits`, 'node');
  return text;
}

const HEX: string[] = [];
for (let i = 0; i < 256; i++) HEX.push((i < 16 ? '0' : '') + i.toString(16));

/** Reads 8 bytes at `at`; the caller has checked that they are there. */
export function nodeIdFromBytes(bytes: Uint8Array, at = 0): NodeId {
  let text = '';
  for (let i = at; i < at + 8; i++) text += HEX[bytes[i] as number];
  return text as NodeId;
}

export function nodeIdToBytes(id: NodeId, out: Uint8Array = new Uint8Array(8), at = 0): Uint8Array {
  for (let i = 0; i < 8; i++)
    out[at + i] = (nibble(id.charCodeAt(2 * i)) << 4) | nibble(id.charCodeAt(2 * i + 1));
  return out;
}

function nibble(code: number): number {
  return code <= 57 ? code - 48 : code - 87;
}

/** Splits `host:port`; the host may be empty, a name, an IPv4 address or an IPv6 address in brackets. */
export function splitAddress(text: string): { host: string; port: number } | null {
  const colon = text.lastIndexOf(':');
  if (colon < 0 || text.length > 262) return null;
  const digits = text.slice(colon + 1);
  if (!/^[0-9]{1,5}$/.test(digits)) return null;
  const port = Number(digits);
  let host = text.slice(0, colon);
  if (host.startsWith('[') && host.endsWith(']')) host = host.slice(1, -1);
  else if (host.includes(':')) return null;
  if (port > 65535 || /[\s/]/.test(host)) return null;
  return { host, port };
}

/** @throws ShoalError `bad-address` naming `field` when the text is not `host:port`. */
export function parseAddress(text: string, field: string): Address {
  const parts = splitAddress(text);
  if (parts === null) {
    throw new ShoalError('bad-address', `${field}: '${text}' is not an address: write HOST:PORT`, field);
  }
  return joinAddress(parts.host, parts.port);
}

export function joinAddress(host: string, port: number): Address {
  return (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`) as Address;
}
