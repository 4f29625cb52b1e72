import { flagOf, SETTING_NAMES, settingOf, variableOf } from './settings.ts';

/** The README's table of settings. */
export function settingsMarkdown(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { default: text, defaultWords, help, choose, placeholder, repeatable } = settingOf(name);
    const value = placeholder === '' ? '' : ` ${placeholder}`;
    const flag = `\`${flagOf(name)}${value}\`${repeatable === true ? ' (repeatable)' : ''}`;
    return `| ${[flag, defaultWords ?? `\`${text}\``, `${upperFirst(help)}. ${choose}`].map(cell).join(' | ')} |`;
  });
  return [
    '| setting | default | what it is, how to choose |',
    '|---|---|---|',
    '| `--config FILE` | `/etc/shoal/shoal.toml` | The file with settings. Only the default one may be missing. |',
    ...rows,
    '',
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const SAMPLE_HEAD = `# shoal.toml: settings of \`shoal agent\`. Every line is optional.
#
# A flag goes before an environment variable, that before this file, this file before the default.
# The setting data_dir is the flag --data-dir and the variable SHOAL_DATA_DIR; lists are separated by commas there.
# An unknown setting or a wrong value stops the agent with a message that names the line.
`;

/** A commented configuration file: every setting, switched off, with its help, advice and default. */
export function sampleConfig(): string {
  const blocks = SETTING_NAMES.map((name) => {
    const { default: text, defaultWords, help, choose, example } = settingOf(name);
    return [
      ...wrap(`${upperFirst(help)}.`),
      ...wrap(choose),
      ...wrap(
        `Default: ${(defaultWords ?? text ?? 'none').replaceAll('`', '')}. Variable: ${variableOf(name)}.`,
      ),
      `#${name} = ${example}`,
      '',
    ].join('\n');
  });
  return [SAMPLE_HEAD, ...blocks].join('\n');
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > 118 && line !== '#') {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  lines.push(line);
  return lines;
}
