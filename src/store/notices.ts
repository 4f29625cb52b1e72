/** What a part of the store has to say to people; the daemon gives it to its log. */
export interface Notices {
  info(text: string): void;
  warn(text: string): void;
}

export const silent: Notices = { info: () => {}, warn: () => {} };
