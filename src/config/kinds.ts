/**
 * The kinds of value a setting can have: how each is read from text (a flag, an environment variable) and from a TOML
 * value. A kind throws a ShoalError whose message names neither the setting nor the source: the caller adds both.
 */
import { type Address, joinAddress, LIMITS, ShoalError, splitAddress, utf8 } from '../base/index.ts';
import { EVENT_NAMES, type HookSetting, type RangeSetting } from './agent-config.ts';
import { clip, parseEnds } from './position.ts';

export interface Kind<T> {
  /** Reads one text, or of a repeatable setting as many as were given. */
  fromTexts(texts: readonly string[]): T;
  fromToml(value: unknown): T;
}

export function reject(message: string): ShoalError {
  return new ShoalError('bad-setting', message);
}

/** One piece of text. The last one counts when a flag is repeated, as usual. */
function scalar<T>(read: (text: string) => T, expected: string): Kind<T> {
  return {
    fromTexts: (texts) => read(texts[texts.length - 1] ?? ''),
    fromToml: (value) => {
      if (typeof value !== 'string') throw wrongType(expected, value);
      return read(value);
    },
  };
}

function list<T>(
  read: (text: string) => T,
  max: number,
  expected: string,
  key: (item: T) => string,
): Kind<T[]> {
  const readAll = (texts: readonly string[]): T[] => {
    if (texts.length > max) throw reject(`${texts.length} values are too many: at most ${max}`);
    const items = texts.map(read);
    const seen = new Set<string>();
    for (const item of items) {
      if (seen.has(key(item))) throw reject(`${key(item)} is given twice; keep one`);
      seen.add(key(item));
    }
    return items;
  };
  return {
    fromTexts: readAll,
    fromToml: (value) => {
      const values: unknown[] = Array.isArray(value) ? value : [value];
      for (const v of values) if (typeof v !== 'string') throw wrongType(expected, v);
      return readAll(values as string[]);
    },
  };
}

export function wrongType(expected: string, value: unknown): ShoalError {
  return reject(`expected ${expected}, got ${typeName(value)}`);
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'string') return `the string '${clip(value)}'`;
  if (typeof value === 'object') return 'a table';
  return `the ${typeof value} ${clip(String(value))}`;
}

/** A node or cluster name: it becomes a directory name and stands in one-line listings. */
export const nameKind: Kind<string> = scalar((text) => {
  const bytes = utf8(text).length;
  if (bytes === 0) throw reject(`a name may not be empty`);
  if (bytes > LIMITS.nameBytes)
    throw reject(`a name has at most ${LIMITS.nameBytes} bytes, this one ${bytes}`);
  if (/[\p{Cc}\p{Cs}\p{Zs}\p{Zl}\p{Zp}/\\]/u.test(text) || text === '.' || text === '..') {
    throw reject(`'${clip(text)}' is not a name: no spaces, slashes or control characters`);
  }
  return text;
}, 'a string');

export const textKind: Kind<string> = scalar((text) => {
  if (text === '' || /[\p{Cc}\s]/u.test(text))
    throw reject(`'${clip(text)}' will not do: no spaces, not empty`);
  return text;
}, 'a string');

export const pathKind: Kind<string> = scalar((text) => {
  if (text === '' || text.includes('\0')) throw reject('a path may not be empty');
  return text;
}, 'a path (a string)');

/** Where Linux keeps the path of a Unix socket: 108 bytes with the zero at the end. */
const SOCKET_PATH_BYTES = 107;

export function checkSocketPath(path: string): string {
  const bytes = utf8(path).length;
  if (bytes > SOCKET_PATH_BYTES) {
    throw reject(
      `'${clip(path)}' has ${bytes} bytes; a Unix socket's path has at most ${SOCKET_PATH_BYTES}: give a shorter --socket`,
    );
  }
  return path;
}

export const socketPathKind: Kind<string> = scalar(
  (text) => checkSocketPath(pathKind.fromTexts([text])),
  'a path (a string)',
);

/** An address to listen on. An empty host means every interface; port 0 means a free one. */
export const listenKind: Kind<Address> = scalar((text) => {
  const { host, port } = hostPort(text);
  return joinAddress(host === '' ? '0.0.0.0' : host, port);
}, 'an address (a string, HOST:PORT)');

/** An address that others connect to. */
function contact(text: string): Address {
  const { host, port } = hostPort(text);
  if (host === '' || host === '0.0.0.0' || host === '::') {
    throw reject(`'${clip(text)}' names no host that a peer could reach`);
  }
  if (port === 0) throw reject(`'${clip(text)}': port 0 cannot be reached; write the real port`);
  return joinAddress(host, port);
}

