import { KEY_BYTES, KEY_DIGITS, KEY_PREFIX } from './plan.ts';

const ZERO = 48;

/** Writes pipelined commands into one buffer: a SET and a GET are copied whole, and the number of their key put in. */
export class CommandWriter {
  readonly #set: Buffer;
  readonly #get: Buffer;
  readonly #room: number;
  #buffer: Buffer;
  #length = 0;

  /** For at most `commands` at a time, with values of so many bytes. */
  constructor(commands: number, sizeBytes: number) {
    const key = `$${KEY_BYTES}\r\n${KEY_PREFIX}${'0'.repeat(KEY_DIGITS)}\r\n`;
    this.#get = Buffer.from(`*2\r\n$3\r\nGET\r\n${key}`);
    this.#set = Buffer.from(`*3\r\n$3\r\nSET\r\n${key}$${sizeBytes}\r\n${'x'.repeat(sizeBytes)}\r\n`);
    this.#room = commands * Math.max(this.#get.length, this.#set.length);
    this.#buffer = Buffer.allocUnsafe(this.#room);
  }

  put(isSet: boolean, key: number): void {
    const command = isSet ? this.#set : this.#get;
    const buffer = this.#buffer;
    const at = this.#length;
    buffer.set(command, at);
    let number = key;
    for (let i = at + DIGITS_END; number > 0; i--) {
      const rest = Math.floor(number / 10);
      buffer[i] = ZERO + number - rest * 10;
      number = rest;
    }
    this.#length = at + command.length;
  }

  /** What was put since the last time. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  /** What was taken last is another's now. */
  giveAway(): void {
    this.#buffer = Buffer.allocUnsafe(this.#room);
  }
}

/** Where a key's last digit is, in both commands. */
const DIGITS_END = '*3\r\n$3\r\nSET\r\n$16\r\n'.length + KEY_BYTES - 1;
