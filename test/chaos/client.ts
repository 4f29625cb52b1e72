import { request } from 'node:http';
import { Pipe, type Reply } from '../bench/pipe.ts';
import type { Board } from './fleet.ts';

/** A connection idle for longer may be about to be closed by the agent. */
const IDLE_MS = 2_000;
const ANSWER_MS = 10_000;

/**
 * Calls on the boards' Unix sockets, over kept connections, one call at a time on each. A call waits for as long as the
 * process may still answer it: on a stopped one it is in the socket and will be made when that goes on. When the process
 * ends the call fails, and nobody will make it any more.
 */
export class Clients {
  readonly #idle = new Map<
    Board,
    { readonly pipe: Pipe; readonly boot: number; readonly sinceMs: number }[]
  >();

  async call(board: Board, method: string, path: string, body?: object): Promise<Reply> {
    const { ready, boots } = board;
    if (ready === null) throw new Error(`${board.name} is not up`);
    const pipe = this.#take(board) ?? new Pipe(ready.socket);
    const reply = await pipe.call(method, path, body);
    const idle = this.#idle.get(board) ?? [];
    this.#idle.set(board, idle);
    idle.push({ pipe, boot: boots, sinceMs: performance.now() });
    return reply;
  }

  /** Closes what is not in use: before descriptors are counted. */
  close(): void {
    for (const idle of this.#idle.values()) for (const { pipe } of idle.splice(0)) pipe.close();
  }

  #take(board: Board): Pipe | null {
    const idle = this.#idle.get(board) ?? [];
    for (;;) {
      const last = idle.pop();
      if (last === undefined) return null;
      if (last.boot === board.boots && performance.now() - last.sinceMs < IDLE_MS) {
        this.#prune(idle);
        return last.pipe;
      }
      last.pipe.close();
    }
  }

  #prune(idle: { readonly pipe: Pipe; readonly sinceMs: number }[]): void {
    while (idle[0] !== undefined && performance.now() - idle[0].sinceMs > IDLE_MS) idle.shift()?.pipe.close();
  }
}

/** The text of a 200, on a connection of its own: long lists come in pieces, which the small client does not know. */
export function getText(board: Board, path: string): Promise<string> {
  return new Promise((done, fail) => {
    if (board.ready === null) {
      fail(new Error(`${board.name} is not up`));
      return;
    }
    const call = request({ socketPath: board.ready.socket, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', fail);
      response.on('end', () => {
        if (response.statusCode === 200) done(text);
        else fail(new Error(`${board.name}: GET ${path}: ${response.statusCode} ${text}`));
      });
    });
    call.on('error', fail);
    call.setTimeout(ANSWER_MS, () => call.destroy(new Error(`${board.name}: GET ${path}: no answer`)));
    call.end();
  });
}

export async function get<T>(board: Board, path: string): Promise<T> {
  return JSON.parse(await getText(board, path)) as T;
}

export interface MemberEvent {
  readonly type: string;
  readonly subject: string;
  readonly name: string;
  readonly origin: string | null;
  readonly member?: { readonly incarnation: number };
}

/** Follows an agent's member events until its process ends; a stream that breaks before that is opened again. */
export function follow(board: Board, onEvent: (event: MemberEvent) => void): void {
  const { ready, boots } = board;
  if (ready === null) return;
  const types = ['member-down', 'member-suspect', 'member-leave'].map((type) => `type=${type}`).join('&');
  let again = false;
  const retry = (): void => {
    if (again || !board.up || board.boots !== boots) return;
    again = true;
    setTimeout(() => follow(board, onEvent), 200).unref();
  };
  const call = request(
    { socketPath: ready.socket, path: `/v1/events?${types}`, agent: false },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        for (const line of lines)
          if (line.startsWith('data: ')) onEvent(JSON.parse(line.slice(6)) as MemberEvent);
      });
      response.on('error', () => {});
      response.on('close', retry);
    },
  );
  call.on('error', retry);
  call.end();
}
