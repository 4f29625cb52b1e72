import { expect, test } from 'vitest';
import { ReplyWriter } from './reply.ts';

test('a reply that is taken back leaves the one before whole, also when that ends with what was not copied', () => {
  const reply = new ReplyWriter(64);
  reply.array(1);
  reply.rawParts([Buffer.from('$2\r\nk1\r\n')]);
  const from = reply.length;
  reply.array(2);
  reply.rawParts([Buffer.from('$1\r\na\r\n'), Buffer.from('$1\r\nb\r\n')]);
  reply.cut(from);
  reply.error('ERR too many');
  expect(Buffer.from(reply.takeWhole()).toString()).toBe('*1\r\n$2\r\nk1\r\n-ERR too many\r\n');
});
