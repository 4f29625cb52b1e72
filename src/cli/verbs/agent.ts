import { type Command, Option } from 'commander';
import {
  DEFAULT_CONFIG_FILE,
  flagOf,
  isSettingName,
  resolveConfig,
  SETTING_NAMES,
  settingOf,
} from '../../config/index.ts';
import { usage } from '../errors.ts';
import type { OptionValues } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const agent: Verb = {
  usage: 'agent',
  summary: 'run the daemon in the foreground',
  details:
    'Logs one JSON object a line to standard output. A setting is a flag, or SHOAL_<SETTING> in the environment, or a ' +
    'line of the configuration file, in this order (also SHOAL_SOCKET, which the verbs read too). SIGTERM and Ctrl-C stop it within 2 s; its ranges are kept.',
  examples: [
    ['shoal agent', 'on loopback only'],
    ['shoal keygen --out keys', 'once; every node gets the same file'],
    [
      'shoal agent --key-file keys --join 192.0.2.1:29999',
      'sealed, on all interfaces, with a contact beyond a router',
    ],
    ['shoal agent --insecure', 'on a network where every machine is trusted'],
    ['shoal agent --range 0-0x7fffffff:2 --tag rack=3', 'with a share of the key space and a tag'],
  ],
  asksDaemon: false,
  options: addSettings,
  run: async (shell, _args, options) => {
    const { env, readFile, hostname, homedir, daemon } = shell.io;
    const flags = rawFlags(options);
    const decide = () => resolveConfig({ flags, env, readFile, hostname, homedir });
    const config = decide();
    const { runAgent } = await daemon();
    return runAgent(config, { reload: decide });
  },
};

/**
 * A flag that collects what was given, raw and under the setting's own name: commander alone would make one value of
 * `--http` and `--no-http`, and contradictions could not be seen.
 */
class SettingOption extends Option {
  readonly #setting: string;

  constructor(setting: string, placeholder: string, help: string) {
    super(`${flagOf(setting)}${placeholder === '' ? '' : ` <${placeholder}>`}`, help);
    this.#setting = setting;
    this.negate = false;
    if (placeholder !== '') this.argParser((text: string, all: string[] = []) => [...all, text]);
  }

  override attributeName(): string {
    return this.#setting;
  }
}

function addSettings(command: Command): void {
  command.addOption(
    new SettingOption('config', 'FILE', `file with settings (default: ${DEFAULT_CONFIG_FILE})`),
  );
  for (const name of SETTING_NAMES) {
    const { placeholder, default: text, defaultWords, help, repeatable } = settingOf(name);
    const fallback = (defaultWords ?? text ?? 'none').replaceAll('`', '');
    const notes =
      placeholder === '' ? '' : ` (default: ${fallback}${repeatable === true ? '; repeatable' : ''})`;
    command.addOption(new SettingOption(name, placeholder, `${help}${notes}`));
  }
}

function rawFlags(options: OptionValues): Record<string, readonly string[]> {
  const flags: Record<string, readonly string[]> = {};
  for (const [name, value] of Object.entries(options)) {
    if (name !== 'config' && !isSettingName(name))
      throw usage(`${flagOf(name)} is not for shoal agent: leave it out`);
    // A global option in front of the verb is a plain string.
    flags[name] = Array.isArray(value) ? value : [String(value)];
  }
  return flags;
}
