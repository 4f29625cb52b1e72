import type { Command } from '../command.ts';
import { BIT_COMMANDS } from './bits.ts';
import { CONNECTION_COMMANDS } from './connection.ts';
import { EXPIRY_COMMANDS } from './expiry.ts';
import { GENERIC_COMMANDS } from './generic.ts';
import { LCS_COMMANDS } from './lcs.ts';
import { NUMBER_COMMANDS } from './numbers.ts';
import { OBJECT_COMMANDS } from './object.ts';
import { SCAN_COMMANDS } from './scan.ts';
import { STRING_COMMANDS } from './strings.ts';

/** Every command there is: each group's file exports one list, and has its line here. */
export const COMMANDS: readonly Command[] = [
  ...STRING_COMMANDS,
  ...NUMBER_COMMANDS,
  ...LCS_COMMANDS,
  ...BIT_COMMANDS,
  ...GENERIC_COMMANDS,
  ...EXPIRY_COMMANDS,
  ...SCAN_COMMANDS,
  ...OBJECT_COMMANDS,
  ...CONNECTION_COMMANDS,
];
