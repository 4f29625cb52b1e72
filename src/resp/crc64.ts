/** The polynomial of CRC-64/Jones, which ends Redis' snapshots and DUMP payloads, with its bits reversed. */
const POLYNOMIAL = 0x95ac9329ac4bc9b5n;

const LOW = new Int32Array(256);
const HIGH = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
  LOW[byte] = Number(BigInt.asIntN(32, crc));
  HIGH[byte] = Number(BigInt.asIntN(32, crc >> 32n));
}

/** The checksum of `length` bytes at `at`, as its lower and its upper 32 bits. */
export function crc64(bytes: Uint8Array, at: number, length: number): { low: number; high: number } {
  let low = 0;
  let high = 0;
  for (let i = at; i < at + length; i++) {
    const k = (low ^ (bytes[i] as number)) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (LOW[k] as number);
    high = (high >>> 8) ^ (HIGH[k] as number);
  }
  return { low, high };
}
