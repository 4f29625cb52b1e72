import { levelInName } from '../ack-level.ts';
import type { Client } from '../client.ts';

export const BAD_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.';
export const MAX_NAME_BYTES = 256;
const LONG_NAME = `ERR Client names have at most ${MAX_NAME_BYTES} bytes`;
/** Users whose name is a level, `ack-2m1d`, are the default one with that level. */
export const LEVEL_USER = 'ack-';
const BAD_LEVEL = 'ERR no level of acknowledgement: write ;ack=1m1d, with numbers, q or all';

/** Checks and takes a client's name, with the level it may ask for. The fault, or null. */
export function takeName(client: Client, name: string): string | null {
  if (/[^!-~]/.test(name)) return BAD_NAME;
  if (name.length > MAX_NAME_BYTES) return LONG_NAME;
  const level = levelInName(name);
  if (level === undefined) return BAD_LEVEL;
  client.name = name;
  if (level !== null) client.useLevel(level);
  return null;
}
