import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandTable } from '../../src/resp/command.ts';
import { COMMANDS } from '../../src/resp/commands/index.ts';
import { isSame, monitored } from './compare.ts';
import type { Connection, Words } from './connection.ts';
import { Ours, OursInCluster } from './ours.ts';
import { PINNED } from './pinned.ts';
import { RedisServer } from './redis-server.ts';
import { type Reply, show } from './reply.ts';
import { isMissing } from './runs.ts';
import { CLUSTER_TALKS, TALKS, type Talk } from './talks.ts';

/** Commands that no answer of redis-server can be compared with, and why. */
const NOT_COMPARED: Readonly<Record<string, string>> = {
  delifeq: 'not in Redis',
  shoal: 'not in Redis',
  'client|acks': 'not in Redis',
  'client|setinfo': 'Redis 7.2',
  'client|no-touch': 'Redis 7.2',
  waitaof: 'Redis 7.2',
  'config|rewrite': 'refused here: see README.md',
  save: 'refused here: see README.md',
  bgsave: 'refused here: see README.md',
  bgrewriteaof: 'refused here: see README.md',
  debug: 'refused here: see README.md',
  shutdown: 'refused here: see README.md',
  replicaof: 'refused here: see README.md',
  slaveof: 'refused here: see README.md',
  failover: 'refused here: see README.md',
  'client|caching': 'an error always',
  'latency|graph': 'an error without samples, and there are none',
  'function|kill': 'an error always',
  'script|kill': 'an error always',
  ...Object.fromEntries(
    'addslots addslotsrange bumpepoch delslots delslotsrange failover flushslots forget meet replicate reset saveconfig set-config-epoch setslot'
      .split(' ')
      .map((name) => [`cluster|${name}`, 'refused here: slots follow registrations']),
  ),
  'cluster|replicas': 'an error where there are none',
  'cluster|slaves': 'an error where there are none',
  'cluster|count-failure-reports': 'an error where there are none',
};

describe.skipIf(isMissing)('conversations beside redis-server', () => {
  let theirs: RedisServer;
  let theirCluster: RedisServer;
  const ours = new Ours();
  const ourCluster = new OursInCluster();
  const table = new CommandTable(COMMANDS);
  /** Commands that were answered, and not by an error. */
  const answered = new Set<string>();

  beforeAll(async () => {
    [theirs, theirCluster] = await Promise.all([RedisServer.start(), RedisServer.startCluster()]);
    await Promise.all([ours.start(), ourCluster.start()]);
  }, 60_000);

  afterAll(async () => {
    await Promise.all([theirs?.stop(), theirCluster?.stop(), ours.stop(), ourCluster.stop()]);
  });

  /** Says the same to both, step by step; what differs. */
  async function differences(steps: readonly string[], mine: Talker, other: Talker): Promise<string> {
    const found: string[] = [];
    await Promise.all([mine, other].map((talker) => talker.step('first', [['FLUSHALL']], 1)));
    for (const step of steps) {
      const { who, words, count } = parsed(step);
      const commands = words === null ? [] : [words];
      const [left = [], right = []] = await Promise.all(
        [mine, other].map((talker) => talker.step(who, commands, count)),
      );
      if (!areSame(words, left, right))
        found.push(`${step}\n  ours:  ${left.map(show).join(' ')}\n  redis: ${right.map(show).join(' ')}`);
      if (words !== null && right.every(({ type }) => type !== '-')) answered.add(nameOf(words, table));
    }
    const [left, right] = await Promise.all([mine.end(), other.end()]);
    if (left !== right) found.push(`at the end\n  ours:  ${left}\n  redis: ${right}`);
    return found.join('\n');
  }

  const both = (talks: readonly Talk[]) =>
    talks.flatMap((talk) => [2, 3].map((protocol) => ({ ...talk, protocol })));

  it.each(both([...TALKS, ...PINNED]))(
    '$name, RESP$protocol: the same on every connection',
    async ({ steps, protocol }) => {
      const mine = new Talker(() => ours.connect(), protocol);
      const other = new Talker(() => theirs.connect(), protocol);
      expect(await differences(steps, mine, other)).toBe('');
    },
  );

  it.each(both(CLUSTER_TALKS))('$name, RESP$protocol: as in a cluster', async ({ steps, protocol }) => {
    const mine = new Talker(() => ourCluster.connect(), protocol);
    const other = new Talker(() => theirCluster.connect(), protocol);
    expect(await differences(steps, mine, other)).toBe('');
  });

  it('with too few or too many words, and unknown subcommands, end alike for every command', async () => {
    const [a, b] = await Promise.all([ours.connect(), theirs.connect()]);
    const differences: string[] = [];
    const compare = async (words: Words, refused: boolean): Promise<void> => {
      const [[left], [right]] = (await Promise.all([a.ask([words]), b.ask([words])])) as [Reply[], Reply[]];
      if (!isSame(words, left as Reply, right as Reply, []) || (refused && right?.type !== '-'))
        differences.push(
          `${words.join(' ')}\n  ours:  ${show(left as Reply)}\n  redis: ${show(right as Reply)}`,
        );
    };
    for (const { name, arity, subcommands } of table.every()) {
      const [info] = await b.ask([['COMMAND', 'INFO', name]]);
      if (info?.parts[0]?.parts.length === 0) continue;
      for (const words of wrong(name, arity, subcommands !== null)) await compare(words, true);
      if (arity < 0 && name.includes('|')) await compare([...name.split('|'), 'x', 'x', 'x', 'x'], false);
    }
    expect(differences.join('\n')).toBe('');
    a.end();
    b.end();
  });

  it('leave no command out', () => {
    const names = [...table.every()]
      .filter(({ subcommands }) => subcommands === null)
      .map(({ name }) => name);
    const left = names.filter(
      (name) => NOT_COMPARED[name] === undefined && NOT_COMPARED[name.split('|')[0] ?? ''] === undefined,
    );
    expect(left.filter((name) => !answered.has(name))).toEqual([]);
    expect(Object.keys(NOT_COMPARED).filter((name) => answered.has(name))).toEqual([]);
  });
});

