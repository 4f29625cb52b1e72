import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Span } from '../store/index.ts';
import { BATCH, BROKEN, MAX_ARGUMENTS, NEED_MORE, READY, RequestReader, SCRATCH_BYTES } from './request.ts';

const latin = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

function encode(words: readonly Uint8Array[]): Uint8Array {
  const parts = [latin(`*${words.length}\r\n`)];
  for (const word of words) parts.push(latin(`$${word.length}\r\n`), word, latin('\r\n'));
  return Uint8Array.from(Buffer.concat(parts));
}

/** The commands a reader gives for input that comes in these pieces, each word in hexadecimal; then how it ended. */
function read(pieces: readonly Uint8Array[], reader = new RequestReader()): string[] {
  const out: string[] = [];
  for (const piece of pieces) {
    reader.feed(piece);
    for (;;) {
      const outcome = reader.next();
      if (outcome === NEED_MORE) break;
      if (outcome === BROKEN) return [...out, `! ${reader.error}`];
      for (let i = 0; i < reader.size; i++) out.push(wordsOf(reader, i).join(' '));
    }
  }
  return out;
}

function wordsOf(reader: RequestReader, i: number): string[] {
  const words: string[] = [];
  const first = reader.firsts[i] as number;
  for (let k = first; k < first + (reader.counts[i] as number); k++) {
    const at = reader.starts[k] as number;
    words.push(
      Buffer.from(reader.span.bytes.subarray(at, at + (reader.lengths[k] as number))).toString('hex'),
    );
  }
  return words;
}

const shown = (words: readonly Uint8Array[]): string =>
  words.map((w) => Buffer.from(w).toString('hex')).join(' ');

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [...new Set(at.map((n) => n % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const to of [...places, bytes.length]) {
    pieces.push(bytes.slice(from, to));
    from = to;
  }
  return pieces;
}

const word = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.constantFrom('SET', '\r\n', '*1\r\n$1\r\n', '$', '').map(latin),
  fc.integer({ min: 100, max: 3000 }).map((n) => new Uint8Array(n).fill(0x2a)),
);
const command = fc.array(word, { minLength: 1, maxLength: 8 });

