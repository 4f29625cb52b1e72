import fc from 'fast-check';
import { FRAME_BYTES, writePayload } from '../../src/resp/dump-payload.ts';
import { Span } from '../../src/store/index.ts';
import type { Words } from './connection.ts';

/** Few keys, so that commands meet: with a tag, empty, and bytes that are no text. */
export const key = fc.constantFrom('a', 'b', 'c', '{t}1', '{t}2', '', '\0\xff\r\n', 'a-long-key-'.repeat(8));
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

export const integer = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...INTEGERS) },
  { weight: 1, arbitrary: fc.constantFrom(...EDGES) },
  { weight: 1, arbitrary: fc.constantFrom(...NO_INTEGERS) },
  { weight: 3, arbitrary: fc.integer({ min: -50, max: 50 }).map(String) },
);
export const float = fc.oneof(
  fc.constantFrom(...FLOATS),
  fc.constantFrom(...INTEGERS),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map(String),
  fc
    .tuple(fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: 0, max: 20 }))
    .map(([a, b]) => `${a}e-${b}`),
);
export const value = fc.oneof(
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
export const small = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -20, max: 130 }).map(String) },
  { weight: 2, arbitrary: integer },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 600_000 }).map(String) },
);

/** As DUMP gives it. */
export function payloadOf(text: string): string {
  const room = new Span(new Uint8Array(text.length + 2 * FRAME_BYTES));
  Buffer.from(room.bytes.buffer).write(text, FRAME_BYTES, 'latin1');
  const { at, length } = writePayload(room, FRAME_BYTES, text.length);
  return Buffer.from(room.bytes.buffer, at, length).toString('latin1');
}

/** In the past, or so far away that nothing expires while the test runs; never so that two moments decide. */
export const seconds = fc.constantFrom(
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
export const milliseconds = fc.constantFrom(
  '1000000',
  '5000000',
  '0',
  '-5',
  '9223372036854775807',
  '-9223372036854775808',
  'x',
);
export const secondsAt = fc.constantFrom(
  '4102444800',
  '4102444801',
  '5000000000',
  '1',
  '0',
  '-1',
  '9223372036854775',
  'y',
);
export const millisecondsAt = fc.constantFrom(
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
export function words(...parts: Part[]): fc.Arbitrary<Words> {
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

export function maybe(...parts: Part[]): fc.Arbitrary<readonly string[]> {
  return fc.oneof(fc.constant([] as readonly string[]), words(...parts));
}

export function some(min: number, max: number, ...parts: Part[]): fc.Arbitrary<readonly string[]> {
  return fc.array(words(...parts), { minLength: min, maxLength: max }).map((lists) => lists.flat());
}

export const expiry = fc.oneof(
  words('EX', seconds),
  words('PX', milliseconds),
  words('EXAT', secondsAt),
  words('PXAT', millisecondsAt),
);
