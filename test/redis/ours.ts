import { RespServer } from '../../src/resp/server.ts';
import { Store } from '../../src/store/index.ts';
import { type Connection, connect } from './connection.ts';

/** Our server, in this process, with nothing on disk. */
export class Ours {
  readonly #server = new RespServer(new Store());
  #port = 0;

  async start(): Promise<void> {
    this.#port = await this.#server.listen(0, '127.0.0.1');
  }

  connect(): Promise<Connection> {
    return connect(this.#port);
  }

  async stop(): Promise<void> {
    await this.#server.close();
  }
}
