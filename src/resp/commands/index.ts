import type { Command } from '../command.ts';
import { BIT_COMMANDS } from './bits.ts';
import { CLUSTER_COMMANDS } from './cluster.ts';
import { CONNECTION_COMMANDS } from './connection.ts';
import { DUMP_COMMANDS } from './dump.ts';
import { EXPIRY_COMMANDS } from './expiry.ts';
import { GENERIC_COMMANDS } from './generic.ts';
import { LCS_COMMANDS } from './lcs.ts';
import { LINK_COMMANDS } from './links.ts';
import { NUMBER_COMMANDS } from './numbers.ts';
import { OBJECT_COMMANDS } from './object.ts';
import { PUBSUB_COMMANDS } from './pubsub.ts';
import { SCAN_COMMANDS } from './scan.ts';
import { SCRIPTING_COMMANDS } from './scripting.ts';
import { SERVER_COMMANDS } from './server.ts';
import { STRING_COMMANDS } from './strings.ts';
import { TRANSACTION_COMMANDS } from './transactions.ts';

/** The commands that work on messages. */
export const DATA_COMMANDS: readonly Command[] = [
  ...STRING_COMMANDS,
  ...NUMBER_COMMANDS,
  ...LCS_COMMANDS,
  ...BIT_COMMANDS,
  ...GENERIC_COMMANDS,
  ...EXPIRY_COMMANDS,
  ...SCAN_COMMANDS,
  ...OBJECT_COMMANDS,
  ...DUMP_COMMANDS,
];

/**
 * Every command there is: each group's file exports one list, and has its line here. MEMORY is one of the server's, which take
 * the subcommands of object.ts in (introspection.ts).
 */
export const COMMANDS: readonly Command[] = [
  ...DATA_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...SERVER_COMMANDS,
  ...PUBSUB_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...SCRIPTING_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...LINK_COMMANDS,
];
