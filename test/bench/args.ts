/** A mistake in how the bench was called, or something it needs and does not find. */
export class BenchError extends Error {}

/** `--name value` pairs and bare `--name` switches; what is not known is an error. */
export class Args {
  readonly #values = new Map<string, string>();

  constructor(args: readonly string[], known: readonly string[]) {
    for (let i = 0; i < args.length; i++) {
      const name = (args[i] as string).replace(/^--/, '');
      if (!known.includes(name)) {
        const list = known.map((one) => `--${one}`).join(', ');
        throw new BenchError(`unknown argument '${args[i]}': there are ${list}`);
      }
      const next = args[i + 1];
      if (next === undefined || next.startsWith('--')) this.#values.set(name, '');
      else {
        this.#values.set(name, next);
        i++;
      }
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  number(name: string, otherwise: number): number {
    const text = this.#values.get(name);
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (text === '' || !Number.isFinite(value) || value < 0) {
      throw new BenchError(`--${name} must be a number, not '${text}'`);
    }
    return value;
  }

  numbers(name: string, otherwise: readonly number[]): readonly number[] {
    const text = this.#values.get(name);
    if (text === undefined) return otherwise;
    const values = text.split(',').map(Number);
    if (values.some((value) => !Number.isInteger(value) || value < 1)) {
      throw new BenchError(`--${name} must be numbers like 5,32,64, not '${text}'`);
    }
    return values;
  }

  texts(name: string, otherwise: readonly string[]): readonly string[] {
    const text = this.#values.get(name);
    return text === undefined ? otherwise : text.split(',');
  }
}
