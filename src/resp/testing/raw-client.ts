import { connect, type Socket } from 'node:net';
import { ReplyReader } from '../reply-reader.ts';

const WAIT_MS = 120_000;

/** A client for tests: sends bytes or commands, and gives replies one by one, as text as it came. */
export class RawClient {
  readonly socket: Socket;
  readonly #reader = new ReplyReader();
  readonly #replies: string[] = [];
  #wake: () => void = () => {};
  received = 0;
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#came(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect(port, host);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  send(...words: string[]): this {
    this.socket.write(encode(words));
    return this;
  }

  /** Sends a command and gives its reply. */
  ask(...words: string[]): Promise<string> {
    return this.send(...words).reply();
  }

  /** The next reply; `closed` when there will be none. */
  async reply(): Promise<string> {
    await until(
      () => this.#replies.length > 0 || this.closed,
      (wake) => {
        this.#wake = wake;
      },
    );
    return this.#replies.shift() ?? 'closed';
  }

  async replies(count: number): Promise<string[]> {
    const out: string[] = [];
    while (out.length < count) out.push(await this.reply());
    return out;
  }

  /** Replies that are there. */
  get waiting(): number {
    return this.#replies.length;
  }

  async whenClosed(): Promise<void> {
    await until(
      () => this.closed,
      (wake) => {
        this.#wake = wake;
      },
    );
  }

  close(): void {
    this.socket.destroy();
  }

  #came(chunk: Buffer): void {
    this.received += chunk.length;
    this.#reader.feed(chunk);
    for (;;) {
      const reply = this.#reader.next();
      if (reply === null) break;
      this.#replies.push(Buffer.from(reply).toString('latin1').replaceAll('\r\n', ' ').trimEnd());
    }
    this.#wake();
  }
}

export function encode(words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word, 'latin1')}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`, 'latin1');
}

/** Waits until something is so, told of changes by a call; fails after two minutes. */
export async function until(isSo: () => boolean, onChange: (wake: () => void) => void): Promise<void> {
  const end = Date.now() + WAIT_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error('it did not come');
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 20);
      onChange(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** Waits until something is so, by looking; fails after two minutes. */
export function poll(isSo: () => boolean): Promise<void> {
  return until(isSo, () => {});
}
