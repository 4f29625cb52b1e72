import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandTable } from '../../src/resp/command.ts';
import { DATA_COMMANDS } from '../../src/resp/commands/index.ts';
import { sequences } from './commands.ts';
import { RedisServer } from './redis-server.ts';
import type { Reply } from './reply.ts';
import { isMissing } from './runs.ts';

describe.skipIf(isMissing)('random commands', () => {
  it('use every option of every command on messages that COMMAND DOCS of redis-server tells of', async () => {
    const table = new CommandTable(DATA_COMMANDS);
    const used = new Map<string, Set<string>>();
    for (const words of fc.sample(sequences(40), { seed: 1, numRuns: 400 }).flat()) {
      const [name = '', second = ''] = words.map((word) => word.toLowerCase());
      const known = table.named(`${name}|${second}`)?.name ?? name;
      const seen = used.get(known) ?? new Set();
      for (const word of words) seen.add(word.toUpperCase());
      used.set(known, seen);
    }
    const theirs = await RedisServer.start();
    const connection = await theirs.connect();
    const missing: string[] = [];
    let options = 0;
    try {
      for (const { name, subcommands } of table.every()) {
        const [docs] = await connection.ask([['COMMAND', 'DOCS', name]]);
        if (subcommands !== null || docs?.parts[1] === undefined || name.endsWith('|help')) continue;
        if (!used.has(name)) missing.push(name);
        for (const option of tokensOf(docs.parts[1])) {
          options++;
          if (used.get(name)?.has(option) === false) missing.push(`${name} ${option}`);
        }
      }
    } finally {
      connection.end();
      await theirs.stop();
    }
    expect(options).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });
});

/** The fixed words among the arguments of a command, or of one of its arguments. */
function tokensOf(entry: Reply): string[] {
  return entry.parts.flatMap((part, i) => {
    const value = entry.parts[i + 1];
    if (i % 2 === 1 || value === undefined) return [];
    if (part.text === 'token') return [value.text ?? ''];
    return part.text === 'arguments' ? value.parts.flatMap(tokensOf) : [];
  });
}
