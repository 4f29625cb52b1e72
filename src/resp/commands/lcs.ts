import { Span } from '../../store/index.ts';
import type { Call } from '../call.ts';
import { entries, keys } from './entry.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { copyValue } from './values.ts';

/** Cells of the table that is filled in: some 20 ms of this thread. Redis stops only where its memory does. */
const MAX_CELLS = 4 * 1024 * 1024;

interface Options {
  length: boolean;
  index: boolean;
  withLength: boolean;
  least: number;
}

/** A piece that both have: where it begins and ends in each. */
interface Match {
  a: number;
  aEnd: number;
  b: number;
  bEnd: number;
}

/** Longest common subsequence, by the table of all prefixes. */
function lcs(call: Call): void {
  const options = read(call);
  if (options === null) return;
  if (options.index && options.length) {
    call.reply.error('ERR If you want both the length and indexes, please just use IDX.');
    return;
  }
  if ((lengthOf(call, 1) + 1) * (lengthOf(call, 2) + 1) > MAX_CELLS) {
    call.reply.error('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len');
    return;
  }
  const a = textOf(call, 1);
  const b = textOf(call, 2);
  const width = b.length + 1;
  const cells = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const at = i * width + j;
      if (a[i - 1] === b[j - 1]) cells[at] = (cells[at - width - 1] as number) + 1;
      else cells[at] = Math.max(cells[at - width] as number, cells[at - 1] as number);
    }
  const length = cells[cells.length - 1] as number;
  if (options.length) {
    call.reply.integer(length);
    return;
  }
  const { matches, text } = trace(a, b, cells, width, length);
  if (!options.index) {
    call.reply.bulkText(text);
    return;
  }
  const shown = matches.filter((match) => match.aEnd - match.a + 1 >= options.least);
  call.reply.map(2);
  call.reply.bulkText('matches');
  call.reply.array(shown.length);
  for (const match of shown) {
    call.reply.array(options.withLength ? 3 : 2);
    pair(call, match.a, match.aEnd);
    pair(call, match.b, match.bEnd);
    if (options.withLength) call.reply.integer(match.aEnd - match.a + 1);
  }
  call.reply.bulkText('len');
  call.reply.integer(length);
}

function pair(call: Call, from: number, to: number): void {
  call.reply.array(2);
  call.reply.integer(from);
  call.reply.integer(to);
}

/** The way back through the table: the pieces, last first, and the subsequence. */
function trace(a: Uint8Array, b: Uint8Array, cells: Uint32Array, width: number, length: number) {
  const matches: Match[] = [];
  const found = new Uint8Array(length);
  let left = length;
  let match: Match | null = null;
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0 && left > 0) {
    if (a[i - 1] === b[j - 1]) {
      found[--left] = a[i - 1] as number;
      if (match !== null && match.a === i && match.b === j) {
        match.a--;
        match.b--;
      } else {
        match = { a: i - 1, aEnd: i - 1, b: j - 1, bEnd: j - 1 };
        matches.push(match);
      }
      i--;
      j--;
    } else if ((cells[(i - 1) * width + j] as number) > (cells[i * width + j - 1] as number)) i--;
    else j--;
  }
  return { matches, text: Buffer.from(found.buffer).toString('latin1') };
}

function lengthOf(call: Call, i: number): number {
  return call.read(i) ? call.store.table.valueLength : 0;
}

function textOf(call: Call, i: number): Uint8Array {
  const { table } = call.store;
  if (!call.find(i)) return new Uint8Array(0);
  const text = new Span(new Uint8Array(table.valueLength));
  copyValue(call, text, 0);
  return text.bytes;
}

/** Null after an error was given. */
function read(call: Call): Options | null {
  const options = { length: false, index: false, withLength: false, least: 0 };
  for (let i = 3; i < call.count; i++) {
    if (call.is(i, 'IDX')) options.index = true;
    else if (call.is(i, 'LEN')) options.length = true;
    else if (call.is(i, 'WITHMATCHLEN')) options.withLength = true;
    else if (call.is(i, 'MINMATCHLEN') && i + 1 < call.count) {
      const least = call.integer(++i);
      if (least === null) {
        call.reply.error(NOT_INTEGER);
        return null;
      }
      options.least = Math.max(least, 0);
    } else {
      call.reply.error(SYNTAX);
      return null;
    }
  }
  return options;
}

const entry = entries('string');

export const LCS_COMMANDS = [
  entry(
    'lcs',
    -3,
    'readonly',
    keys('RO access', 1, 2),
    '7.0.0',
    'What two values have in common, in order.',
    lcs,
  ),
];
