import { createConnection, type Socket } from 'node:net';
import { eventually, type TestAgent } from './harness.ts';

/** A reply: text, number, null, list; an error is an Error. */
export type Reply = string | number | null | Error | Reply[];

const PROBES = 2_000;

/** Owners have asked each other who holds what, and commands on any slot are answered: until then it may be -TRYAGAIN. */
export async function storesServe([first]: readonly TestAgent[], password?: string): Promise<void> {
  const client = await StoreClient.connect(first?.ready.proxy as string);
  if (password !== undefined) await client.ask('AUTH', password);
  await eventually('all slots are served', async () => {
    const replies = await Promise.all(
      Array.from({ length: PROBES }, (_, i) => client.ask('GET', `probe:${i}`)),
    );
    const refusal = replies.find((reply) => reply instanceof Error);
    if (refusal !== undefined) throw refusal;
    return true;
  });
  client.close();
}

/** The least Redis client there is: pipelined commands in, replies in order. */
export class StoreClient {
  readonly #socket: Socket;
  #buffer = '';
  readonly #waiting: ((reply: Reply) => void)[] = [];
  /** What came without being asked for: messages of channels. */
  readonly pushed: Reply[] = [];
  #ended: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#buffer += text;
      for (;;) {
        const parsed = parse(this.#buffer, 0);
        if (parsed === null) break;
        this.#buffer = this.#buffer.slice(parsed.end);
        const answer = this.#waiting.shift();
        if (answer === undefined) this.pushed.push(parsed.reply);
        else answer(parsed.reply);
      }
    });
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the connection ended')));
  }

  static connect(address: string): Promise<StoreClient> {
    const at = address.lastIndexOf(':');
    const socket = createConnection({
      host: address.slice(0, at),
      port: Number(address.slice(at + 1)),
      noDelay: true,
    });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => resolve(new StoreClient(socket)));
    });
  }

  /** The reply; errors are replies too. */
  ask(...words: readonly (string | number)[]): Promise<Reply> {
    if (this.#ended !== null) return Promise.resolve(this.#ended);
    const texts = words.map(String);
    this.#socket.write(
      `*${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`,
      'latin1',
    );
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const answer of this.#waiting.splice(0)) answer(error);
  }
}

function parse(text: string, at: number): { reply: Reply; end: number } | null {
  const line = text.indexOf('\r\n', at);
  if (line < 0) return null;
  const body = text.slice(at + 1, line);
  const after = line + 2;
  switch (text[at]) {
    case '+':
      return { reply: body, end: after };
    case '-':
      return { reply: new Error(body), end: after };
    case ':':
      return { reply: Number(body), end: after };
    case '_':
      return { reply: null, end: after };
    case '$': {
      const length = Number(body);
      if (length < 0) return { reply: null, end: after };
      if (text.length < after + length + 2) return null;
      return { reply: text.slice(after, after + length), end: after + length + 2 };
    }
    default: {
      const list: Reply[] = [];
      let end = after;
      // A map is its keys and values in turn.
      const count = Number(body) * (text[at] === '%' ? 2 : 1);
      for (let i = 0; i < count; i++) {
        const part = parse(text, end);
        if (part === null) return null;
        list.push(part.reply);
        end = part.end;
      }
      return { reply: list, end };
    }
  }
}
