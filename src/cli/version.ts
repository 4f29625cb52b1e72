/** Replaced by the build (esbuild.config.mjs); absent under vitest. */
declare const SHOAL_VERSION: string;

export const VERSION = typeof SHOAL_VERSION === 'string' ? SHOAL_VERSION : '0.0.0-dev';

/** Of the messages between nodes: raised when an older node could not understand a newer one. */
export const PROTOCOL_VERSION = 1;
