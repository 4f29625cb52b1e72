import { type Talk, talk } from './talks.ts';

/** What random commands once found, each as a conversation of a few words. */
export const PINNED: readonly Talk[] = [
  talk(
    'line ends at the end of a word that an error repeats',
    String.raw`EXPIREAT a 4102444800 "\n"`,
    String.raw`EXPIRE a 1 "x\r\n"`,
    String.raw`EXPIRE a 1 "\r\nx\n"`,
    String.raw`"what\n"`,
  ),
];
