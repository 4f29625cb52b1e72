/**
 * A record, in words: 0 units of its block << 16 | key length; 1 flags and value length; 2, 3 hybrid logical clock;
 * 4, 5 dot (counter's lower 32 bits; actor << 16 | counter's upper bits); then the expiry if it has one (ms, lower and upper
 * 32 bits), the key, the value.
 */
/** Word 0: the length of the key. */
export const KEY_LENGTH_MASK = 0xffff;
/** Bytes before the expiry (8 more when it has one) and the key. */
export const HEADER_BYTES = 24;
export const EXPIRY_BYTES = 8;
/** Word 1: the length of the value in 20 bits, and flags. */
export const LENGTH_MASK = 0xfffff;
export const EXPIRES = 1 << 20;
/** Key and value are in the table's externals, whose number is where the key would be. */
export const EXTERNAL = 1 << 21;
export const EXTERNAL_KEY = 0xffff;
/** What level/ remembers of a record that is a copy of one on disk: it was used lately; the number, in 7 bits, of the write that it is in. */
export const USED = 1 << 22;
export const WRITE_SHIFT = 24;
export const WRITES = 128;
