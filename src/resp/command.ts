import type { Call } from './call.ts';

/** As `COMMAND INFO` shows them. */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'blocking'
  | 'loading'
  | 'stale'
  | 'fast'
  | 'no_auth'
  | 'no_multi'
  | 'movablekeys'
  | 'allow_busy';

/** Where a command's keys are: the first, the last (negative: from the end), and the step between them. */
export interface KeyRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** One command: everything that is known of it is here, and `COMMAND` shows no more than this. */
export interface Command {
  /** Lower case. */
  readonly name: string;
  /** As Redis counts: with the name; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly keys: KeyRange | null;
  /** The group, as on redis.io: `string`, `generic`, `connection`, ... */
  readonly group: string;
  /** Redis version that brought it. */
  readonly since: string;
  readonly summary: string;
  readonly run: (call: Call) => void;
  readonly subcommands?: readonly Command[];
}

/** A command as the dispatcher holds it: all of one shape, with what it looks at first. */
export class Known {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly arity: number;
  /** Argument 1 is a key. */
  readonly keyFirst: boolean;
  readonly run: (call: Call) => void;
  readonly command: Command;

  constructor(command: Command, bytes: Uint8Array) {
    this.bytes = bytes;
    this.name = command.name;
    this.arity = command.arity;
    this.keyFirst = command.keys?.first === 1;
    this.run = command.run;
    this.command = command;
  }
}

/** Longest name that is looked for. */
const MAX_NAME_BYTES = 32;

/** Finds commands by the bytes of their names, upper or lower case, without making strings. */
export class CommandTable {
  readonly all: readonly Command[];
  readonly #mask: number;
  readonly #places: (Known | undefined)[];

  constructor(commands: readonly Command[]) {
    this.all = commands;
    const size = 1 << (32 - Math.clz32(commands.length * 4));
    this.#mask = size - 1;
    this.#places = new Array<Known | undefined>(size).fill(undefined);
    for (const command of commands) {
      const name = new TextEncoder().encode(command.name);
      let place = hashOf(name, 0, name.length) & this.#mask;
      while (this.#places[place] !== undefined) place = (place + 1) & this.#mask;
      this.#places[place] = new Known(command, name);
    }
  }

  find(bytes: Uint8Array, at: number, length: number): Known | undefined {
    if (length > MAX_NAME_BYTES) return undefined;
    let place = hashOf(bytes, at, length) & this.#mask;
    for (;;) {
      const entry = this.#places[place];
      if (entry === undefined) return undefined;
      if (isName(entry.bytes, bytes, at, length)) return entry;
      place = (place + 1) & this.#mask;
    }
  }
}

/** Blind to case, and to some characters that no name has. */
function hashOf(bytes: Uint8Array, at: number, length: number): number {
  let hash = length;
  for (let i = at; i < at + length; i++) hash = (Math.imul(hash, 31) + ((bytes[i] as number) | 0x20)) | 0;
  return hash ^ (hash >>> 7);
}

function isName(name: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const byte = bytes[at + i] as number;
    const lower = byte >= 65 && byte <= 90 ? byte | 0x20 : byte;
    if (lower !== name[i]) return false;
  }
  return true;
}
