import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandTable } from '../../src/resp/command.ts';
import { COMMANDS } from '../../src/resp/commands/index.ts';
import { Beside } from './beside.ts';
import { sequences } from './commands.ts';
import { entryText } from './compare.ts';
import type { Connection, Words } from './connection.ts';
import { difference } from './difference.ts';
import { Ours } from './ours.ts';
import type { Reply } from './reply.ts';
import { isMissing, PATIENCE_MS, RUNS, SEED } from './runs.ts';

/** On `k`, a text, `n`, a number that expires, and `none`, which is not there. */
const READING = [
  ...[
    'GET k',
    'GET none',
    'MGET k none n none',
    'STRLEN k',
    'STRLEN none',
    'GETRANGE k 0 1',
    'GETRANGE none 0 1',
  ],
  ...[
    'SUBSTR k 0 1',
    'GETEX n PERSIST',
    'GETEX none',
    'GETDEL k',
    'GETDEL none',
    'GETSET k v',
    'GETSET none v',
  ],
  ...[
    'SET k v GET',
    'SET none v GET',
    'SET k v XX',
    'SET none v NX',
    'SETNX k v',
    'EXISTS k none',
    'TOUCH k none',
  ],
  ...[
    'TYPE k',
    'TYPE none',
    'TTL n',
    'PTTL none',
    'EXPIRETIME n',
    'PEXPIRETIME none',
    'PERSIST n',
    'EXPIRE k 9',
  ],
  ...[
    'GETBIT k 3',
    'GETBIT none 3',
    'SETBIT k 3 1',
    'BITCOUNT k',
    'BITCOUNT none',
    'BITPOS k 1',
    'BITPOS none 1',
  ],
  ...['BITOP AND none k n', 'BITFIELD k GET u8 0', 'BITFIELD k SET u8 0 1', 'BITFIELD none GET u8 0'],
  ...['BITFIELD_RO none GET u8 0', 'LCS k n', 'LCS k none', 'DUMP k', 'DUMP none', 'OBJECT ENCODING k'],
  ...[
    'OBJECT ENCODING none',
    'OBJECT REFCOUNT k',
    'OBJECT IDLETIME k',
    'MEMORY USAGE k',
    'MEMORY USAGE none',
  ],
  ...[
    'COPY k c',
    'COPY none c',
    'COPY k n',
    'RENAME k c',
    'RENAMENX k n',
    'DEL k none',
    'UNLINK k',
    'INCR n',
  ],
  ...[
    'APPEND k x',
    'SETRANGE k 1 x',
    'INCRBYFLOAT n 1',
    'KEYS *',
    'SCAN 0',
    'RANDOMKEY',
    'WATCH k',
    'DBSIZE',
  ],
];

