import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventStreamParser } from './event-stream.ts';

const TEXT =
  ': heartbeat\n\nid: 1\nevent: x\ndata: {"a":1}\n\nid:2\r\ndata: b\r\ndata:  c\r\n\r\ndata: no id\n\nid: 4\n\ndata';

it('events have the last id seen, their data lines joined; comments and events without data are none', () => {
  expect(new EventStreamParser().push(TEXT)).toEqual([
    { id: '1', data: '{"a":1}' },
    { id: '2', data: 'b\n c' },
    { id: '2', data: 'no id' },
  ]);
});

it('a stream means the same however it is cut', () => {
  const whole = new EventStreamParser().push(TEXT);
  fc.assert(
    fc.property(fc.array(fc.nat(TEXT.length), { maxLength: 12 }), (cuts) => {
      const parser = new EventStreamParser();
      const at = [0, ...cuts.sort((a, b) => a - b), TEXT.length];
      const events = at.slice(1).flatMap((end, i) => parser.push(TEXT.slice(at[i], end)));
      expect(events).toEqual(whole);
    }),
  );
});

it('a line without end is refused', () => {
  const parser = new EventStreamParser();
  expect(() => {
    for (let i = 0; i < 3; i++) parser.push('x'.repeat(1 << 19));
  }).toThrow(/no end/);
});
