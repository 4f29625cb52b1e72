import { crc64 } from '../../../src/resp/crc64.ts';
import { FRAME_BYTES, readPayload, writePayload } from '../../../src/resp/dump-payload.ts';
import { BROKEN, NEED_MORE, RequestReader } from '../../../src/resp/request.ts';
import { Span } from '../../../src/store/index.ts';
import type { Target } from '../target.ts';

const MAX_PAYLOAD_BYTES = 100_000;

/** Words of the protocol, to make changes of. */
const WORDS = [
  '*3\r\n',
  '$3\r\n',
  '\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '*1048576\r\n',
  '$536870912\r\n',
  'SET',
  '"',
  "'",
  '\\x41',
  '\\',
];

/**
 * What clients send: however the bytes are cut into pieces, and whatever is put back to be read again, the same commands come
 * out, inside what came; and memory is taken for what came, not for what was announced.
 */
export function requestTarget(): Target {
  return {
    shape: { kind: 'text', words: WORDS },
    seeds: () =>
      [
        '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\nvv\r\n',
        '*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\nPING\r\n',
        'set "a b" \'c\\\'d\' "\\x41\\n"\r\n',
        '*0\r\n*-1\r\n\r\n*1\r\n$1\r\nx\r\n',
        '*11\r\n$1\r\na\r\n',
        '*2\r\n$3\r\nGET\r\n$16385\r\n',
        `*40\r\n${'$1\r\na\r\n'.repeat(40)}`,
        `${'*1\r\n$1\r\na\r\n'.repeat(40)}*`,
        '*1\r\n:1\r\n',
      ].map((text) => Uint8Array.from(Buffer.from(text, 'latin1'))),
    feed(input) {
      let word = '';
      for (const authenticated of [true, false]) {
        const whole = commands(input, input.length || 1, authenticated, 0);
        for (const piece of [1, 3, 7])
          same(whole, commands(input, piece, authenticated, 0), `pieces of ${piece}`);
        same(whole, commands(input, input.length || 1, authenticated, 1), 'put back');
        same(whole, commands(input, 5, authenticated, 3), 'pieces of 5, put back');
        const count = Math.min(whole.length, 4);
        const last = whole.at(-1) ?? '';
        word += `${whole.length > 0 && !last.startsWith('!') ? '+' : ''}${count}${last.startsWith('!') ? last : ''} `;
      }
      return word.trim();
    },
  };
}

/** What RESTORE is given: as it came, and with a checksum made right; a string within bounds comes out, or a fault. */
export function payloadTarget(): Target {
  return {
    shape: { kind: 'bytes' },
    seeds: () =>
      ['', '7', '-300', '70000', 'hello', 'x'.repeat(100), 'y'.repeat(20_000)]
        .map((text) => {
          const room = new Span(new Uint8Array(text.length + 2 * FRAME_BYTES));
          room.bytes.set(Buffer.from(text, 'latin1'), FRAME_BYTES);
          const { at, length } = writePayload(room, FRAME_BYTES, text.length);
          return room.bytes.slice(at, at + length);
        })
        .concat(
          // LZF: a byte as it is, and that byte nine times; in and out of bounds.
          Uint8Array.of(0, 0xc3, 5, 10, 0, 65, 0xe0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0),
          Uint8Array.of(0, 0xc3, 2, 0x80, 0x7f, 255, 255, 255, 0, 65, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        ),
    feed(input) {
      const word = readAll(new Span(input));
      if (input.length < 10) return word;
      const made = new Span(input.slice());
      const end = input.length - 8;
      made.bytes.set([10, 0], end - 2);
      const { low, high } = crc64(made.bytes, 0, end);
      made.view.setInt32(end, low, true);
      made.view.setInt32(end + 4, high, true);
      return readAll(made);
    },
  };
}

function readAll(span: Span): string {
  const found = readPayload(span, 0, span.bytes.length, MAX_PAYLOAD_BYTES);
  if (typeof found === 'string') return found;
  if (found.length > MAX_PAYLOAD_BYTES || found.at + found.length > found.span.bytes.length)
    throw new Error(`${found.length} bytes at ${found.at} of ${found.span.bytes.length}`);
  return `+${Math.min(found.length, 40)}`;
}

function same(one: readonly string[], other: readonly string[], what: string): void {
  if (one.join('\n') !== other.join('\n')) throw new Error(`${what}: '${other}', not '${one}'`);
}

/** Each command's words; `every` so many are run before the others of their batch are put back (0: never). */
function commands(input: Uint8Array, piece: number, authenticated: boolean, every: number): string[] {
  const reader = new RequestReader();
  reader.authenticated = authenticated;
  const out: string[] = [];
  for (let at = 0; at < input.length; at += piece) {
    reader.feed(input.slice(at, at + piece));
    for (;;) {
      const outcome = reader.next();
      if (outcome === NEED_MORE) break;
      if (outcome === BROKEN) return [...out, `!${reader.error.slice(0, 40)}`];
      const run = every === 0 ? reader.size : Math.min(every, reader.size);
      for (let i = 0; i < run; i++) out.push(words(reader, i));
      if (run < reader.size) reader.putBack(run);
    }
    if (reader.pendingBytes > input.length * 4 + 64) throw new Error(`holds ${reader.pendingBytes} bytes`);
    if (reader.span.bytes.length > input.length * 8 + 65_536)
      throw new Error(`takes ${reader.span.bytes.length} bytes`);
  }
  return out;
}

function words(reader: RequestReader, i: number): string {
  const found: string[] = [];
  const first = reader.firsts[i] as number;
  const count = reader.counts[i] as number;
  for (let k = first; k < first + count; k++) {
    const at = reader.starts[k] as number;
    const length = reader.lengths[k] as number;
    if (at < 0 || length < 0 || at + length > reader.span.bytes.length)
      throw new Error('outside of what came');
    found.push(Buffer.from(reader.span.bytes.subarray(at, at + length)).toString('hex'));
  }
  return found.join(' ');
}