/** The same random commands go to redis-server and to ours, over sockets; the answers must be the same, type and text. */
describe.skipIf(isMissing)('beside redis-server', () => {
  const beside = new Beside(new Ours());

  it.each([2, 3])(
    'answers random commands as it does, RESP%i',
    { timeout: PATIENCE_MS },
    async (protocol) => {
      console.log(`SHOAL_REDIS_SEED=${SEED} SHOAL_REDIS_RUNS=${RUNS}`);
      await beside.with(protocol, async (a, b) => {
        await fc.assert(
          fc.asyncProperty(sequences(40), async (commands) => {
            const found = await difference(a, b, commands, protocol);
            if (found !== null) throw new Error(found);
          }),
          { seed: SEED + protocol, numRuns: RUNS, endOnFailure: false },
        );
      });
    },
  );

  it('counts keys that commands which read look for, there or not, as it does', async () => {
    await beside.with(2, async (a, b) => {
      const counted = async (connection: Connection): Promise<string> => {
        const [info] = await connection.ask([['INFO', 'stats']]);
        return (
          JSON.stringify(info)
            .match(/keyspace_(hits|misses):[0-9]+/g)
            ?.join(' ') ?? ''
        );
      };
      for (const words of READING) {
        for (const connection of [a, b]) {
          await connection.ask([['FLUSHALL'], ['SET', 'k', 'text'], ['SET', 'n', '5', 'EX', '100']]);
          await connection.ask([['CONFIG', 'RESETSTAT'], words.split(' ')]);
        }
        expect(`${words}: ${await counted(a)}`).toBe(`${words}: ${await counted(b)}`);
        expect(await counted(b)).not.toBe('');
      }
    });
  });

  /** Compares answers to lists of commands that are made one after the other from one description. */
  async function compareAll(lists: fc.Arbitrary<Words[]>, runs: number): Promise<void> {
    await beside.with(2, async (a, b) => {
      await fc.assert(
        fc.asyncProperty(lists, async (commands) => {
          const found = await difference(a, b, commands);
          if (found !== null) throw new Error(found);
        }),
        { seed: SEED, numRuns: runs },
      );
    });
  }

  it('adds fractions to the last digit as it does', { timeout: PATIENCE_MS }, async () => {
    const number = fc.oneof(
      fc
        .tuple(fc.bigInt(-(10n ** 22n), 10n ** 22n), fc.integer({ min: 0, max: 24 }))
        .map(([n, e]) => `${n}e-${e}`),
      fc
        .tuple(fc.integer({ min: -99, max: 99 }), fc.integer({ min: -4960, max: 4935 }))
        .map(([n, e]) => `${n}e${e}`),
      fc.double({ noNaN: true }).map(String),
      fc
        .tuple(fc.bigInt(0n, 2n ** 70n), fc.integer({ min: -90, max: 90 }))
        .map(([n, e]) => `0x${n.toString(16)}p${e}`),
    );
    await compareAll(
      fc
        .array(number, { minLength: 2, maxLength: 6 })
        .map((numbers) => numbers.map((n): Words => ['INCRBYFLOAT', 'a', n])),
      RUNS * 2,
    );
  });

  it('finds in two texts what it finds', { timeout: PATIENCE_MS }, async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
    const options = fc.constantFrom<Words>(
      [],
      ['LEN'],
      ['IDX'],
      ['IDX', 'WITHMATCHLEN'],
      ['IDX', 'MINMATCHLEN', '3'],
    );
    await compareAll(
      fc.tuple(text, text, options).map(([x, y, words]): Words[] => [
        ['MSET', 'a', x, 'b', y],
        ['LCS', 'a', 'b', ...words],
      ]),
      RUNS,
    );
  });

  it('takes patterns as it does', { timeout: PATIENCE_MS }, async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', ']'), maxLength: 5 });
    const pattern = fc.string({
      unit: fc.constantFrom('a', 'b', '*', '?', '[', ']', '^', '-', '\\'),
      maxLength: 8,
    });
    await compareAll(
      fc
        .tuple(fc.array(text, { minLength: 1, maxLength: 30 }), fc.array(pattern, { maxLength: 20 }))
        .map(([keys, patterns]): Words[] => [
          ['MSET', ...keys.flatMap((key) => [key, ''])],
          ...patterns.map((one): Words => ['KEYS', one]),
        ]),
      RUNS,
    );
  });

  it('names encodings and counts references as it does, of what was set', async () => {
    const values = [
      '0',
      '-1',
      '9999',
      '10000',
      '9223372036854775807',
      '9223372036854775808',
      '01',
      '',
      ' 1',
      '1.5',
      'x'.repeat(44),
      'x'.repeat(45),
    ];
    await beside.with(2, async (a, b) => {
      for (const value of values)
        expect(
          await difference(a, b, [
            ['SET', 'a', value],
            ['OBJECT', 'ENCODING', 'a'],
            ['OBJECT', 'REFCOUNT', 'a'],
          ]),
        ).toBe(null);
    });
  });

  it('takes what it dumped, and gives it what it takes, compressed too', async () => {
    const values = [
      '',
      '0',
      '-128',
      '-129',
      '32767',
      '32768',
      '2147483647',
      '2147483648',
      '-2147483649',
      '12345678901',
      '0123',
      '\xff\0\r\n',
      'x'.repeat(63),
      'y'.repeat(64),
      'ab'.repeat(8192),
      Array.from({ length: 20_000 }, (_, i) => `${i * i} `).join(''),
    ];
    await beside.with(2, async (a, b) => {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const)
        for (const value of values) {
          const [, payload] = await from.ask([
            ['SET', 'k', value],
            ['DUMP', 'k'],
          ]);
          const [answer, got] = await to.ask([
            ['RESTORE', 'k', '0', payload?.text ?? '', 'REPLACE'],
            ['GET', 'k'],
          ]);
          expect([answer?.text, got?.text]).toEqual(['OK', value]);
        }
      const [, payload] = await b.ask([
        ['SET', 'k', 'z'.repeat(1000)],
        ['DUMP', 'k'],
      ]);
      expect(payload?.text?.length, 'it did compress').toBeLessThan(100);
    });
  });

  it('has every key once in a scan of keys that stay, in small steps', async () => {
    await beside.with(2, async (a) => {
      await a.ask([['FLUSHALL']]);
      const keys = Array.from({ length: 3000 }, (_, i) => (i % 3 === 0 ? `{t}${i}` : `k${i}`));
      await a.ask(keys.map((key): Words => ['SET', key, 'v']));
      expect((await a.ask([['DBSIZE']]))[0]?.text).toBe('3000');
      const met: string[] = [];
      let cursor = '0';
      do {
        const [reply] = await a.ask([['SCAN', cursor, 'MATCH', '*7*', 'COUNT', '20']]);
        cursor = reply?.parts[0]?.text ?? '0';
        met.push(...(reply?.parts[1]?.parts ?? []).map((part) => part.text ?? ''));
      } while (cursor !== '0');
      expect(met.sort()).toEqual(keys.filter((key) => key.includes('7')).sort());
    });
  });

  it('shows commands in COMMAND INFO as it does', async () => {
    const names = [...new CommandTable(COMMANDS).every()].map(({ name }) => name);
    const differences: string[] = [];
    let compared = 0;
    await beside.with(2, async (a, b) => {
      for (const name of names) {
        const [mine, other] = await Promise.all([a, b].map((c) => c.ask([['COMMAND', 'INFO', name]])));
        const [left, right] = [mine, other].map((answer) => answer?.[0]?.parts[0] as Reply);
        // Not in Redis 7.0; and that one writes nothing here.
        if (right?.parts.length === 0 || name === 'function|flush') continue;
        compared++;
        const [ours, theirs] = [left, right].map((entry) => entryText(entry as Reply));
        if (ours !== theirs) differences.push(`ours:  ${ours}\nredis: ${theirs}`.replaceAll('\n', ' '));
      }
    });
    expect(compared).toBeGreaterThan(150);
    expect(differences).toEqual([]);
  });
});
