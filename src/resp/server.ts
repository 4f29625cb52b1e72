import { createServer, type Server, type Socket } from 'node:net';
import type { Store } from '../store/index.ts';
import { Client } from './client.ts';
import { CONNECTION_COMMANDS } from './commands/connection.ts';
import { STRING_COMMANDS } from './commands/strings.ts';
import { Dispatcher } from './dispatcher.ts';

/** Listens, and carries bytes between sockets and the dispatcher. */
export class RespServer {
  readonly #dispatcher: Dispatcher;
  readonly #server: Server;
  #nextId = 1;

  constructor(store: Store) {
    this.#dispatcher = new Dispatcher(store, [...STRING_COMMANDS, ...CONNECTION_COMMANDS]);
    this.#server = createServer((socket) => this.#accept(socket));
  }

  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
  }

  #accept(socket: Socket): void {
    const client = new Client(this.#nextId++, `${socket.remoteAddress}:${socket.remotePort}`, Date.now());
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#came(client, socket, chunk));
    socket.on('error', () => socket.destroy());
  }

  #came(client: Client, socket: Socket, chunk: Uint8Array): void {
    const { reply } = this.#dispatcher.call;
    client.request.feed(chunk);
    this.#dispatcher.run(client, Date.now());
    if (reply.length > 0) {
      socket.write(reply.written);
      // What the kernel took at once may be written over; what it did not is the socket's now.
      if (socket.writableLength > 0) reply.take();
      else reply.length = 0;
    }
    if (client.closing) socket.end();
  }
}
