/**
 * config: everything an agent can be told, decided in one place before anything starts.
 *
 * One table (settings.ts) names each setting once, with its kind, default, help and advice. From it come the flags of
 * `shoal agent`, the SHOAL_* variables, the keys of the TOML file, the README's table and the sample file, so that they
 * cannot drift apart. The idea is memberlist's and serf's: every setting says its meaning, its unit and how to choose.
 *
 * It does not know sockets, processes or the clock: the file reader, the environment, the host name and the home
 * directory are passed in. It does not look whether a file or an interface exists; who uses it says so.
 *
 * In: raw flags, environment, the text of the file. Out: an AgentConfig, or a ShoalError that names the setting and
 * where it came from (the flag, the variable, file:line); the command line turns that into exit code 2. Called by `cli`
 * (agent, default socket path), and by `daemon` for the type.
 *
 * Invariants: flag before environment before file before default, setting by setting; lists are replaced, not merged.
 * Every value given is checked, also one that a higher source overrides. A pair that contradicts itself within one
 * source is an error; from two sources the higher one counts, but for key_file with insecure, which is never allowed.
 * Without `insecure` or `key_file` nothing in the result listens beyond loopback.
 *
 * Added to INTERFACE.md: http_token_file, multicast_ttl, probe_period, suspicion_periods, forget_after, on_event, SHOAL_CONFIG; `multicast = false` for `no_multicast = true`
 * (likewise http, resp, proxy); an empty variable is no variable; SHOAL_TEST_* is left to tests.
 *
 * Tests: resolve.test.ts (a table of cases), position.test.ts, document.test.ts.
 */
export type {
  AgentConfig,
  HookSetting,
  LogFormat,
  LogLevelName,
  RangeSetting,
  StoreBackend,
} from './agent-config.ts';
export { EVENT_NAMES, LOG_FORMATS, LOG_LEVELS } from './agent-config.ts';
export { sampleConfig, settingsMarkdown } from './document.ts';
export { clip, type PositionRange, parseEnds, parsePosition, parseWhole } from './position.ts';
export {
  type ConfigInputs,
  DEFAULT_CONFIG_FILE,
  defaultSocketPath,
  isLoopback,
  resolveConfig,
} from './resolve.ts';
export {
  flagOf,
  isSettingName,
  SETTING_NAMES,
  type Setting,
  type SettingName,
  settingOf,
  variableOf,
} from './settings.ts';
export type { FlagValues } from './sources.ts';
export { closest } from './suggest.ts';
