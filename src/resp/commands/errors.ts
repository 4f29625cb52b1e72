/** Errors that several commands give, as Redis 7.0 words them. */
export const SYNTAX = 'ERR syntax error';
export const NOT_INTEGER = 'ERR value is not an integer or out of range';
export const NOT_FLOAT = 'ERR value is not a valid float';
export const NO_SUCH_KEY = 'ERR no such key';
export const SAME_OBJECT = 'ERR source and destination objects are the same';
export const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
export const OFFSET_RANGE = 'ERR offset is out of range';
export const WOULD_OVERFLOW = 'ERR increment or decrement would overflow';
export const BIT_OFFSET = 'ERR bit offset is not an integer or out of range';
export const BIT_VALUE = 'ERR bit is not an integer or out of range';

export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

/** Of a subcommand that is there, but not with so many arguments. */
export function badSubcommand(container: string, given: string): string {
  return `ERR unknown subcommand or wrong number of arguments for '${given.slice(0, 128)}'. Try ${container} HELP.`;
}

export function badExpiry(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}

/** In the place of a command that MULTI queued. */
export const TAKES_TOO_LONG = 'ERR this takes too long within a transaction: run it by itself';
