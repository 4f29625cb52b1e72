import type { OptionDescription, ProgramDescription, VerbDescription } from '../../src/cli/index.ts';
import { DEFAULT_CONFIG_FILE, flagOf, SETTING_NAMES, settingOf, variableOf } from '../../src/config/index.ts';
import { bold, italic, Page, text } from './troff.ts';

/**
 * The three manual pages. What can go stale (verbs, options, settings, defaults, examples) comes from the tables the
 * program itself is made from; only the prose between is written here. test/unit/package.test.ts renders them.
 */
export interface ManualInputs {
  readonly program: ProgramDescription;
  readonly version: string;
  /** YYYY-MM-DD. */
  readonly date: string;
  /** The file as systemd has it, for its flags. */
  readonly unit: string;
}

/** Name with section, and the page. */
export function manualPages(inputs: ManualInputs): ReadonlyMap<string, string> {
  return new Map([
    ['shoal.1', verbsPage(inputs).toString()],
    ['shoal.toml.5', settingsPage(inputs).toString()],
    ['shoal-agent.8', agentPage(inputs).toString()],
  ]);
}

function verbsPage({ program, version, date }: ManualInputs): Page {
  const summary = 'ask and steer a group of shoal agents';
  const page = new Page({ name: 'shoal', section: 1, summary, version, date, manual: 'User Commands' });
  page.synopsis(
    `${bold('shoal')} [${italic('options')}] ${italic('verb')} [${italic('arguments')}]`,
    `${bold('shoal help')} [${italic('verb')}]`,
  );
  page
    .heading('Description')
    .paragraphs(
      program.summary,
      'A verb asks the agent on this machine, by its admin socket, prints the answer and ends. Text is for people; with `--json` it is for programs. Errors are one line on standard error that says what to do. `shoal agent` is the agent itself: see shoal-agent(8).',
      'A position is a number from 0 to 4294967295: decimal, `0x` hex, or `slot:N`, which is a whole Redis Cluster slot as the start or the end of a range. A range includes both its ends.',
    );
  page.heading('Options');
  page.paragraphs('For every verb that asks an agent, in front of the verb or behind it:');
  for (const option of program.options) page.item(optionTerm(option), sentence(option.help));
  let heading = '';
  page.heading('Verbs');
  for (const verb of program.verbs) {
    if (verb.heading !== heading) page.subheading(verb.heading);
    heading = verb.heading;
    verbEntry(page, verb);
  }
  page
    .heading('Exit status')
    .item(bold('0'), 'Done.')
    .item(
      bold('1'),
      'The agent said no, or nothing within `--timeout`, or the answer is no (`coverage`, `converged`).',
    )
    .item(bold('2'), 'Bad usage, found before anything was asked.')
    .item(bold('3'), 'No agent there.');
  page
    .heading('Environment')
    .item(bold('SHOAL_SOCKET'), 'Admin socket, as `--socket`.')
    .item(bold('SHOAL_URL'), 'As `--url`.')
    .item(bold('SHOAL_TOKEN_FILE'), 'As `--token-file`.')
    .item(bold('SHOAL_TIMEOUT'), 'As `--timeout`.');
  page
    .heading('Files')
    .item(bold('/run/shoal/shoal.sock'), 'The admin socket of the system service, looked for by itself.');
  page.heading('Examples');
  for (const { examples } of program.verbs) {
    for (const [line, what] of examples) {
      if (what === '') page.block(line);
      else page.item(bold(line), sentence(what));
    }
  }
  return page.seeAlso('shoal-agent(8)', 'shoal.toml(5)', 'systemd(1)');
}

function verbEntry(page: Page, verb: VerbDescription): void {
  // The agent's many options have a page of their own.
  const own = verb.name === 'agent' ? [] : verb.options;
  const more = verb.name === 'agent' ? 'Its options are in shoal-agent(8).' : '';
  page.item(
    usageTerm(verb.usage),
    ...[sentence(verb.summary), verb.details, more].filter((part) => part !== ''),
    ...own.map(
      ({ name, value, help }) => `\`${name}${value === null ? '' : ` ${value}`}\`: ${sentence(help)}`,
    ),
  );
}

