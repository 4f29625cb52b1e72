declare const SHOAL_VERSION: string | undefined;

/** Written in by the build; sources run as they are (tests) have none. */
export const VERSION: string = typeof SHOAL_VERSION === 'string' ? SHOAL_VERSION : '0.0.0';