export const contactKind: Kind<Address> = scalar(contact, 'an address (a string, HOST:PORT)');
export const contactsKind: Kind<Address[]> = list(
  contact,
  LIMITS.joinAddresses,
  'a list of addresses (strings, HOST:PORT)',
  (address) => address,
);

export const groupKind: Kind<Address> = scalar((text) => {
  const { host, port } = hostPort(text);
  const first = /^(2[0-9]{2})(\.[0-9]{1,3}){3}$/.exec(host)?.[1];
  if (first === undefined || Number(first) < 224 || Number(first) > 239) {
    throw reject(`'${clip(text)}' is not an IPv4 multicast group: 224.0.0.0 to 239.255.255.255`);
  }
  if (port === 0) throw reject('a multicast group needs a port of its own: every node must use the same one');
  return joinAddress(host, port);
}, 'a multicast group (a string, HOST:PORT)');

function hostPort(text: string): { host: string; port: number } {
  const parts = splitAddress(text);
  if (parts === null) throw reject(`'${clip(text)}' is not an address: write HOST:PORT`);
  return parts;
}

export function wholeKind(min: number, max: number): Kind<number> {
  const check = (value: number, shown: string): number => {
    if (!Number.isInteger(value) || value < min || value > max) {
      throw reject(`'${clip(shown)}' will not do: write a whole number from ${min} to ${max}`);
    }
    return value;
  };
  return {
    fromTexts: (texts) => {
      const text = texts[texts.length - 1] ?? '';
      return check(/^-?[0-9]{1,16}$/.test(text) ? Number(text) : NaN, text);
    },
    fromToml: (value) => {
      if (typeof value !== 'number') throw wrongType('a whole number', value);
      return check(value, String(value));
    },
  };
}

/** A number that may have a fraction. */
export function numberKind(min: number, max: number): Kind<number> {
  const check = (value: number, shown: string): number => {
    if (!(value >= min && value <= max)) {
      throw reject(`'${clip(shown)}' will not do: write a number from ${min} to ${max}`);
    }
    return value;
  };
  return {
    fromTexts: (texts) => {
      const text = texts[texts.length - 1] ?? '';
      return check(/^[0-9]{1,16}(\.[0-9]{1,16})?$/.test(text) ? Number(text) : NaN, text);
    },
    fromToml: (value) => {
      if (typeof value !== 'number') throw wrongType('a number', value);
      return check(value, String(value));
    },
  };
}

const TRUE = new Set(['true', '1', 'yes', 'on']);
const FALSE = new Set(['false', '0', 'no', 'off']);

export const booleanKind: Kind<boolean> = {
  fromTexts: (texts) => {
    const text = (texts[texts.length - 1] ?? '').toLowerCase();
    if (TRUE.has(text)) return true;
    if (FALSE.has(text)) return false;
    throw reject(`'${clip(text)}' is neither true nor false`);
  },
  fromToml: (value) => {
    if (typeof value !== 'boolean') throw wrongType('true or false', value);
    return value;
  },
};

export function choiceKind<const C extends readonly string[]>(choices: C): Kind<C[number]> {
  return scalar((text) => {
    if (!choices.includes(text)) throw reject(`'${clip(text)}' will not do: one of ${choices.join(', ')}`);
    return text as C[number];
  }, 'a string');
}

/** An ack level, `<m>m<d>d`: owners that hold a write in memory, and on disk; q: a majority, all: all. */
export const acksKind: Kind<string> = scalar((text) => {
  const found = /^([1-9][0-9]{0,2}|q|all)m([0-9]{1,3}|q|all)d$/.exec(text);
  if (
    found === null ||
    Number(found[1]) > 255 ||
    Number(found[2]) > 255 ||
    Number(found[2]) > Number(found[1])
  ) {
    throw reject(
      `'${clip(text)}' is not an ack level: write like 1m0d, 1m1d, qm1d; no more on disk than in memory`,
    );
  }
  return text;
}, 'an ack level (a string)');

const POSITION = '(slot:[0-9]+|0x[0-9a-f]+|[0-9]+)';
const RANGE = new RegExp(`^${POSITION}-${POSITION}(?::([0-9]{1,16}))?$`, 'i');