function settingsPage({ version, date }: ManualInputs): Page {
  const summary = 'settings of the shoal agent';
  const page = new Page({ name: 'shoal.toml', section: 5, summary, version, date, manual: 'File Formats' });
  page.synopsis(bold(DEFAULT_CONFIG_FILE));
  page
    .heading('Description')
    .paragraphs(
      'One `name = value` a line, in TOML; every line is optional. A flag of `shoal agent` goes before a variable in the environment, that before the file, the file before the default. Lists are separated by commas in the environment.',
      'A setting that is not known, a wrong type or two settings that contradict each other stop the agent with exit status 2 and a message that names the line. Addresses are `HOST:PORT`; port 0 picks a free one.',
    );
  page.heading('Settings');
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name);
    const value = setting.placeholder === '' ? '' : ` ${setting.placeholder}`;
    const fallback = (setting.defaultWords ?? setting.default ?? 'none').replaceAll('`', '');
    const repeatable = setting.repeatable === true ? ', repeatable' : '';
    page.item(
      bold(name),
      `${sentence(setting.help)} ${setting.choose}`,
      `Default: ${fallback}. Flag: \`${flagOf(name)}${value}\`${repeatable}. Variable: \`${variableOf(name)}\`.`,
      `Example: \`${name} = ${setting.example}\``,
    );
  }
  return page.seeAlso('shoal-agent(8)', 'shoal(1)');
}

/** As src/daemon/hooks.ts sets them. */
const EVENT_VARIABLES = [
  ['SHOAL_EVENT', 'The event as JSON, as on standard input.'],
  ['SHOAL_EVENT_TYPE', '`member-join`, `member-down`, ...: see `shoal monitor --help`.'],
  ['SHOAL_EVENT_ID', 'Its number; rises by one with each event.'],
  ['SHOAL_EVENT_TIME', 'When this node saw it, ISO 8601.'],
  ['SHOAL_EVENTS_MISSED', 'Events dropped since the last run, for more than 256 waited.'],
  ['SHOAL_NODE_ID', 'This node.'],
  ['SHOAL_NODE_NAME', 'Its name.'],
  ['SHOAL_SUBJECT_ID', 'The node that the event is about.'],
  ['SHOAL_SUBJECT_NAME', 'Its name.'],
  ['SHOAL_ORIGIN_ID', 'The node that made the change, where that is known.'],
  ['SHOAL_MEMBER_STATUS', 'Of a member: `alive`, `suspect`, `down` or `left`.'],
  ['SHOAL_MEMBER_ADDRESS', 'Of a member: where it is reached.'],
  ['SHOAL_MEMBER_INCARNATION', 'Of a member: its incarnation.'],
  ['SHOAL_RANGE_START', 'Of a range: its first position.'],
  ['SHOAL_RANGE_END', 'Of a range: its last position.'],
  ['SHOAL_RANGE_PRIORITY', 'Of a range: its priority.'],
  ['SHOAL_SOCKET', 'The admin socket, so that verbs find this agent.'],
] as const;

