import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DONE, ERROR, MISSING, NONE, type Reply, ReplyReader } from './replies.ts';
import { ErrorReply, readValue } from './values.ts';

const WIRE = ['+OK\r\n', '$3\r\na\r\n\r\n', '$0\r\n\r\n', '$-1\r\n', '_\r\n', ':12\r\n', '-ERR no\r\n'];
const KINDS = [DONE, DONE, DONE, MISSING, MISSING, DONE, ERROR];

describe('the counting reader', () => {
  it('reads the same however the bytes are cut, from a buffer that is written over', () => {
    const picks = fc.array(fc.nat(WIRE.length - 1), { maxLength: 20 });
    fc.assert(
      fc.property(picks, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (which, cuts) => {
        const bytes = Buffer.from(which.map((i) => WIRE[i]).join(''));
        const reader = new ReplyReader();
        const seen: Reply[] = [];
        const buffer = Buffer.alloc(16);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = Math.min(cuts[i % cuts.length] as number, bytes.length - at);
          bytes.copy(buffer, 0, at, at + size);
          reader.feed(buffer.subarray(0, size));
          for (let kind = reader.next(); kind !== NONE; kind = reader.next()) seen.push(kind);
          buffer.fill(0);
          at += size;
        }
        expect(seen).toEqual(which.map((i) => KINDS[i]));
        if (which.includes(6)) expect(reader.error).toBe('ERR no');
      }),
    );
  });

  it.each(['HTTP/1.1 400 Bad Request\r\n', '$x\r\n', '$99999999999\r\n'])('refuses %j', (text) => {
    const reader = new ReplyReader();
    reader.feed(Buffer.from(text));
    expect(() => reader.next()).toThrow();
  });
});

describe('the reader of whole replies', () => {
  const read = (text: string) => readValue(Buffer.from(text), 0);

  it('reads nested arrays, maps, nothing and errors, and waits for what is not whole', () => {
    const text = '*3\r\n*2\r\n:0\r\n$3\r\nabc\r\n%1\r\n+a\r\n_\r\n-ERR x\r\n';
    expect(read(text)).toEqual({
      value: [[0, 'abc'], ['a', null], new ErrorReply('ERR x')],
      next: text.length,
    });
    for (let i = 0; i < text.length; i++) expect(read(text.slice(0, i))).toBeNull();
    expect(read('$-1\r\n')?.value).toBeNull();
  });

  it.each(['HTTP/1.1 400\r\n', '*99999999\r\n', '*x\r\n', '*1\r\n'.repeat(40)])('refuses %j', (text) => {
    expect(() => read(text)).toThrow();
  });
});