/** Connections by name, made when they first speak. */
class Talker {
  readonly #connect: () => Promise<Connection>;
  readonly #protocol: number;
  readonly #connections = new Map<string, Connection>();

  constructor(connect: () => Promise<Connection>, protocol: number) {
    this.#connect = connect;
    this.#protocol = protocol;
  }

  async step(who: string, commands: readonly Words[], count: number): Promise<Reply[]> {
    let connection = this.#connections.get(who);
    if (connection === undefined) {
      connection = await this.#connect();
      this.#connections.set(who, connection);
      await connection.ask([['HELLO', `${this.#protocol}`]]);
    }
    return connection.ask(commands, count);
  }

  /** What each connection had still to say. */
  async end(): Promise<string> {
    const rest: string[] = [];
    for (const [who, connection] of this.#connections)
      rest.push(`${who}: ${(await connection.quit()).map(monitored).join(' ')}`);
    return rest.join('; ');
  }
}

function areSame(words: Words | null, left: readonly Reply[], right: readonly Reply[]): boolean {
  return left.every((reply, i) => {
    const other = right[i] as Reply;
    return words === null
      ? monitored(reply) === monitored(other)
      : isSame(words, reply, other, left.slice(0, i));
  });
}

/** `connection(count): words` */
function parsed(step: string): { who: string; words: Words | null; count: number } {
  const found = /^(?:([a-z])(?:\((\d)\))?(?:: |$))?(.*)$/s.exec(step);
  const [, who = 'a', count = '1', text = ''] = found ?? [];
  const words = [...text.matchAll(/"((?:\\.|[^"])*)"|(\S+)/g)].map(([, quoted, bare = '']) =>
    quoted === undefined ? bare : unescaped(quoted),
  );
  return { who, words: words.length === 0 ? null : words, count: Number(count) };
}

function unescaped(text: string): string {
  return text.replace(/\\(x..|.)/g, (_, code: string) =>
    code[0] === 'x'
      ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
      : ({ n: '\n', r: '\r', t: '\t' }[code] ?? code),
  );
}

function nameOf(words: Words, table: CommandTable): string {
  const [name = '', subcommand = ''] = words.map((word) => word.toLowerCase());
  return table.named(`${name}|${subcommand}`)?.name ?? name;
}

/** Calls of a command that must be refused before it runs. */
function wrong(name: string, arity: number, isContainer: boolean): Words[] {
  const words = name.split('|');
  const padded = (count: number): Words => [...words, ...new Array<string>(count - words.length).fill('x')];
  const out: Words[] = [];
  const least = Math.abs(arity);
  if (least > words.length) out.push(padded(least - 1));
  if (arity > 0) out.push(padded(arity + 1));
  if (isContainer) out.push([...words, 'NO\nSUCH'], [...words, 'no such', 'x']);
  return out;
}
