import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplyReader } from './reply-reader.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const text = (piece: Uint8Array): string => Buffer.from(piece).toString('latin1');

function read(chunks: readonly Uint8Array[], reader = new ReplyReader()): string[] {
  const out: string[] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (let piece = reader.next(); piece !== null; piece = reader.next()) out.push(text(piece));
    // The chunk may be another's afterwards.
    chunk.fill(0);
  }
  return out;
}

const line = fc.stringMatching(/^[ -~]{0,12}$/);
const leaf = fc.oneof(
  line.map((s) => `+${s}\r\n`),
  line.map((s) => `-${s}\r\n`),
  fc.integer().map((n) => `:${n}\r\n`),
  fc.string({ unit: 'binary-ascii', maxLength: 30 }).map((s) => `$${s.length}\r\n${s}\r\n`),
  fc.constantFrom(
    '$-1\r\n',
    '*-1\r\n',
    '_\r\n',
    '#t\r\n',
    ',3.14\r\n',
    '(123456789012345678901\r\n',
    '*0\r\n',
    '%0\r\n',
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 9 }).map((s) => `=${s.length + 4}\r\ntxt:${s}\r\n`),
);
const { reply } = fc.letrec<{ reply: string }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc
      .tuple(fc.constantFrom('*', '~', '>'), fc.array(tie('reply'), { maxLength: 4 }))
      .map(([sign, parts]) => `${sign}${parts.length}\r\n${parts.join('')}`),
    fc
      .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 })
      .map((pairs) => `%${pairs.length}\r\n${pairs.flat().join('')}`),
    fc.tuple(leaf, leaf, tie('reply')).map(([key, value, about]) => `|1\r\n${key}${value}${about}`),
  ),
}));

test('replies are found whole, one after the other, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(reply, { maxLength: 6 }),
      fc.array(fc.nat(40), { maxLength: 40 }),
      (replies, cuts) => {
        const all = bytes(replies.join(''));
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(all.slice(at, at + cut));
          at += cut;
        }
        chunks.push(all.slice(at));
        expect(read(chunks)).toEqual(replies);
      },
    ),
  );
});

test('a stream byte by byte gives the same replies', () => {
  const replies = [
    '*2\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n*0\r\n',
    '|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n',
    '-ERR no\r\n',
  ];
  expect(read([...bytes(replies.join(''))].map((byte) => Uint8Array.of(byte)))).toEqual(replies);
});

test.each([
  ['a type nobody has', '?\r\n1\r\n'],
  ['a length that is none', '$1x\r\n'],
  ['a length below -1', '*-2\r\n'],
  ['a line without its end', '+OK\n'],
  ['a streamed string', '$?\r\n'],
  ['a string longer than allowed', '$1000\r\n'],
  ['a line that never ends', `+${'x'.repeat(70_000)}`],
])('%s ends the stream with a reason', (_name, input) => {
  const reader = new ReplyReader(999);
  expect(read([bytes(input)], reader)).toEqual([]);
  expect(reader.error).not.toBe('');
  expect(read([bytes('+OK\r\n')], reader)).toEqual([]);
});

test('no more is kept of one reply than allowed', () => {
  const reader = new ReplyReader(1000);
  const chunks = Array.from({ length: 30 }, () => bytes(`${':1\r\n'.repeat(20)}`));
  expect(read([bytes('*1000\r\n'), ...chunks], reader)).toEqual([]);
  expect(reader.error).toBe('a reply is too long');
});
