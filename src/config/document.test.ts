import { describe, expect, it } from 'vitest';
import { sampleConfig, settingsMarkdown } from './document.ts';
import { resolveConfig } from './resolve.ts';
import { flagOf, SETTING_NAMES, settingOf } from './settings.ts';

function resolveText(text: string, env = {}) {
  return resolveConfig({ flags: {}, env, readFile: () => text, hostname: 'board', homedir: '/home/u' });
}

describe('the sample file', () => {
  it('as it stands changes nothing', () => {
    expect(resolveText(sampleConfig())).toEqual(resolveText(''));
  });

  it.each(SETTING_NAMES)('has a working line for %s', (name) => {
    const line = sampleConfig()
      .split('\n')
      .find((text) => text.startsWith(`#${name} = `));
    expect(line).toBeDefined();
    const insecure = name === 'insecure' || name === 'key_file' ? '' : 'insecure = true\n';
    expect(() => resolveText(`${insecure}${line?.slice(1)}`)).not.toThrow();
  });

  it('has no line wider than 120', () => {
    for (const line of sampleConfig().split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  });
});

describe("the README's table", () => {
  it('has one row per setting, with three columns', () => {
    const rows = settingsMarkdown().trim().split('\n').slice(3);
    expect(rows).toHaveLength(SETTING_NAMES.length);
    for (const [i, name] of SETTING_NAMES.entries()) {
      expect(rows[i]).toMatch(new RegExp(`^\\| \`${flagOf(name)}[\` ]`));
      expect(rows[i]?.replaceAll('\\|', '').split('|')).toHaveLength(5);
    }
  });
});

it('every literal default is a value of its setting', () => {
  for (const name of SETTING_NAMES) {
    const { kind, default: text } = settingOf(name);
    if (text !== null) expect(() => kind.fromTexts([text])).not.toThrow();
  }
});
