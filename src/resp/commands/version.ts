/** Clients look at it to know what they may use: shoal has commands of 7.0, and some of 7.2. */
export const REDIS_VERSION = '7.2.0';
