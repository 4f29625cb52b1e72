import { LIMITS } from '../../../src/base/index.ts';
import { FrameReader } from '../../../src/io/frame-reader.ts';
import { decodeBoot, encodeBoot } from '../../../src/io/state/boot-file.ts';
import {
  JOURNAL_MAGIC,
  readSnapshot,
  scanJournal,
  snapshotHeader,
  writeFrame,
} from '../../../src/io/state/frames.ts';
import type { Target } from '../target.ts';
import { A } from './machine.ts';

const MAX_FRAME = 4096;

/** Length-prefixed frames: however the bytes are cut into pieces, the same frames come out. */
export function framesTarget(): Target {
  const read = (input: Uint8Array, piece: number): string => {
    const reader = new FrameReader(() => MAX_FRAME);
    let out = '';
    for (let at = 0; at < input.length; at += piece) {
      const sound = reader.push(input.subarray(at, at + piece), (frame) => {
        out += `${frame.length}:${frame[0] ?? ''}:${frame.at(-1) ?? ''} `;
      });
      if (reader.heldBytes > 2 * input.length + MAX_FRAME) throw new Error(`holds ${reader.heldBytes} bytes`);
      if (!sound) return `${out}!`;
    }
    return out;
  };
  return {
    shape: { kind: 'bytes' },
    seeds: () => [
      Uint8Array.of(0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 9),
      Uint8Array.from([0, 0, 1, 0, ...new Array(256).fill(5), 0, 0, 0]),
      Uint8Array.of(0, 0, 16, 1),
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1),
    ],
    feed(input) {
      const whole = read(input, input.length || 1);
      for (const piece of [1, 3, 7]) {
        if (read(input, piece) !== whole) throw new Error(`cut into pieces of ${piece}: not '${whole}'`);
      }
      const frames = whole.split(' ').length - 1;
      return `${frames > 0 ? '+' : ''}${Math.min(frames, 5)}${whole.endsWith('!') ? ' too long' : ''}`;
    },
  };
}

/** Files of the state directory: what is taken is what was written. */
export function diskTarget(): Target {
  const journal = (...records: readonly Uint8Array[]): Uint8Array => {
    const out = new Uint8Array(JOURNAL_MAGIC.length + records.reduce((n, r) => n + 8 + r.length, 0));
    out.set(JOURNAL_MAGIC);
    let at = JOURNAL_MAGIC.length;
    for (const record of records) at = writeFrame(out, at, record);
    return out;
  };
  const payload = Uint8Array.of(1, 2, 3, 4, 5);
  return {
    shape: { kind: 'bytes' },
    seeds: () => [
      journal(Uint8Array.of(1), payload, new Uint8Array(100)),
      journal(),
      Uint8Array.from([...snapshotHeader(3, payload), ...payload]),
      encodeBoot({ id: A, leaseTo: 1025, incarnation: 3 }),
    ],
    feed(input) {
      const scan = scanJournal(input);
      let bytes = JOURNAL_MAGIC.length;
      for (const record of scan.records) {
        bytes += 8 + record.length;
        if (record.length > LIMITS.journalRecordBytes) throw new Error('a record that is too long was taken');
      }
      if (scan.records.length > 0 && bytes !== scan.soundBytes) throw new Error('sound bytes are miscounted');
      if (scan.soundBytes > input.length) throw new Error('more is sound than there is');
      const again = scan.soundBytes > 0 ? scanJournal(input.subarray(0, scan.soundBytes)) : scan;
      if (again.records.length !== scan.records.length) throw new Error('the sound part reads otherwise');
      const snapshot = readSnapshot(input);
      const boot = decodeBoot(input);
      if (snapshot !== null) return '+snapshot';
      if (boot !== null) return '+boot';
      return `${scan.records.length > 0 ? '+' : ''}${Math.min(4, scan.records.length)} ${scan.damaged}`;
    },
  };
}
