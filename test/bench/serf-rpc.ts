import { createConnection, type Socket } from 'node:net';
import { decodeMulti, encode } from '@msgpack/msgpack';

/** serf's RPC (docs/agent/rpc): msgpack over TCP, a header with a sequence number, then a body where a call has one. */
export class SerfRpc {
  readonly socket: Socket;
  #seq = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #waiting: {
    objects: number;
    resolve: (objects: unknown[]) => void;
    reject: (error: Error) => void;
  } | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    const fail = (): void => this.#waiting?.reject(new Error('serf closed the connection'));
    socket.on('error', fail);
    socket.on('close', fail);
  }

  static async open(host: string, port: number): Promise<SerfRpc> {
    const socket = createConnection({ host, port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const rpc = new SerfRpc(socket);
    await rpc.#call('handshake', { Version: 1 }, 1);
    return rpc;
  }

  async event(name: string): Promise<void> {
    await this.#call('event', { Name: name, Payload: new Uint8Array(0), Coalesce: false }, 1);
  }

  /** From now on the connection carries events of these types; no further calls. */
  async stream(types: string): Promise<void> {
    await this.#call('stream', { Type: types }, 1);
  }

  async leave(): Promise<void> {
    await this.#call('leave', null, 1);
  }

  async aliveMembers(): Promise<number> {
    const [, body] = await this.#call('members', null, 2);
    const { Members } = body as { Members: { Status: string }[] };
    return Members.filter(({ Status }) => Status === 'alive').length;
  }

  #call(command: string, body: object | null, objects: number): Promise<unknown[]> {
    const header = encode({ Command: command, Seq: this.#seq++ });
    return new Promise((resolve, reject) => {
      this.#waiting = { objects, resolve, reject };
      this.socket.write(body === null ? header : Buffer.concat([header, encode(body)]));
    });
  }

  #data(chunk: Buffer): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    const objects: unknown[] = [];
    try {
      for (const object of decodeMulti(this.#buffer)) objects.push(object);
    } catch {
      return; // Cut in the middle: more will come.
    }
    if (objects.length < waiting.objects) return;
    this.#buffer = Buffer.alloc(0);
    this.#waiting = null;
    const { Error: message } = objects[0] as { Error: string };
    if (message === '') waiting.resolve(objects);
    else waiting.reject(new Error(`serf: ${message}`));
  }
}
