import { createConnection, type Socket } from 'node:net';

export interface Reply {
  readonly status: number;
  readonly json: unknown;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The smallest HTTP client that will do: one kept connection to a Unix socket, pipelined. So that what is measured is
 * the agent and not the client; node:http costs several times as much per request.
 */
export class Pipe {
  readonly connected: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #failed: Error | null = null;

  constructor(path: string) {
    this.#socket = createConnection(path);
    this.connected = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', reject);
    });
    // Who does not wait for it learns it from the first call.
    this.connected.catch(() => {});
    this.#socket.on('data', (chunk) => this.#data(chunk));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  call(method: string, path: string, body?: object): Promise<Reply> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const type = body === undefined ? '' : 'Content-Type: application/json\r\n';
    const head = `${method} ${path} HTTP/1.1\r\nHost: shoal\r\n${type}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
    return new Promise((resolve, reject) => {
      if (this.#failed !== null) {
        reject(this.#failed);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#socket.write(head + text);
    });
  }

  /** The body of a 200. */
  async get<T>(path: string): Promise<T> {
    const { status, json } = await this.call('GET', path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(json)}`);
    return json as T;
  }

  close(): void {
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failed);
  }

  #data(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      const headEnd = this.#buffer.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const head = this.#buffer.toString('latin1', 0, headEnd);
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      const end = headEnd + 4 + length;
      if (this.#buffer.length < end) return;
      const text = this.#buffer.toString('utf8', headEnd + 4, end);
      this.#buffer = this.#buffer.subarray(end);
      let json: unknown = text;
      try {
        json = JSON.parse(text);
      } catch {}
      this.#waiting.shift()?.resolve({ status: Number(head.slice(9, 12)), json });
    }
  }
}
