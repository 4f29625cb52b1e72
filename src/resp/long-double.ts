/**
 * The numbers of INCRBYFLOAT: 80-bit extended precision, as the x87 and so Redis on x86-64 has them, whatever machine this is; so
 * that 0.1 + 0.2 is 0.3, and all nodes agree. A value is `mantissa * 2^exponent`, the mantissa below 2^64; results are rounded
 * to the nearest, ties to even.
 */
export interface LongDouble {
  /** With its sign. */
  readonly mantissa: bigint;
  readonly exponent: number;
}

const BITS = 64;
/** Exponents of the last bit: of the largest numbers, and of the smallest (which have fewer bits). */
const MAX_EXPONENT = 16383 - 63;
const MIN_EXPONENT = -16382 - 63;
/** Decimal exponents beyond which a number is infinite or zero, however many digits it has: it has 5 KB at most. */
const MAX_DECIMAL = 4933;
const MIN_DECIMAL = -4970;
const MAX_LENGTH = 5 * 1024;
const DIGITS = 17;

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?\d+))?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;

/** As C's strtold takes it, the whole text; null when it is no number, or out of range; `infinite` for an infinity that is spelled out. */
export function parseLongDouble(text: string): LongDouble | 'infinite' | null {
  if (text.length === 0 || text.length >= MAX_LENGTH) return null;
  if (INFINITE.test(text)) return 'infinite';
  const hexadecimal = HEXADECIMAL.exec(text);
  const match = hexadecimal ?? DECIMAL.exec(text);
  if (match === null) return null;
  const [, sign = '', whole = '', part = '', power = '0'] = match;
  const digits = whole + part;
  if (digits === '') return null;
  const value = BigInt((hexadecimal === null ? '' : '0x') + digits);
  if (value === 0n) return { mantissa: 0n, exponent: 0 };
  const signed = sign === '-' ? -value : value;
  const result =
    hexadecimal === null
      ? scaled(signed, Number(power) - part.length)
      : rounded(signed, 1n, clamp(Number(power)) - part.length * 4);
  return result === null || result.mantissa === 0n ? null : result;
}

export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | null {
  const low = Math.min(a.exponent, b.exponent);
  return rounded(
    (a.mantissa << BigInt(a.exponent - low)) + (b.mantissa << BigInt(b.exponent - low)),
    1n,
    low,
  );
}

/** With 17 digits after the point, as C's `%.17Lf` rounds them, and without the zeros at the end. */
export function longDoubleText({ mantissa, exponent }: LongDouble): string {
  const negative = mantissa < 0n;
  const scale = 10n ** BigInt(DIGITS);
  const size = (negative ? -mantissa : mantissa) * scale;
  const number = exponent >= 0 ? size << BigInt(exponent) : toNearest(size, 1n << BigInt(-exponent));
  const digits = String(number).padStart(DIGITS + 1, '0');
  const part = digits.slice(-DIGITS).replace(/0+$/, '');
  const text = digits.slice(0, -DIGITS) + (part === '' ? '' : `.${part}`);
  return negative && text !== '0' ? `-${text}` : text;
}

/** `value * 10^power` */
function scaled(value: bigint, power: number): LongDouble | null {
  const size = String(value).length + power;
  if (size > MAX_DECIMAL + 1) return null;
  if (size < MIN_DECIMAL) return { mantissa: 0n, exponent: 0 };
  return power >= 0 ? rounded(value * 10n ** BigInt(power), 1n, 0) : rounded(value, 10n ** BigInt(-power), 0);
}

/** The nearest number to `value / divisor * 2^exponent`; null when it is too large. */
function rounded(value: bigint, divisor: bigint, exponent: number): LongDouble | null {
  const size = value < 0n ? -value : value;
  if (size === 0n) return { mantissa: 0n, exponent: 0 };
  // First the place of the last bit, one too low at most, then the mantissa.
  let last = Math.max(bitsOf(size) - bitsOf(divisor) - BITS + exponent, MIN_EXPONENT);
  let mantissa = at(size, divisor, last - exponent);
  if (bitsOf(mantissa) > BITS) mantissa = at(size, divisor, ++last - exponent);
  if (mantissa === 1n << BigInt(BITS)) {
    mantissa >>= 1n;
    last++;
  }
  if (last > MAX_EXPONENT) return null;
  return { mantissa: value < 0n ? -mantissa : mantissa, exponent: last };
}

/** `size / divisor / 2^places`, to the nearest. */
function at(size: bigint, divisor: bigint, places: number): bigint {
  return places >= 0
    ? toNearest(size, divisor << BigInt(places))
    : toNearest(size << BigInt(-places), divisor);
}

function toNearest(value: bigint, divisor: bigint): bigint {
  const whole = value / divisor;
  const twice = (value - whole * divisor) * 2n;
  return twice > divisor || (twice === divisor && (whole & 1n) === 1n) ? whole + 1n : whole;
}

function bitsOf(value: bigint): number {
  const hex = value.toString(16);
  return (hex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(hex[0] as string, 16)));
}

function clamp(power: number): number {
  return Math.max(-100_000, Math.min(100_000, power));
}
