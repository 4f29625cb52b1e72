import { createConnection, type Socket } from 'node:net';
import { type Reply, readReply } from './reply.ts';

/** A command: its arguments, each a byte a character. */
export type Words = readonly string[];

/** A raw connection to a server that speaks RESP. */
export class Connection {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #waiting: {
    count: number;
    replies: Reply[];
    resolve: (replies: Reply[]) => void;
    reject: (error: Error) => void;
  } | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      this.#read();
    });
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('the server has closed the connection')));
  }

  /** Sends commands in one go, and waits for as many replies, or for `count`. */
  ask(commands: readonly Words[], count = commands.length): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      this.#waiting = { count, replies: [], resolve, reject };
      this.#socket.write(Buffer.concat(commands.map(encode)));
      this.#read();
    });
  }

  /** Ends the conversation: what was not read yet, and the answer to QUIT. */
  quit(): Promise<Reply[]> {
    return new Promise((resolve) => {
      const end = () => {
        const replies: Reply[] = [];
        for (let one = readReply(this.#bytes, 0); one !== null; one = readReply(this.#bytes, 0)) {
          replies.push(one.reply);
          this.#bytes = this.#bytes.subarray(one.next);
        }
        resolve(replies);
      };
      if (this.#socket.destroyed) end();
      else this.#socket.once('close', end);
      this.#socket.write(encode(['QUIT']));
    });
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    let at = 0;
    while (waiting.replies.length < waiting.count) {
      const one = readReply(this.#bytes, at);
      if (one === null) break;
      waiting.replies.push(one.reply);
      at = one.next;
    }
    this.#bytes = this.#bytes.subarray(at);
    if (waiting.replies.length < waiting.count) return;
    this.#waiting = null;
    waiting.resolve(waiting.replies);
  }
}

export function encode(words: Words): Buffer {
  const parts = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.from(word, 'latin1');
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export function connect(port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.setNoDelay(true);
      socket.off('error', reject);
      resolve(new Connection(socket));
    });
  });
}
