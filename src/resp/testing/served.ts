import { Store } from '../../store/index.ts';
import { RespServer } from '../server.ts';
import { RawClient } from './raw-client.ts';

/** Servers of one test and their clients, closed together. */
export class Served {
  readonly closers: (() => Promise<void> | void)[] = [];

  async start(settings: Record<string, string> = {}, store = new Store(), host = '127.0.0.1') {
    const server = new RespServer(store, { settings });
    const port = await server.listen(0, host);
    this.closers.push(() => server.close());
    const join = async (to = '127.0.0.1'): Promise<RawClient> => {
      const client = await RawClient.connect(port, to);
      this.closers.push(() => client.close());
      return client;
    };
    return { server, port, join };
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close();
  }
}