function agentPage({ program, version, date, unit }: ManualInputs): Page {
  const summary = 'leaderless group membership daemon';
  const page = new Page({
    ...{ name: 'shoal-agent', section: 8 as const, summary, version, date },
    manual: 'System Administration',
  });
  const agent = program.verbs.find(({ name }) => name === 'agent') as VerbDescription;
  page.synopsis(`${bold('shoal agent')} [${italic('options')}]`, bold('systemctl start shoal'));
  page.heading('Description').paragraphs(program.summary, agent.details);
  page.paragraphs(
    'Agents of one cluster find each other by multicast on the link, and by `--join` where multicast does not reach. Each registers ranges of a 32-bit key space with a priority; all hold the same map and see the same owners of every position. Nobody leads: any node may stop, for a second or a month, and agrees again when it is back.',
    'Without a key the agent talks on loopback only. With `--key-file` everything on the network is sealed; `shoal keygen` makes a key and `shoal keys` changes it on all nodes.',
  );
  page.heading('Options');
  for (const option of agent.options) page.item(optionTerm(option), sentence(option.help));
  page
    .heading('Output')
    .paragraphs(
      'One JSON object a line on standard output. When it can serve, one line has `"msg":"ready"` with the addresses that were bound; systemd is told as well when `NOTIFY_SOCKET` is set.',
    );
  page
    .heading('Signals')
    .item(
      `${bold('SIGTERM')}, ${bold('SIGINT')}`,
      'Announce that this node leaves, keep its ranges, write the state and end with status 0 within 2 s. A second one ends it at once.',
    )
    .item(bold('SIGHUP'), 'Read the settings again: the log level changes, what needs a restart is named.');
  page
    .heading('Exit status')
    .item(bold('0'), 'Stopped as asked.')
    .item(
      bold('1'),
      'Something stood in its way that may pass: a taken port, a full disk; without a key, also what 4 says, for anybody can make it look so.',
    )
    .item(bold('2'), 'A setting is wrong; the service is not started again until it is mended.')
    .item(
      bold('4'),
      'In a sealed group: another process has the id of this node: its state directory is a copy, or was copied. The log says where the other is; the service is not started again.',
    );
  page
    .heading('Event scripts')
    .paragraphs(
      '`--on-event` names a script to run for each event, or for those of one type. The event as JSON is on its standard input; its parts are in the environment, those that do not apply are absent. Names come from other machines: quote them. Of one script one run is under way at a time, ten seconds at most; up to 256 events wait for it. What it writes goes to the log.',
    );
  for (const [name, what] of EVENT_VARIABLES) page.item(bold(name), what);
  const flags = /^ExecStart=\S+ (.*?) \/\S+\/shoal agent$/m.exec(unit)?.[1] ?? '';
  page
    .heading('The service')
    .paragraphs(
      `\`shoal.service\` runs it as a user of its own (\`DynamicUser\`) with rights to nothing but the network and its directories, within 104 MB. It gives Node.js \`${flags}\`: V8 does not derive its limits from the control group.`,
      'The key file of the service is handed over by systemd: copy /usr/share/doc/shoal/examples/key.conf to /etc/systemd/system/shoal.service.d/, put the key into /etc/shoal/keys with mode 0600, and `systemctl daemon-reload`.',
      'Purging the package removes the state, the keyring and /etc/shoal/keys: the node is then a stranger to its group.',
    );
  page
    .heading('Files')
    .item(bold(DEFAULT_CONFIG_FILE), 'Settings; see shoal.toml(5).')
    .item(bold('/etc/shoal/keys'), 'Keys for the service, mode 0600.')
    .item(
      bold('/var/lib/shoal/'),
      'State: identity, counters, journal, snapshot, keyring. Two agents must never have a copy of one.',
    )
    .item(bold('/run/shoal/shoal.sock'), 'Admin socket, mode 0600: whoever may open it may do everything.')
    .item(bold('/usr/share/doc/shoal/README.md.gz'), 'Five boards from nothing, firewall, update, backup.');
  page.heading('Examples');
  for (const [line, what] of agent.examples) page.item(bold(line), sentence(what));
  return page.seeAlso('shoal(1)', 'shoal.toml(5)', 'systemd.exec(5)', 'journalctl(1)');
}

function optionTerm({ name, value }: OptionDescription): string {
  return value === null ? bold(name) : `${bold(name)} ${italic(value)}`;
}

/** `register <start> <end>`, the arguments in italics. */
function usageTerm(usage: string): string {
  const [name = '', ...rest] = usage.split(' ');
  const words = rest.map((word) => text(word).replace(/[\w.\\-]+/g, (arg) => `\\fI${arg}\\fR`));
  return [bold(name), ...words].join(' ').replaceAll('<', '').replaceAll('>', '');
}

function sentence(words: string): string {
  const first = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.:!?]$/.test(first) ? first : `${first}.`;
}