describe('the reader of requests', () => {
  it('reads what was written, whole, byte by byte, and however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (commands, places) => {
          const bytes = Uint8Array.from(Buffer.concat(commands.map(encode)));
          const expected = commands.map(shown);
          expect(read([bytes])).toEqual(expected);
          expect(read(cut(bytes, places))).toEqual(expected);
          if (bytes.length < 3000) expect(read(cut(bytes, [...bytes.keys()]))).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('takes inline commands among others, with quotes and escapes', () => {
    const text = `ping\r\n*1\r\n$4\r\nPING\r\nset "a b" 'c\\'d' "\\x41\\n"\n\r\n  get   x  \r\n`;
    const expected = ['ping', 'PING', "set|a b|c'd|A\n", 'get|x'].map((line) =>
      shown(line.split('|').map(latin)),
    );
    expect(read([latin(text)])).toEqual(expected);
    expect(
      read(
        cut(
          latin(text),
          [...text].map((_, i) => i),
        ),
      ),
    ).toEqual(expected);
  });

  it.each([
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*x\r\n', 'invalid multibulk length'],
    ['*99999999999\r\n', 'invalid multibulk length'],
    ['*1\r\n$-7\r\n', 'invalid bulk length'],
    ['*1\r\n:1\r\n', "expected '$', got ':'"],
    ['*1\r\n\x01', "expected '$', got '?'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$536870913\r\n', 'invalid bulk length'],
    ['*1\r\n$99999999999999\r\n', 'invalid bulk length'],
    ['*1\r\n$1x\r\n', 'invalid bulk length'],
    ['set "a\r\n', 'unbalanced quotes in request'],
    ["set 'a'b\r\n", 'unbalanced quotes in request'],
    ['x'.repeat(65_537), 'too big inline request'],
  ])('refuses %j', (input, error) => {
    expect(read([latin(input)]).at(-1)).toBe(`! Protocol error: ${error}`);
    expect(read(cut(latin(input), [1, 2, 3, 4, 5])).at(-1)).toBe(`! Protocol error: ${error}`);
  });

  it('runs what was whole before a fault', () => {
    expect(read([latin('*1\r\n$4\r\nPING\r\n*1\r\n:')])).toEqual([
      shown([latin('PING')]),
      "! Protocol error: expected '$', got ':'",
    ]);
  });

  it('has no command in empty arrays', () => {
    expect(read([latin('*0\r\n*-1\r\n*-2\r\n*1\r\n$1\r\na\r\n')])).toEqual([shown([latin('a')])]);
  });

  it('takes no memory for lengths that are only announced', () => {
    const before = process.memoryUsage();
    const readers = Array.from({ length: 100 }, () => new RequestReader());
    for (const reader of readers) {
      reader.feed(latin(`*${MAX_ARGUMENTS}\r\n$536870912\r\n`));
      expect(reader.next()).toBe(NEED_MORE);
      reader.feed(latin('some of it'));
      expect(reader.next()).toBe(NEED_MORE);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(20 << 20);
  });

  it('holds a large argument once, with little to spare', () => {
    const reader = new RequestReader();
    const length = 8 << 20;
    reader.feed(latin(`*2\r\n$4\r\nECHO\r\n$${length}\r\n`));
    expect(reader.next()).toBe(NEED_MORE);
    const piece = new Uint8Array(65_536).fill(97);
    for (let n = 0; n < length; n += piece.length) {
      reader.feed(piece);
      expect(reader.next()).toBe(NEED_MORE);
    }
    reader.feed(latin('\r\n'));
    expect(reader.next()).toBe(READY);
    expect(reader.lengths[1]).toBe(length);
    expect(reader.span.bytes.length).toBeLessThan(length + (1 << 17));
  });

  it('shares scratch memory with others, and keeps little of its own for what is left', () => {
    const scratch = new Span(new Uint8Array(SCRATCH_BYTES));
    const commands = Array.from({ length: 600 }, (_, i) => [
      latin(`word${i}`),
      new Uint8Array((i * 37) % 900),
    ]);
    const bytes = Uint8Array.from(Buffer.concat(commands.map(encode)));
    const readers = Array.from({ length: 8 }, () => {
      const reader = new RequestReader();
      reader.scratch = scratch;
      return { reader, at: 0, out: [] as string[] };
    });
    let step = 1;
    while (readers.some(({ at }) => at < bytes.length)) {
      for (const own of readers) {
        step = (step * 7919) % 20_011;
        const to = Math.min(bytes.length, own.at + step);
        own.out.push(...read([bytes.slice(own.at, to)], own.reader));
        own.at = to;
        own.reader.settle();
        if (own.reader.pendingBytes === 0) expect(own.reader.span.bytes.length).toBe(0);
        else expect(own.reader.span.bytes.buffer.byteLength).toBeLessThan(40_000);
      }
    }
    for (const { out } of readers) expect(out).toEqual(commands.map(shown));
  });

  it('may be fed from a buffer that others are fed from next', () => {
    const shared = new Span(new Uint8Array(4096));
    const bytes = Uint8Array.from(
      Buffer.concat([['SET', 'k', 'x'.repeat(9000)], ['PING']].map((w) => encode(w.map(latin)))),
    );
    const readers = [new RequestReader(), new RequestReader()];
    const out: string[][] = [[], []];
    for (let at = 0; at < bytes.length; at += 4000) {
      readers.forEach((reader, i) => {
        const piece = bytes.slice(at, at + 4000);
        shared.bytes.set(piece);
        reader.feedShared(shared, piece.length);
        while (reader.next() === READY)
          for (let k = 0; k < reader.size; k++) out[i]?.push(wordsOf(reader, k).join(' '));
        reader.settle();
        shared.bytes.fill(0);
      });
    }
    const expected = [shown([latin('SET'), latin('k'), latin('x'.repeat(9000))]), shown([latin('PING')])];
    expect(out).toEqual([expected, expected]);
  });

  it('before a password was given takes few and short arguments only', () => {
    const guarded = (): RequestReader => {
      const reader = new RequestReader();
      reader.authenticated = false;
      return reader;
    };
    expect(read([latin('*11\r\n')], guarded())).toEqual([
      '! Protocol error: unauthenticated multibulk length',
    ]);
    expect(read([latin('*1\r\n$16385\r\n')], guarded())).toEqual([
      '! Protocol error: unauthenticated bulk length',
    ]);
    expect(read([encode([latin('AUTH'), new Uint8Array(16_384)])], guarded())).toHaveLength(1);
  });

  it('reads commands again that were put back, also inline ones, and what follows them', () => {
    const commands = Array.from({ length: BATCH + 4 }, (_, i) => [latin(`word${i}`), latin('x'.repeat(i))]);
    const bytes = Uint8Array.from(
      Buffer.concat([
        ...commands.map(encode),
        latin('get "a b"\r\nping\r\n'),
        encode([latin('x'.repeat(5000))]),
      ]),
    );
    const expected = [
      ...commands.map(shown),
      shown([latin('get'), latin('a b')]),
      shown([latin('ping')]),
      shown([latin('x'.repeat(5000))]),
    ];
    fc.assert(
      fc.property(fc.array(fc.nat(BATCH - 1), { maxLength: 60 }), fc.nat(bytes.length), (puts, at) => {
        const reader = new RequestReader();
        const out: string[] = [];
        const left = [...puts];
        for (const piece of [bytes.slice(0, at), bytes.slice(at)]) {
          reader.feed(piece);
          while (reader.next() === READY) {
            const stop = left.pop() ?? BATCH;
            const { size } = reader;
            for (let i = 0; i < Math.min(size, stop); i++) out.push(wordsOf(reader, i).join(' '));
            if (stop < size) reader.putBack(stop);
          }
        }
        expect(out).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('keeps a large argument apart, as a rope, until somebody wants it as it came', () => {
    const large = new Uint8Array(3 * 2 ** 20).fill(120);
    const bytes = encode([
      latin('mset'),
      latin('k'),
      large,
      new Uint8Array(0),
      latin('v'),
      large.subarray(1),
    ]);
    const reader = new RequestReader();
    for (let at = 0; at < bytes.length; at += 60_000) {
      expect(reader.next()).toBe(NEED_MORE);
      reader.feed(bytes.slice(at, at + 60_000));
    }
    expect(reader.next()).toBe(READY);
    expect(reader.size).toBe(1);
    expect(reader.rope(2)?.length).toBe(large.length);
    expect(reader.rope(1)).toBeNull();
    expect(reader.span.bytes.length).toBeLessThan(100);
    for (let steps = 0; reader.large?.isFlat === false; steps++) {
      expect(steps).toBeLessThan(10);
      reader.large.assemble();
      reader.putBack(0);
      expect(reader.next()).toBe(READY);
      expect(wordsOf(reader, 0)[0]).toBe('6d736574');
    }
    expect(reader.beginOf(0)).toBe(0);
    expect(reader.endOf(0)).toBe(bytes.length);
    expect(Buffer.compare(reader.span.bytes, bytes)).toBe(0);
    reader.feed(encode([latin('ping')]));
    expect(reader.next()).toBe(READY);
    expect(wordsOf(reader, 0)).toEqual(['70696e67']);
  });
});
