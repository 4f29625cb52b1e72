import fc from 'fast-check';
import { AROUND } from './around.ts';
import type { Words } from './connection.ts';
import {
  expiry,
  float,
  integer,
  key,
  maybe,
  milliseconds,
  millisecondsAt,
  payloadOf,
  seconds,
  secondsAt,
  small,
  some,
  value,
  words,
} from './words.ts';

const setOption = fc.oneof(
  words('NX'),
  words('XX'),
  words('GET'),
  words('KEEPTTL'),
  expiry,
  words('PERSIST'),
  words('JUNK'),
);
const conditions = some(0, 2, fc.constantFrom('NX', 'XX', 'GT', 'LT', 'NX', 'XX', 'GT', 'LT', 'JUNK\r\nx'));
const range = maybe(small, small, maybe(fc.constantFrom('BYTE', 'BIT', 'bit', 'JUNK')));
const width = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constantFrom('i', 'u'), fc.integer({ min: 1, max: 63 })).map(([s, n]) => s + n),
  },
  fc.constantFrom('i64', 'u64', 'i65', 'u0', 'i', 'x8', 'I8', 'i08', 'u8 '),
);
const bit = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 200 }).map(String) },
  fc.constantFrom('#0', '#1', '#7', '-1', '#', '#-1', 'x', '4294967296'),
);
const fieldOperation = fc.oneof(
  words('GET', width, bit),
  // The lowest of all saturates at the wrong end in Redis: a difference that is in src/resp/README.md.
  words(
    'SET',
    width,
    bit,
    integer.filter((text) => text !== '-9223372036854775808'),
  ),
  words('INCRBY', width, bit, integer),
  words('OVERFLOW', fc.constantFrom('WRAP', 'SAT', 'FAIL', 'sat', 'JUNK')),
);
const pattern = fc.oneof(
  fc.constantFrom(
    '*',
    'a',
    '?',
    '*t*',
    '[a-c]',
    '[^a]',
    '\\a',
    '{t}[12]',
    '',
    '[',
    '[a',
    '\\',
    '[c-a]',
    '[\\a]',
    '*\xff*',
    '[^',
    'a-*-*key-',
  ),
  fc.string({
    unit: fc.constantFrom('a', 'b', '*', '?', '[', ']', '^', '-', '\\', '{', 't', '}', '1'),
    maxLength: 8,
  }),
);

/** Commands of the string, bitmap and generic groups, right and wrong. */
export const PLAIN: fc.Arbitrary<Words>[] = [
  words('GET', key),
  words('SET', key, value),
  words('SET', key, value),
  words('SET', key, value, some(1, 3, setOption)),
  words('SETNX', key, value),
  words('SETEX', key, seconds, value),
  words('PSETEX', key, milliseconds, value),
  words('GETEX', key, some(0, 2, fc.oneof(expiry, words('PERSIST'), words('JUNK')))),
  words('GETDEL', key),
  words('GETSET', key, value),
  words('MGET', some(0, 4, key)),
  words('MSET', some(0, 3, key, value), maybe(key)),
  words('MSETNX', some(0, 3, key, value), maybe(key)),
  words('APPEND', key, value),
  words('STRLEN', key),
  words('SETRANGE', key, small, value),
  words(fc.constantFrom('GETRANGE', 'SUBSTR'), key, small, small),
  words(fc.constantFrom('INCR', 'DECR'), key),
  words(fc.constantFrom('INCRBY', 'DECRBY'), key, integer),
  words('INCRBYFLOAT', key, float),
  words(
    'LCS',
    key,
    key,
    some(
      0,
      2,
      fc.oneof(words('IDX'), words('LEN'), words('WITHMATCHLEN'), words('MINMATCHLEN', small), words('JUNK')),
    ),
  ),
  words('SETBIT', key, small, fc.constantFrom('0', '1', '1', '2', 'x')),
  words('GETBIT', key, small),
  words('BITCOUNT', key, range),
  words(
    'BITPOS',
    key,
    fc.constantFrom('0', '1', '0', '1', '2', 'x'),
    maybe(small, maybe(small, maybe(fc.constantFrom('BYTE', 'BIT', 'JUNK')))),
  ),
  words('BITOP', fc.constantFrom('AND', 'OR', 'XOR', 'NOT', 'not', 'JUNK'), key, some(1, 3, key)),
  words('BITFIELD', key, some(0, 4, fieldOperation)),
  words(
    'BITFIELD_RO',
    key,
    some(0, 3, fc.oneof({ weight: 5, arbitrary: words('GET', width, bit) }, fieldOperation)),
  ),
  words(fc.constantFrom('DEL', 'UNLINK', 'EXISTS', 'TOUCH'), some(0, 4, key)),
  words('TYPE', key),
  words(fc.constantFrom('RENAME', 'RENAMENX'), key, key),
  words(
    'COPY',
    key,
    key,
    some(
      0,
      2,
      fc.oneof(
        words('REPLACE'),
        words('DB', fc.constantFrom('0', '1', '-1', 'x', '99999999999')),
        words('JUNK'),
      ),
    ),
  ),
  words('EXPIRE', key, seconds, conditions),
  words('PEXPIRE', key, milliseconds, conditions),
  words('EXPIREAT', key, secondsAt, conditions),
  words('PEXPIREAT', key, millisecondsAt, conditions),
  words(fc.constantFrom('TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME', 'PERSIST'), key),
  words('KEYS', pattern),
  words('RANDOMKEY'),
  words('DBSIZE'),
  words(
    'SCAN',
    fc.constantFrom('0', '0', '', 'x', '-', '99999999999999999999999'),
    some(
      0,
      2,
      fc.oneof(
        words('MATCH', pattern),
        words('COUNT', fc.constantFrom('1000', '1000', '0', '-1', 'x')),
        words('TYPE', fc.constantFrom('string', 'STRING', 'hash', 'junk')),
        words('JUNK'),
      ),
    ),
  ),
  words('DUMP', key),
  words(
    'RESTORE',
    key,
    // Sums that do not fit in 64 bits wrap around in Redis.
    fc.constantFrom('0', '0', '0', '1000000', '5000000', '4102444800000', '-5', 'x'),
    fc.oneof({ weight: 9, arbitrary: value.map(payloadOf) }, value),
    some(
      0,
      2,
      fc.oneof(
        words('REPLACE'),
        words('REPLACE'),
        words('ABSTTL'),
        words(fc.constantFrom('IDLETIME', 'FREQ'), small),
        words('JUNK'),
      ),
    ),
  ),
  words('OBJECT', fc.constantFrom('IDLETIME', 'FREQ', 'freq'), key),
  words('MULTI'),
  words('EXEC'),
  words('EXEC'),
  words(fc.constantFrom('DISCARD', 'UNWATCH')),
  words('WATCH', some(0, 2, key)),
  words(
    'OBJECT',
    fc.constantFrom('HELP', 'JUNK', 'ENCODING', 'REFCOUNT'),
    maybe(fc.constant('a'), fc.constant('b')),
  ),
  words('MEMORY', 'USAGE', key, maybe('SAMPLES', fc.constantFrom('0', '5', '-1', 'x'))),
  words(fc.constantFrom('FLUSHALL', 'FLUSHDB'), fc.constantFrom('JUNK', 'JUNK', 'JUNK', 'SYNC', 'ASYNC')),
];

