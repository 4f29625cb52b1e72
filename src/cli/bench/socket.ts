import { createConnection, type Socket } from 'node:net';
import { systemReason } from '../../base/index.ts';
import { ErrorReply, readValue, type Value } from './values.ts';

/** Where a server is, and as whom it is asked. */
export interface Server {
  readonly host: string;
  readonly port: number;
  readonly user: string | null;
  readonly password: string | null;
}

const READ_BYTES = 64 * 1024;
const CONNECT_MS = 5000;
/** How long a question may take before or between the loads. */
const ANSWER_MS = 30_000;

interface Answer {
  resolve(value: Value): void;
  reject(error: Error): void;
}

/** A refusal by the server, in its own words. */
export class Refused extends Error {}

/**
 * One connection. First for questions, one at a time (`ask`); then, once `handOver` was called, the bytes that come go to its
 * new owner. Everything is read into one buffer, which is written over when the owner returns.
 */
export class RespSocket {
  readonly #socket: Socket;
  #owner: ((bytes: Buffer) => void) | null = null;
  #closed: ((why: string) => void) | null = null;
  #answer: Answer | null = null;
  #pending: Buffer = Buffer.alloc(0);
  #why: string | null = null;

  private constructor(server: Server, opened: () => void) {
    const { host, port } = server;
    const onread = {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (count: number, buffer: Uint8Array): boolean => {
        this.#came(buffer.subarray(0, count) as Buffer);
        return true;
      },
    };
    this.#socket = createConnection({ host, port, noDelay: true, onread, autoSelectFamily: true }, opened);
    this.#socket.on('error', (error) => this.#end(systemReason(error)));
    this.#socket.on('close', () => this.#end('the server closed the connection'));
  }

  /** Connected and logged in. */
  static async open(server: Server): Promise<RespSocket> {
    const socket = await new Promise<RespSocket>((resolve, reject) => {
      const made = new RespSocket(server, () => {
        clearTimeout(timer);
        made.#closed = null;
        resolve(made);
      });
      const fail = (why: string): void => {
        clearTimeout(timer);
        made.close();
        reject(new Error(why));
      };
      const timer = setTimeout(() => fail(`no connection within ${CONNECT_MS / 1000} s`), CONNECT_MS);
      made.#closed = fail;
    });
    const { user, password } = server;
    if (password === null) return socket;
    try {
      await socket.ask(user === null ? ['AUTH', password] : ['AUTH', user, password]);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** The answer to one command; an error reply is thrown. */
  ask(words: readonly (string | Buffer)[], withinMs = ANSWER_MS): Promise<Value> {
    if (this.#why !== null) return Promise.reject(new Error(this.#why));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#settle()?.reject(new Error(`no answer within ${withinMs / 1000} s`)),
        withinMs,
      );
      this.#answer = {
        resolve: (value) => {
          clearTimeout(timer);
          if (value instanceof ErrorReply) reject(new Refused(value.text));
          else resolve(value);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#socket.write(encode(words));
    });
  }

  /** From now on `owner` gets the bytes, and `closed` is told when nothing more comes. */
  handOver(owner: (bytes: Buffer) => void, closed: (why: string) => void): void {
    this.#owner = owner;
    if (this.#why === null) this.#closed = closed;
    else closed(this.#why);
  }

  /** True when the bytes may be written over at once. */
  write(bytes: Buffer): boolean {
    this.#socket.write(bytes);
    return this.#socket.writableLength === 0;
  }

  close(): void {
    this.#closed = null;
    this.#socket.destroy();
  }

  #came(bytes: Buffer): void {
    try {
      if (this.#owner !== null) {
        this.#owner(bytes);
        return;
      }
      this.#pending = Buffer.concat([this.#pending, bytes]);
      const read = readValue(this.#pending, 0);
      if (read === null) return;
      this.#pending = this.#pending.subarray(read.next);
      this.#settle()?.resolve(read.value);
    } catch (error) {
      this.#end((error as Error).message);
      this.#socket.destroy();
    }
  }

  #settle(): Answer | null {
    const answer = this.#answer;
    this.#answer = null;
    return answer;
  }

  #end(why: string): void {
    if (this.#why !== null) return;
    this.#why = why;
    this.#settle()?.reject(new Error(why));
    const closed = this.#closed;
    this.#closed = null;
    closed?.(why);
  }
}

/** A command as an array of bulk strings. */
export function encode(words: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word) : word;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}

const CRLF = Buffer.from('\r\n');
