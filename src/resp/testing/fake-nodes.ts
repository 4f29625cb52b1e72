import { createConnection, type Socket } from 'node:net';
import type { Address, NodeId } from '../../base/index.ts';
import { Store } from '../../store/index.ts';
import { createGroupServer, type GroupServer } from '../group-server.ts';
import { ReplyReader } from '../reply-reader.ts';
import { ROLE, type Role } from '../role.ts';
import { FakeGroup, nodeId } from './fake-group.ts';

export interface FakeNode {
  readonly id: NodeId;
  readonly store: Store;
  readonly group: GroupServer;
  /** Ports by role. */
  readonly ports: ReadonlyMap<Role, number>;
  client(role?: Role): Promise<TestClient>;
}

interface NodeOptions {
  readonly keys?: readonly Uint8Array[] | null;
  readonly settings?: Readonly<Record<string, string>>;
  readonly store?: Store;
}

/** Nodes of one fake group in this process, each with a real server on loopback. */
export class FakeNodes {
  readonly map = new FakeGroup();
  readonly nodes: FakeNode[] = [];
  /** Their clocks are ahead by so much. */
  aheadMs = 0;
  /** Run at the end, before the servers are closed. */
  readonly closers: (() => void)[] = [];

  async add({ keys = null, settings = {}, store = new Store() }: NodeOptions = {}): Promise<FakeNode> {
    const id = nodeId(this.nodes.length + 1);
    // Members know an address before the server is there: a free port is taken first.
    this.map.join(id, null);
    const group = createGroupServer({
      node: this.map.node(id),
      store,
      keys: keys === null ? null : () => keys,
      open: false,
      nowMs: () => performance.now() + this.aheadMs,
      level: '1m0d',
      settings,
    });
    const ports = new Map<Role, number>();
    for (const role of [ROLE.cluster, ROLE.proxy])
      ports.set(role, await group.server.listen(0, '127.0.0.1', role));
    const node: FakeNode = {
      id,
      store,
      group,
      ports,
      client: async (role = ROLE.proxy) => {
        const client = await TestClient.connect(ports.get(role) as number);
        this.closers.push(() => client.close());
        return client;
      },
    };
    this.nodes.push(node);
    this.map.join(id, this.address(node));
    return node;
  }

  address(node: FakeNode): Address {
    return `127.0.0.1:${node.ports.get(ROLE.cluster)}` as Address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.closers) close();
    await Promise.all(this.nodes.map(({ group }) => group.close()));
  }
}

/** Replies as they stand, in order. */
export class TestClient {
  readonly #socket: Socket;
  readonly #reader = new ReplyReader();
  readonly #waiting: ((reply: string) => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#reader.feed(chunk);
      for (let reply = this.#reader.next(); reply !== null; reply = this.#reader.next())
        this.#waiting.shift()?.(Buffer.from(reply).toString('latin1'));
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const answer of this.#waiting.splice(0)) answer('closed');
    });
  }

  static connect(port: number): Promise<TestClient> {
    const socket = createConnection({ port, host: '127.0.0.1' });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => resolve(new TestClient(socket)));
    });
  }

  ask(...words: readonly (string | number)[]): Promise<string> {
    const texts = words.map(String);
    this.#socket.write(`*${texts.length}\r\n${texts.map((one) => `$${one.length}\r\n${one}\r\n`).join('')}`);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }
}
