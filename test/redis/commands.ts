import fc from 'fast-check';
import { FRAME_BYTES, writePayload } from '../../src/resp/dump-payload.ts';
import { Span } from '../../src/store/index.ts';
import type { Words } from './connection.ts';

/** Few keys, so that commands meet: with a tag, empty, and bytes that are no text. */
const key = fc.constantFrom('a', 'b', 'c', '{t}1', '{t}2', '', '\0\xff\r\n', 'a-long-key-'.repeat(8));
const INTEGERS = [
  '0',
  '1',
  '-1',
  '5',
  '10',
  '12',
  '-7',
  '100',
  '123456789012345',
  '999999999999999',
  '1000000000000000',
];
const EDGES = [
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775806',
  '9223372036854775808',
  '-9223372036854775809',
];
const NO_INTEGERS = [
  '',
  ' 1',
  '1 ',
  '+1',
  '01',
  '-0',
  '-',
  '1.0',
  'x',
  '1e3',
  '0x10',
  '99999999999999999999999',
];
const FLOATS = [
  '0.1',
  '0.2',
  '3.0e3',
  '-1.5',
  '1e17',
  '1.23456789012345678901',
  '5e-18',
  '1e4000',
  '-1e4932',
  '1e5000',
  '1e-5000',
  'inf',
  '-inf',
  'nan',
  '0x1p-3',
  '0x.8',
  '.5',
  '5.',
  '1e',
  '-0',
  '-0.0',
  '+3',
  '1e-4940',
  '18446744073709551616',
  '0.30000000000000004',
];
const TEXTS = [
  'foobar',
  'Hello, World',
  '\0\x01\x02',
  '\xff\xf0\x00',
  'a',
  'ab'.repeat(40),
  'x'.repeat(300),
  'mynewtext',
  'ohmytext',
];

/** Beyond what the arena holds, and beside its edge. */
const LARGE = [65_180, 65_256, 70_000, 200_000].map((length) => '\x55\xaa'.repeat(length / 2));

const integer = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...INTEGERS) },
  { weight: 1, arbitrary: fc.constantFrom(...EDGES) },
  { weight: 1, arbitrary: fc.constantFrom(...NO_INTEGERS) },
  { weight: 3, arbitrary: fc.integer({ min: -50, max: 50 }).map(String) },
);
const float = fc.oneof(
  fc.constantFrom(...FLOATS),
  fc.constantFrom(...INTEGERS),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map(String),
  fc
    .tuple(fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: 0, max: 20 }))
    .map(([a, b]) => `${a}e-${b}`),
);
const value = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...INTEGERS) },
  { weight: 3, arbitrary: fc.constantFrom(...EDGES, ...NO_INTEGERS) },
  { weight: 3, arbitrary: fc.constantFrom(...FLOATS) },
  { weight: 9, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: fc.constantFrom(...LARGE) },
  {
    weight: 6,
    arbitrary: fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
      maxLength: 20,
    }),
  },
);
const small = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -20, max: 130 }).map(String) },
  { weight: 2, arbitrary: integer },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 600_000 }).map(String) },
);

/** As DUMP gives it. */
function payloadOf(text: string): string {
  const room = new Span(new Uint8Array(text.length + 2 * FRAME_BYTES));
  Buffer.from(room.bytes.buffer).write(text, FRAME_BYTES, 'latin1');
  const { at, length } = writePayload(room, FRAME_BYTES, text.length);
  return Buffer.from(room.bytes.buffer, at, length).toString('latin1');
}

/** In the past, or so far away that nothing expires while the test runs; never so that two moments decide. */
const seconds = fc.constantFrom(
  '1000',
  '5000',
  '100000',
  '0',
  '-5',
  '9223372036854775',
  '9223372036854776',
  '9223372036854775807',
  'x',
  '3.5',
);
const milliseconds = fc.constantFrom(
  '1000000',
  '5000000',
  '0',
  '-5',
  '9223372036854775807',
  '-9223372036854775808',
  'x',
);
const secondsAt = fc.constantFrom(
  '4102444800',
  '4102444801',
  '5000000000',
  '1',
  '0',
  '-1',
  '9223372036854775',
  'y',
);
const millisecondsAt = fc.constantFrom(
  '4102444800000',
  '4102444800001',
  '5000000000000',
  '1',
  '0',
  '-1',
  'y',
);

type Part = string | fc.Arbitrary<string> | fc.Arbitrary<readonly string[]>;

/** A command from fixed words and arbitrary ones. */
function words(...parts: Part[]): fc.Arbitrary<Words> {
  return fc
    .tuple(
      ...parts.map((part) =>
        typeof part === 'string'
          ? fc.constant([part])
          : part.map((p: string | readonly string[]) => (typeof p === 'string' ? [p] : p)),
      ),
    )
    .map((lists) => lists.flat());
}

