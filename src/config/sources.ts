import { parse, TomlError } from 'smol-toml';
import { ShoalError } from '../base/index.ts';
import { wrongType } from './kinds.ts';
import { clip } from './position.ts';
import {
  flagOf,
  isSettingName,
  SETTING_NAMES,
  type SettingName,
  type SettingValue,
  settingOf,
  variableOf,
} from './settings.ts';
import { closest } from './suggest.ts';

/** Greater wins. */
export const LEVEL = { default: 0, file: 1, environment: 2, flag: 3 } as const;
export type Level = (typeof LEVEL)[keyof typeof LEVEL];

export interface Given<T> {
  readonly value: T;
  readonly level: Level;
  /** For messages: `flag --bind`, `environment variable SHOAL_BIND`, `/etc/shoal/shoal.toml:3`. */
  readonly origin: string;
}

/** Everything that was given, by setting; of one setting at most one per level. */
export class Sources {
  readonly #given = new Map<SettingName, Given<unknown>[]>();

  add(name: SettingName, value: unknown, level: Level, origin: string): void {
    const list = this.#given.get(name);
    if (list === undefined) this.#given.set(name, [{ value, level, origin }]);
    else list.push({ value, level, origin });
  }

  /** What counts: the highest level. */
  get<N extends SettingName>(name: N): Given<SettingValue<N>> | undefined {
    let best: Given<unknown> | undefined;
    for (const given of this.#given.get(name) ?? []) {
      if (best === undefined || given.level >= best.level) best = given;
    }
    // add() is only called with values that the setting's own kind made.
    return best as Given<SettingValue<N>> | undefined;
  }

  /** Where what counts was given, by setting. */
  origins(): Record<string, string> {
    const origins: Record<string, string> = {};
    for (const name of this.#given.keys()) origins[name] = this.get(name)?.origin ?? '';
    return origins;
  }

  /** All levels, for contradictions within one. */
  all(name: SettingName): readonly Given<unknown>[] {
    return this.#given.get(name) ?? [];
  }
}

/** By setting name, as given and in order; a switch that was given is `['true']`. */
export type FlagValues = Readonly<Record<string, readonly string[]>>;

/** Variables with the prefix that are not settings of the agent: those of the verbs, and the path of the file. */
const OTHER_VARIABLES = new Set(['SHOAL_CONFIG', 'SHOAL_URL', 'SHOAL_TOKEN_FILE', 'SHOAL_TIMEOUT']);
/** What an event script is told: it may be the one that starts an agent. */
const EVENT_VARIABLES = /^SHOAL_(EVENTS?|NODE|SUBJECT|ORIGIN|MEMBER)(_|$)|^SHOAL_RANGE_/;
/** Left to shoal's own tests and tools. */
const TEST_PREFIX = 'SHOAL_TEST_';

export function readFlags(sources: Sources, flags: FlagValues): void {
  for (const [name, texts] of Object.entries(flags)) {
    if (name === 'config') continue;
    const origin = `flag ${flagOf(name)}`;
    if (!isSettingName(name)) throw unknownSetting(name, origin, SETTING_NAMES.map(flagOf), flagOf(name));
    const { kind } = settingOf(name);
    sources.add(
      name,
      explain(name, origin, () => kind.fromTexts(texts)),
      LEVEL.flag,
      origin,
    );
  }
}

export function readEnvironment(sources: Sources, env: Readonly<Record<string, string | undefined>>): void {
  for (const [variable, text] of Object.entries(env).sort()) {
    if (!variable.startsWith('SHOAL_') || variable.startsWith(TEST_PREFIX)) continue;
    if (OTHER_VARIABLES.has(variable) || EVENT_VARIABLES.test(variable)) continue;
    const name = variable.slice('SHOAL_'.length).toLowerCase();
    const origin = `environment variable ${variable}`;
    if (!isSettingName(name) || variable !== variableOf(name)) {
      throw unknownSetting(name, origin, SETTING_NAMES.map(variableOf), variable);
    }
    if (text === undefined || text === '') continue;
    const { kind, off, repeatable } = settingOf(name);
    if (off !== undefined && /^(false|off|no|0)$/i.test(text)) {
      sources.add(off, true, LEVEL.environment, origin);
      continue;
    }
    const texts = repeatable === true ? text.split(',').map((part) => part.trim()) : [text];
    sources.add(
      name,
      explain(name, origin, () => kind.fromTexts(texts)),
      LEVEL.environment,
      origin,
    );
  }
}

/** Reads a TOML document: top-level keys only, but for a `[tag]` table. */
export function readDocument(sources: Sources, text: string, path: string): void {
  for (const [name, value] of Object.entries(parseToml(text, path))) {
    const origin = `${path}:${lineOfKey(text, name)}`;
    if (!isSettingName(name)) throw unknownSetting(name, origin, SETTING_NAMES, name);
    const { kind, off } = settingOf(name);
    if (off !== undefined && value === false) {
      sources.add(off, true, LEVEL.file, origin);
      continue;
    }
    sources.add(
      name,
      explain(name, origin, () => {
        if (off !== undefined && value === true) throw wrongType('an address or false', value);
        return kind.fromToml(value);
      }),
      LEVEL.file,
      origin,
    );
  }
}

function parseToml(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '');
    throw new ShoalError(
      'bad-config-file',
      `${path}:${error.line}: not TOML: ${what}; mend that line`,
      'config',
    );
  }
}

/** For messages only: a key inside a multi-line string can fool it. */
function lineOfKey(text: string, key: string): number {
  const lines = text.split('\n');
  const name = key.replace(/[^\w]/g, '\\$&');
  const assigned = new RegExp(`^\\s*["']?${name}["']?\\s*[.=]`);
  const table = new RegExp(`^\\s*\\[+\\s*["']?${name}["']?\\s*[.\\]]`);
  let inTable = false;
  for (const [i, line] of lines.entries()) {
    if (table.test(line) || (!inTable && assigned.test(line))) return i + 1;
    if (/^\s*\[/.test(line) && !line.includes('=')) inTable = true;
  }
  return 1;
}

/** Runs a reader; its complaint gets the setting's name and origin in front. */
export function explain<T>(name: string, origin: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    throw failed(name, origin, error.message, error.code);
  }
}

export function failed(name: string, origin: string, message: string, code = 'bad-setting'): ShoalError {
  return new ShoalError(code, `${name} (from ${origin}): ${message}`, name);
}

function unknownSetting(name: string, origin: string, known: readonly string[], written: string): ShoalError {
  // Not the prefix that all variables have: with it all would be near.
  const prefix = written.startsWith('SHOAL_') ? 'SHOAL_' : '';
  const cut = (text: string): string => text.slice(prefix.length);
  const found = closest(cut(written), known.map(cut));
  const near = found === undefined ? undefined : `${prefix}${found}`;
  const advice = near === undefined ? 'see shoal agent --help' : `did you mean ${near}?`;
  return failed(clip(name), origin, `unknown setting; ${advice}`, 'unknown-setting');
}
