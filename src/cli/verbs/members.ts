import type { MemberStatus, MemberView } from '../../node/contract.ts';
import { EXIT, usage } from '../errors.ts';
import { columns, tagList } from '../layout.ts';
import { type Shell, textOption } from '../shell.ts';
import type { Verb } from '../verb.ts';

export const STATUSES: readonly MemberStatus[] = ['alive', 'suspect', 'down', 'left'];

export const members: Verb = {
  usage: 'members',
  summary: 'name, id, address, status and tags of every member, one line each',
  examples: [
    ['shoal members', 'everybody who is known'],
    ['shoal members --status down', 'only those that do not answer'],
    ['shoal members --tag rack=3', 'only those with this tag'],
  ],
  asksDaemon: true,
  options: (command) =>
    command
      .option('--status <status>', `only members with this status: ${STATUSES.join(', ')}`)
      .option('--tag <key=value>', 'only members with this tag'),
  run: async (shell, _args, options) => {
    const wanted = filterOf(textOption(options, 'status'), textOption(options, 'tag'));
    const answer = (await shell.client(true).call('GET', '/v1/members')) as { members: MemberView[] };
    const found = answer.members.filter(wanted);
    shell.answer({ members: found }, () => memberLines(shell, found));
    return EXIT.done;
  },
};

function filterOf(status: string | undefined, tag: string | undefined): (member: MemberView) => boolean {
  if (status !== undefined && !STATUSES.some((known) => known === status)) {
    throw usage(`--status: '${status.slice(0, 40)}' is no status: one of ${STATUSES.join(', ')}`);
  }
  const equals = tag?.indexOf('=') ?? 1;
  if (equals < 1) throw usage(`--tag: '${tag?.slice(0, 40)}' is not a tag: write KEY=VALUE`);
  return (member) => {
    if (status !== undefined && member.status !== status) return false;
    if (tag === undefined) return true;
    const key = tag.slice(0, equals);
    return Object.hasOwn(member.tags, key) && member.tags[key] === tag.slice(equals + 1);
  };
}

function memberLines(shell: Shell, found: readonly MemberView[]): string[] {
  const { paint } = shell;
  const rows = found.map((m) => [m.name, m.id, m.address, m.status, tagList(m.tags)]);
  if (!shell.io.isTerminal) return columns(rows);
  const [header = '', ...lines] = columns([['NAME', 'ID', 'ADDRESS', 'STATUS', 'TAGS'], ...rows]);
  const colours = { alive: String, suspect: paint.yellow, down: paint.red, left: paint.dim };
  return [paint.dim(header), ...lines.map((line, i) => colours[found[i]?.status ?? 'alive'](line))];
}
