/** Checks on decoded msgpack values. Each takes `unknown` and tells what it is; nothing here throws. */
import { type Address, LIMITS, type NodeId, nodeIdFromBytes, splitAddress } from '../base/index.ts';

export const isList = (value: unknown): value is unknown[] => Array.isArray(value);

export const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

/** A whole number in [0, max]. */
export const isCount = (value: unknown, max: number = Number.MAX_SAFE_INTEGER): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;

export const isPosition = (value: unknown): value is number => isCount(value, 0xffffffff);

export function asNodeId(value: unknown): NodeId | null {
  return isBytes(value) && value.length === 8 ? nodeIdFromBytes(value) : null;
}

export function asAddress(value: unknown): Address | null {
  if (typeof value !== 'string') return null;
  const parts = splitAddress(value);
  return parts === null || parts.host === '' || parts.port === 0 ? null : (value as Address);
}

/** Text without control characters, at most `maxBytes` UTF-16 units long. */
export const isText = (value: unknown, max: number): value is string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is kept out
  typeof value === 'string' && value.length <= max && !/[\u0000-\u001f\u007f]/.test(value);

/** A small map of short texts, or null. */
export function asTags(value: unknown): Record<string, string> | null {
  return asSmallMap(value, (v): v is string => isText(v, LIMITS.tagBytes));
}

/** A small map of finite numbers, or null. */
export function asFigures(value: unknown): Record<string, number> | null {
  return asSmallMap(value, (v): v is number => typeof v === 'number' && Number.isFinite(v));
}

function asSmallMap<T>(value: unknown, ok: (v: unknown) => v is T): Record<string, T> | null {
  if (typeof value !== 'object' || value === null || isList(value) || isBytes(value)) return null;
  const entries = Object.entries(value);
  if (entries.length > LIMITS.tags) return null;
  const out: Record<string, T> = {};
  for (const [key, v] of entries) {
    // The decoder refuses this key, and it could not be passed on.
    if (key === '__proto__' || !isText(key, LIMITS.tagBytes) || !ok(v)) return null;
    out[key] = v;
  }
  return out;
}
