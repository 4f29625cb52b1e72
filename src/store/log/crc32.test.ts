import { expect, it } from 'vitest';
import { SeededRng, utf8 } from '../../base/index.ts';
import { crc32, slowCrc32 } from './crc32.ts';

it('the checksum is the one everybody knows, by either way, at any length', () => {
  expect(slowCrc32(utf8('123456789'))).toBe(0xcbf43926);
  const rng = new SeededRng(1);
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, () => rng.below(256));
    expect(slowCrc32(bytes)).toBe(crc32(bytes));
    expect(slowCrc32(bytes, 7)).toBe(crc32(bytes, 7));
  }
});