/** The keys of commands right and wrong. SET and BITFIELD have flags of all their forms here: see src/resp/README.md. */
const ASKED: fc.Arbitrary<Words>[] = [
  words('COMMAND', 'GETKEYS', fc.oneof(...PLAIN, ...AROUND)),
  words(
    'COMMAND',
    'GETKEYSANDFLAGS',
    fc.oneof(...PLAIN, ...AROUND).filter(([name = '']) => !/^(set|bitfield)$/i.test(name)),
  ),
];

const any = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...PLAIN) },
  { weight: 2, arbitrary: fc.oneof(...AROUND, ...ASKED) },
);

/** With something wrong, or in another case: a word too few anywhere, one too many, one twice. */
const mangled = fc
  .tuple(any, fc.constantFrom('less', 'more', 'twice', 'case', 'case'), fc.nat(), value)
  .map(([command, how, n, word]): Words => {
    const at = n % command.length;
    // Not the name: the next word might be one of a command that is not here.
    if (how === 'less') return command.filter((_, i) => i === 0 || i !== at);
    if (how === 'more') return command.toSpliced(at + 1, 0, word);
    if (how === 'twice') return command.toSpliced(at, 0, command[at] as string);
    return command.map((w, i) => (/^[A-Z]{2,}$/.test(w) && (n >> i) % 2 === 0 ? w.toLowerCase() : w));
  })
  .filter((words) => !isUnfit(words));

/** Nothing can be told afterwards: the database is empty, the connection is gone or silent, time passes. */
function isUnfit([name = '', second = '', ...more]: Words): boolean {
  if (/^(flush|quit|monitor|shutdown|debug|wait$)/i.test(name)) return true;
  // One picture, without arguments; and none of it is done: see src/resp/README.md.
  if (/^lolwut$/i.test(name) && more.length > 0) return true;
  if (/^hello$/i.test(name) && more.length > 0) return true;
  return /^client$/i.test(name) && /^(reply|pause|kill|tracking)$/i.test(second) && !more.includes('JUNK');
}

const transaction = fc
  .tuple(some(0, 1, 'WATCH', key), fc.array(fc.oneof(...PLAIN), { maxLength: 8 }))
  .map(([watch, commands]): Words[] => [
    ...(watch.length > 0 ? [watch] : []),
    ['MULTI'],
    ...commands,
    ['EXEC'],
  ]);

/** Commands that follow one another; many of them, for what the tenth does may depend on the second. */
export function sequences(maxLength: number): fc.Arbitrary<Words[]> {
  const part = fc.oneof(
    { weight: 12, arbitrary: any.map((words) => [words]) },
    { weight: 1, arbitrary: mangled.map((words) => [words]) },
    { weight: 1, arbitrary: transaction },
  );
  return fc.array(part, { maxLength, size: 'max' }).map((parts) => parts.flat());
}
