import { connect, type Socket } from 'node:net';
import { sleep, until } from './proc.ts';

const MB = 2 ** 20;
const CHUNK = Buffer.alloc(MB, 'x');
/** What an attacker waits for. */
const LIMIT_MS = 300_000;
/** Nothing more is taken or given: so long without a byte. */
const STUCK_MS = 2000;

/** A connection that writes as much as the server takes, and reads or does not. */
export class Hostile {
  readonly socket: Socket;
  received = 0;
  head = '';
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('data', (chunk: Buffer) => {
      if (this.head.length < 200) this.head += chunk.toString('latin1', 0, 200);
      this.received += chunk.length;
    });
  }

  static async open(port: number): Promise<Hostile> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Hostile(socket);
  }

  static many(port: number, count: number): Promise<Hostile[]> {
    return Promise.all(Array.from({ length: count }, () => Hostile.open(port)));
  }

  /** Writes it, and waits until the kernel has nearly all; false when the server takes no more. */
  async write(bytes: Buffer | string): Promise<boolean> {
    this.socket.write(bytes);
    let taken = this.socket.bytesWritten - this.socket.writableLength;
    let stuckMs = 0;
    while (this.socket.writableLength > 4 * MB && !this.closed) {
      await sleep(5);
      const now = this.socket.bytesWritten - this.socket.writableLength;
      stuckMs = now === taken ? stuckMs + 5 : 0;
      taken = now;
      if (stuckMs > STUCK_MS) return false;
    }
    return !this.closed;
  }

  /** The same bytes again and again, up to so many in all; how many the server took. */
  async pour(part: Buffer, bytes: number): Promise<number> {
    for (let sent = 0; sent < bytes; sent += part.length) if (!(await this.write(part))) break;
    return this.socket.bytesWritten - this.socket.writableLength;
  }

  /** An argument of so many bytes, all `x`. */
  async argument(bytes: number): Promise<void> {
    await this.write(`$${bytes}\r\n`);
    for (let left = bytes; left > 0; left -= MB)
      await this.write(left >= MB ? CHUNK : CHUNK.subarray(0, left));
    await this.write('\r\n');
  }

  /** A command with one large argument, number `large`, given as its length. */
  async command(words: readonly (string | number)[]): Promise<void> {
    await this.write(`*${words.length}\r\n`);
    for (const word of words)
      if (typeof word === 'number') await this.argument(word);
      else await this.write(`$${word.length}\r\n${word}\r\n`);
  }

  /** Waits for the whole of one reply that is no array; its first bytes. */
  async reply(): Promise<string> {
    const from = this.received;
    this.head = '';
    const whole = (): boolean => {
      if (this.closed) return true;
      const line = this.head.indexOf('\r\n');
      if (line < 0) return false;
      const length = this.head.startsWith('$') ? Number(this.head.slice(1, line)) : -1;
      return this.received - from >= line + 2 + (length < 0 ? 0 : length + 2);
    };
    await until('a reply', whole, LIMIT_MS, 1);
    return this.closed ? 'closed' : (this.head.slice(0, 60).split('\r\n')[0] ?? '');
  }

  async ask(...words: readonly (string | number)[]): Promise<string> {
    const answered = this.reply();
    await this.command(words);
    return answered;
  }

  /** Reads a little now and then, for as long as asked. */
  async sip(ms: number): Promise<void> {
    for (const end = performance.now() + ms; performance.now() < end && !this.closed; ) {
      this.socket.resume();
      await sleep(1);
      this.socket.pause();
      await sleep(500);
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

export function encoded(words: readonly string[]): Buffer {
  return Buffer.from(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
}
