import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Address, NodeId } from '../../src/base/index.ts';
import { resolveConfig } from '../../src/config/index.ts';
import type { MemberRecord } from '../../src/members/index.ts';
import { decodeValue, encodeValue, recordFromWire, recordToWire } from '../../src/wire/index.ts';

/** What a node with these settings writes into its journal and tells its peers. */
function recordOf(flags: Record<string, string[]>): MemberRecord {
  const readFile = (): never => {
    throw Object.assign(new Error('none'), { code: 'ENOENT' });
  };
  const { name, tags } = resolveConfig({ flags, env: {}, readFile, hostname: 'board', homedir: '/home/u' });
  return {
    id: '00000000000000a1' as NodeId,
    incarnation: 1,
    state: 0,
    reachVersion: 0,
    reach: '00000000000000a1' as NodeId,
    name,
    addresses: ['10.0.0.1:29999' as Address],
    resp: null,
    tags,
    capacity: { cores: 4 },
    version: '0.1.0',
    bootNonce: 7,
  };
}

const throughBytes = (record: MemberRecord) => recordFromWire(decodeValue(encodeValue(recordToWire(record))));

/** Names that objects have by themselves, parts of any plane and halves of pairs, and plain text. */
const text = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '0', '-1'),
  },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 130 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0xd700, max: 0xffff }), { maxLength: 60 })
      .map((units) => String.fromCharCode(...units)),
  },
);

it('every record that the settings allow comes back from its bytes as it was', () => {
  let allowed = 0;
  fc.assert(
    fc.property(text, fc.array(fc.tuple(text, text), { maxLength: 4 }), (name, tags) => {
      let record: MemberRecord;
      try {
        record = recordOf({ name: [name], tag: tags.map(([key, value]) => `${key}=${value}`) });
      } catch {
        return;
      }
      allowed++;
      expect(throughBytes(record)).toEqual(record);
    }),
    { numRuns: 3000 },
  );
  expect(allowed).toBeGreaterThan(300);
});

it('a tag called __proto__ is refused by the settings and in a record', () => {
  expect(() => recordOf({ tag: ['__proto__=x'] })).toThrow("'__proto__' cannot be the key of a tag");
  expect(() => recordOf({ tag: [`a=${'x'.repeat(60)}\ud800`] })).toThrow('half of a surrogate pair');
  const record = recordOf({ tag: ['constructor=x', 'toString=y'] });
  expect(throughBytes(record)).toEqual(record);
  const wire = recordToWire(record);
  wire[8] = Object.fromEntries([['__proto__', 'x']]);
  expect(recordFromWire(wire)).toBe(null);
});
