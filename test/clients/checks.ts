import { isDeepStrictEqual } from 'node:util';

/** Counts comparisons; the first that fails is an error. */
export class Checks {
  count = 0;

  same(what: string, got: unknown, wanted: unknown): void {
    this.count++;
    // Some replies are objects without a prototype, some buffers of a pool.
    const alike =
      wanted instanceof Buffer
        ? got instanceof Uint8Array && wanted.equals(got)
        : isDeepStrictEqual(got, wanted);
    if (!alike) throw new Error(`${what}: ${shown(got)} is not ${shown(wanted)}`);
  }

  between(what: string, got: number, low: number, high: number): void {
    this.count++;
    if (!(got >= low && got <= high)) throw new Error(`${what}: ${got} is not in ${low} to ${high}`);
  }

  /** The promise must be rejected with an error that says so. */
  async rejected(what: string, promise: Promise<unknown>, text: string): Promise<void> {
    this.count++;
    const got: unknown = await promise.then(
      (value) => `not refused, but ${shown(value)}`,
      (error: unknown) => error,
    );
    if (!(got instanceof Error && got.message.includes(text)))
      throw new Error(`${what}: ${got instanceof Error ? got.message : String(got)} does not say '${text}'`);
  }
}

function shown(value: unknown): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : JSON.stringify(value);
  return String(text).slice(0, 200);
}

export function batches<T>(items: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let i = 0; i < items.length; i += size) out.push(items.slice(i, i + size));
  return out;
}