function maybe(...parts: Part[]): fc.Arbitrary<readonly string[]> {
  return fc.oneof(fc.constant([] as readonly string[]), words(...parts));
}

function some(min: number, max: number, ...parts: Part[]): fc.Arbitrary<readonly string[]> {
  return fc.array(words(...parts), { minLength: min, maxLength: max }).map((lists) => lists.flat());
}

const expiry = fc.oneof(
  words('EX', seconds),
  words('PX', milliseconds),
  words('EXAT', secondsAt),
  words('PXAT', millisecondsAt),
);
const setOption = fc.oneof(
  words('NX'),
  words('XX'),
  words('GET'),
  words('KEEPTTL'),
  expiry,
  words('PERSIST'),
  words('JUNK'),
);
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
const PLAIN: fc.Arbitrary<Words>[] = [
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
  words('EXPIRE', key, seconds, maybe(fc.constantFrom('NX', 'XX', 'nx', 'JUNK\r\nx'))),
  words('PEXPIRE', key, milliseconds, maybe(fc.constantFrom('NX', 'XX'))),
  words('EXPIREAT', key, secondsAt, some(0, 2, fc.constantFrom('NX', 'XX', 'GT', 'LT'))),
  words('PEXPIREAT', key, millisecondsAt, some(0, 2, fc.constantFrom('NX', 'XX', 'GT', 'LT'))),
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
  words('OBJECT', fc.constantFrom('HELP', 'JUNK', 'ENCODING'), maybe(fc.constant('a'), fc.constant('b'))),
  words('MEMORY', 'USAGE', key, maybe('SAMPLES', fc.constantFrom('0', '5', '-1', 'x'))),
  words(fc.constantFrom('FLUSHALL', 'FLUSHDB'), fc.constantFrom('JUNK')),
];

/** Of a connection and the server, where an answer can be the same. */
const AROUND: fc.Arbitrary<Words>[] = [
  words('PING', some(0, 2, value)),
  words('ECHO', value),
  words('SELECT', fc.constantFrom('0', '0', '1', '-1', 'x', '99999999999')),
  words('CLIENT', fc.constantFrom('GETNAME', 'JUNK', 'getname')),
  words('CLIENT', 'SETNAME', fc.constantFrom('', 'me', 'with space', 'new\nline')),
  words('CLIENT', fc.constantFrom('NO-EVICT', 'REPLY', 'TRACKING'), fc.constantFrom('JUNK')),
  words('COMMAND', 'GETKEYS', fc.oneof(...PLAIN)),
  words('COMMAND', fc.constantFrom('INFO', 'LIST', 'JUNK'), fc.constantFrom('nothing')),
  words('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', fc.constantFrom('get*', '*bit*')),
  words('PUBLISH', key, value),
  words('PUBSUB', fc.constantFrom('CHANNELS', 'NUMPAT', 'NUMSUB', 'JUNK', 'SHARDNUMSUB'), some(0, 2, key)),
  words('TIME'),
  words('LASTSAVE'),
  words('WAIT', fc.constantFrom('0', 'x', '-1'), fc.constantFrom('0', 'x', '-1', '10')),
  words('CONFIG', 'GET', some(1, 2, fc.constantFrom('maxmemory', 'nothing', 'time?ut', 'databases'))),
  words('CONFIG', 'SET', fc.constantFrom('nothing', 'timeout'), fc.constantFrom('0', 'x', '-1')),
  words('SLOWLOG', fc.constantFrom('RESET', 'JUNK')),
  words(fc.constantFrom('NOTHING', 'what\r\never', 'x'.repeat(200), ''), some(0, 4, value)),
  words('HELLO', some(0, 2, fc.constantFrom('1', '4', 'x', 'JUNK'))),
  words('AUTH', some(0, 3, value)),
];

/** A word too many or too few, the name in another case. */
const mangled = fc
  .tuple(fc.oneof(...PLAIN), fc.integer({ min: 0, max: 2 }), value)
  .map(([command, how, word]): Words => {
    if (how === 0) return command.slice(0, -1).length === 0 ? command : command.slice(0, -1);
    if (how === 1) return [...command, word];
    return [(command[0] as string).toLowerCase(), ...command.slice(1)];
  })
  // What empties the database.
  .filter(([name = '']) => !/^flush/i.test(name));

export const anyCommand: fc.Arbitrary<Words> = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...PLAIN) },
  { weight: 1, arbitrary: mangled },
  { weight: 2, arbitrary: fc.oneof(...AROUND) },
);