function range(text: string): RangeSetting {
  const match = RANGE.exec(text);
  if (match === null) {
    throw reject(`'${clip(text)}' is not a range: write START-END[:PRIORITY], like 0-0x7fffffff:2`);
  }
  const ends = parseEnds(match[1] ?? '', match[2] ?? '');
  const priority = match[3] === undefined ? 1 : Number(match[3]);
  if (priority < 1 || priority > LIMITS.priority) {
    throw reject(`priority ${match[3]} will not do: write a whole number from 1 to ${LIMITS.priority}`);
  }
  return { ...ends, priority };
}

/** More would not be typed by hand, and each costs a journal record at start. */
const MAX_RANGES = 1024;

export const rangesKind: Kind<RangeSetting[]> = list(
  range,
  MAX_RANGES,
  'a list of ranges (strings, START-END[:PRIORITY])',
  (item) => `range ${item.start}-${item.end}`,
);

/** `TYPE=SCRIPT`, or a script for every type; a path with a = in it is written with its directory. */
function hook(text: string): HookSetting {
  const equals = text.indexOf('=');
  const head = text.slice(0, Math.max(0, equals));
  if (equals < 0 || head.includes('/')) return { type: null, script: pathKind.fromTexts([text]) };
  return checkHook(head, text.slice(equals + 1));
}

function checkHook(type: string, script: string): HookSetting {
  if (!EVENT_NAMES.some((known) => known === type)) {
    throw reject(`there is no event '${clip(type)}': one of ${EVENT_NAMES.join(', ')}`);
  }
  return { type, script: pathKind.fromTexts([script]) };
}

/** Each is a process now and then, and a queue. */
const MAX_HOOKS = 64;

const hookList: Kind<HookSetting[]> = list(
  hook,
  MAX_HOOKS,
  'a script (a string, [TYPE=]SCRIPT), a list of them, or a table of scripts by type',
  ({ type, script }) => `${type === null ? '' : `${type}=`}${script}`,
);

export const hooksKind: Kind<HookSetting[]> = {
  fromTexts: hookList.fromTexts,
  fromToml: (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
      return hookList.fromToml(value);
    }
    const hooks: string[] = [];
    for (const [type, scripts] of Object.entries(value)) {
      for (const script of Array.isArray(scripts) ? scripts : [scripts]) {
        if (typeof script !== 'string')
          throw wrongType(`a path or a list of paths for '${clip(type)}'`, script);
        checkHook(type, script);
        hooks.push(`${type}=${script}`);
      }
    }
    return hookList.fromTexts(hooks);
  },
};

interface Tag {
  readonly key: string;
  readonly value: string;
}

function tag(text: string): Tag {
  const equals = text.indexOf('=');
  if (equals < 1) throw reject(`'${clip(text)}' is not a tag: write KEY=VALUE`);
  return checkTag(text.slice(0, equals), text.slice(equals + 1));
}

function checkTag(key: string, value: string): Tag {
  if (key === '') throw reject('a tag needs a key');
  if (/[\p{Cc}\s=,]/u.test(key) || /\p{Cc}/u.test(value)) {
    throw reject(
      `'${clip(key)}=${clip(value)}' is not a tag: no control characters, and no space, comma or = in the key`,
    );
  }
  // What msgpack does not read back as it was written: the state on disk would be lost with it.
  if (key === '__proto__') throw reject("'__proto__' cannot be the key of a tag: choose another");
  if (/\p{Cs}/u.test(key + value)) throw reject(`tag '${clip(key)}' is not text: half of a surrogate pair`);
  if (utf8(key).length > LIMITS.tagBytes || utf8(value).length > LIMITS.tagBytes) {
    throw reject(`tag '${clip(key)}' is too long: key and value have at most ${LIMITS.tagBytes} bytes each`);
  }
  return { key, value };
}

const tagList: Kind<Tag[]> = list(
  tag,
  LIMITS.tags,
  'tags (strings, KEY=VALUE) or a table of strings',
  (item) => `tag ${item.key}`,
);

export const tagsKind: Kind<Readonly<Record<string, string>>> = {
  fromTexts: (texts) => toRecord(tagList.fromTexts(texts)),
  fromToml: (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
      return toRecord(tagList.fromToml(value));
    }
    const tags = Object.entries(value).map(([key, v]) => {
      if (typeof v !== 'string') throw wrongType(`a string for the tag '${clip(key)}'`, v);
      return checkTag(key, v);
    });
    if (tags.length > LIMITS.tags) throw reject(`${tags.length} tags are too many: at most ${LIMITS.tags}`);
    return toRecord(tags);
  },
};

function toRecord(tags: readonly Tag[]): Readonly<Record<string, string>> {
  return Object.fromEntries(tags.map(({ key, value }) => [key, value]));
}
