import { ROLE } from '../../src/resp/role.ts';
import { RespServer } from '../../src/resp/server.ts';
import { FakeNodes } from '../../src/resp/testing/fake-nodes.ts';
import { Store } from '../../src/store/index.ts';
import { type Connection, connect } from './connection.ts';

/** A node of a group, which has all slots, at its cluster's port. */
export class OursInCluster {
  readonly #nodes = new FakeNodes();
  port = 0;

  async start(): Promise<void> {
    const { id, ports } = await this.#nodes.add();
    this.#nodes.map.register(id, 0, 0xffffffff);
    this.port = ports.get(ROLE.cluster) ?? 0;
  }

  connect(): Promise<Connection> {
    return connect(this.port);
  }

  async stop(): Promise<void> {
    await this.#nodes[Symbol.asyncDispose]();
  }
}

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
