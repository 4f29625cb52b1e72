import { assert } from '../base/index.ts';
import type { Call } from './call.ts';
import { Histogram } from './latency.ts';

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
  | 'skip_monitor'
  | 'skip_slowlog'
  | 'asking'
  | 'fast'
  | 'no_auth'
  | 'no_multi'
  | 'movablekeys'
  | 'allow_busy'
  | 'no_async_loading'
  | 'no_mandatory_keys';

/** What a command does to a key, as a key specification says it. */
export type KeyFlag =
  | 'RW'
  | 'RO'
  | 'OW'
  | 'RM'
  | 'access'
  | 'update'
  | 'insert'
  | 'delete'
  | 'not_key'
  | 'incomplete'
  | 'variable_flags';

/** Where a command's keys are: the first, the last (negative: from the end), and the step between them. */
export interface KeyRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
  /** For the key specification; left out, what follows from `write` and `readonly`. */
  readonly flags?: readonly KeyFlag[];
}

/** One command: everything that is known of it is here, and `COMMAND` shows no more than this. */
export interface Command {
  /** Lower case; of a subcommand without its container's. */
  readonly name: string;
  /** As Redis counts: with the name (and the container's); negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly keys: KeyRange | null;
  /** Further ranges of keys, for those that have several kinds (COPY's source and destination). */
  readonly moreKeys?: readonly KeyRange[];
  /** The group, as on redis.io: `string`, `generic`, `connection`, ... */
  readonly group: string;
  /** Redis version that brought it; `shoal` for our own. */
  readonly since: string;
  readonly summary: string;
  readonly complexity?: string;
  /** ACL categories besides those that follow from flags and group, without the `@`. */
  readonly categories?: readonly string[];
  /** Tips to clients, as Redis has them. */
  readonly tips?: readonly string[];
  /** It takes `ACKS m d [ms]` at its end; left out: writes of a fixed number of arguments do. */
  readonly acks?: boolean;
  /** Of a container: what answers when it is called with no subcommand (which its arity should forbid). */
  readonly run: (call: Call) => void;
  readonly subcommands?: readonly Command[];
}

/** A command as the dispatcher holds it: all of one shape, with what it looks at first. */
export class Known {
  readonly bytes: Uint8Array;
  /** With the container's: `client|list`. */
  readonly name: string;
  readonly arity: number;
  /** Argument 1 is a key. */
  readonly keyFirst: boolean;
  /** It has exactly one key, argument 1. */
  readonly oneKey: boolean;
  readonly hasKeys: boolean;
  readonly run: (call: Call) => void;
  readonly command: Command;
  readonly subcommands: CommandTable | null;
  readonly isWrite: boolean;
  readonly deniesOom: boolean;
  /** From so many arguments on it may end with `ACKS m d [ms]`. */
  readonly acksFrom: number;
  /** Its arguments behind the key may be ropes: see LargeRequest. */
  readonly takesRopes: boolean;
  /** May take long: its time is measured. The others work on one key and do not. */
  readonly timed: boolean;
  calls = 0;
  usec = 0;
  rejected = 0;
  failed = 0;
  histogram: Histogram | null = null;

  constructor(command: Command, container: string) {
    this.bytes = new TextEncoder().encode(command.name);
    this.name = container === '' ? command.name : `${container}|${command.name}`;
    this.arity = command.arity;
    this.keyFirst = command.keys?.first === 1;
    this.oneKey = this.keyFirst && command.keys?.last === 1 && command.moreKeys === undefined;
    this.hasKeys = command.keys !== null;
    this.run = command.run;
    this.command = command;
    this.subcommands =
      command.subcommands === undefined ? null : new CommandTable(command.subcommands, this.name);
    this.isWrite = command.flags.includes('write');
    this.deniesOom = command.flags.includes('denyoom');
    const acks = command.acks ?? (this.isWrite && command.arity > 0);
    this.acksFrom = acks ? Math.abs(command.arity) + 3 : Number.MAX_SAFE_INTEGER;
    this.takesRopes = this.oneKey && command.group === 'string';
    this.timed = !command.flags.includes('fast') && !this.takesRopes;
  }

  reset(): void {
    this.calls = 0;
    this.usec = 0;
    this.rejected = 0;
    this.failed = 0;
    this.histogram = null;
  }

  took(usec: number): void {
    this.usec += usec;
    this.histogram ??= new Histogram();
    this.histogram.add(usec);
  }

  /** Which of `count` arguments are keys. */
  keysOf(count: number): number[] {
    const { keys, moreKeys = [] } = this.command;
    if (keys === null) return [];
    const places = keyPlaces(keys, count);
    for (const range of moreKeys) places.push(...keyPlaces(range, count));
    return places;
  }

  has(flag: CommandFlag): boolean {
    return this.command.flags.includes(flag);
  }
}

/** Longest name that is looked for. */
const MAX_NAME_BYTES = 32;

/** Finds commands by the bytes of their names, upper or lower case, without making strings. */
export class CommandTable {
  readonly all: readonly Known[];
  readonly #mask: number;
  readonly #places: (Known | undefined)[];

  constructor(commands: readonly Command[], container = '') {
    this.all = commands.map((command) => new Known(command, container));
    const size = 1 << (32 - Math.clz32(commands.length * 4));
    this.#mask = size - 1;
    this.#places = new Array<Known | undefined>(size).fill(undefined);
    for (const known of this.all) {
      assert(
        this.find(known.bytes, 0, known.bytes.length) === undefined,
        `'${known.name}' is in the table once`,
      );
      let place = hashOf(known.bytes, 0, known.bytes.length) & this.#mask;
      while (this.#places[place] !== undefined) place = (place + 1) & this.#mask;
      this.#places[place] = known;
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

  /** By name; of a subcommand as `client|list`. */
  named(name: string): Known | undefined {
    const bar = name.indexOf('|');
    const first = new TextEncoder().encode(bar < 0 ? name : name.slice(0, bar));
    const known = this.find(first, 0, first.length);
    return bar < 0 ? known : known?.subcommands?.named(name.slice(bar + 1));
  }

  /** All of them, containers before their subcommands. */
  *every(): Generator<Known> {
    for (const known of this.all) {
      yield known;
      if (known.subcommands !== null) yield* known.subcommands.every();
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

/** Which arguments of `count` a range of keys means. */
export function keyPlaces(keys: KeyRange, count: number): number[] {
  const last = keys.last < 0 ? count + keys.last : keys.last;
  const places: number[] = [];
  for (let i = keys.first; i <= last && i < count; i += keys.step) places.push(i);
  return places;
}
