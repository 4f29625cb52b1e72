import pc from 'picocolors';
import { usage } from './errors.ts';
import { HttpClient } from './http-client.ts';
import type { CliIo } from './io.ts';
import { chooseTarget } from './target.ts';

export type OptionValues = Readonly<Record<string, unknown>>;

const DEFAULT_TIMEOUT_SECONDS = 5;
const MAX_SECONDS = 86_400;

/** What a verb has at hand: the world, the global options, the daemon, the colours. */
export class Shell {
  readonly io: CliIo;
  readonly json: boolean;
  readonly paint: ReturnType<typeof pc.createColors>;
  readonly #options: OptionValues;

  constructor(io: CliIo, options: OptionValues) {
    this.io = io;
    this.#options = options;
    this.json = options.json === true;
    this.paint = pc.createColors(io.isTerminal && !io.env.NO_COLOR && io.env.TERM !== 'dumb');
  }

  /** The daemon. `readOnly`: the verb changes nothing, so that the HTTP port will do. */
  client(readOnly: boolean): HttpClient {
    const timeout = textOption(this.#options, 'timeout') ?? (this.io.env.SHOAL_TIMEOUT || undefined);
    const seconds = timeout === undefined ? DEFAULT_TIMEOUT_SECONDS : parseSeconds(timeout, '--timeout');
    if (seconds === 0) throw usage('--timeout: 0 would never wait: give more');
    const flags = {
      socket: textOption(this.#options, 'socket'),
      url: textOption(this.#options, 'url'),
      tokenFile: textOption(this.#options, 'tokenFile'),
    };
    return new HttpClient(chooseTarget(flags, this.io, readOnly), seconds * 1000);
  }

  line(text: string): void {
    this.io.stdout(`${text}\n`);
  }

  lines(texts: readonly string[]): void {
    if (texts.length > 0) this.io.stdout(`${texts.join('\n')}\n`);
  }

  /** With --json prints the answer, else what `text` makes of it. */
  answer(value: unknown, text: () => readonly string[]): void {
    if (this.json) this.printJson(value);
    else this.lines(text());
  }

  printJson(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  /** A remark for people that is not part of the output. */
  note(text: string): void {
    this.io.stderr(`shoal: ${text}\n`);
  }
}

export function textOption(options: OptionValues, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

/** A number of seconds, with at most three decimals. */
export function parseSeconds(text: string, field: string, max = MAX_SECONDS): number {
  const value = /^[0-9]{1,6}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : NaN;
  if (!(value <= max))
    throw usage(`${field}: '${text.slice(0, 40)}' is not a number of seconds from 0 to ${max}`);
  return value;
}
